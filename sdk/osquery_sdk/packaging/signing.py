"""Signatures: which key signs which form."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import PackagingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PASSPHRASE = "OSQUERY_SDK_SIGN_PASSPHRASE"  # noqa: S105  the name of a variable
KINDS = {
    "gpg": "deb and rpm; an OpenPGP private key, armoured",
    "rsa": "apk; an RSA private key, PEM",
    "authenticode": "msi; a certificate with its key, PKCS #12",
}


class Keys(NamedTuple):
    """The files of private keys, by kind."""

    gpg: Path | None = None
    rsa: Path | None = None
    authenticode: Path | None = None
    passphrase: str = ""

    def environment(self) -> dict[str, str]:
        """What nfpm looks for."""
        return {"NFPM_PASSPHRASE": self.passphrase} if self.passphrase else {}

    def signs(self, form: str) -> bool:
        """Whether packages of this form get a signature."""
        return {"deb": self.gpg, "rpm": self.gpg, "apk": self.rsa, "msi": self.authenticode}.get(
            form
        ) is not None

    def deb(self) -> dict[str, Any]:
        """What nfpm is told about a deb."""
        return {"signature": {"key_file": str(self.gpg), "type": "origin"}} if self.gpg else {}

    def rpm(self) -> dict[str, Any]:
        """What nfpm is told about an rpm."""
        return {"signature": {"key_file": str(self.gpg)}} if self.gpg else {}

    def apk(self) -> dict[str, Any]:
        """What nfpm is told about an apk; machines have the public key as the file of that name."""
        return (
            {"signature": {"key_file": str(self.rsa), "key_name": f"{self.rsa.stem}.rsa.pub"}}
            if self.rsa
            else {}
        )


def read_keys(given: Sequence[str], environment: Mapping[str, str] = os.environ) -> Keys:
    """The keys that were named.

    Args:
        given: each as KIND=FILE.
        environment: has the passphrase, if they need one.

    Raises:
        PackagingError: a kind is unknown, or there is no such file.
    """
    found: dict[str, Path] = {}
    for one in given:
        kind, _, text = one.partition("=")
        if kind not in KINDS or not text:
            raise PackagingError(f"--sign {one}: write KIND=FILE, where KIND is {', '.join(KINDS)}")
        if not Path(text).is_file():
            raise PackagingError(f"--sign {one}: there is no such file")
        found[kind] = Path(text).resolve()
    return Keys(**found, passphrase=environment.get(PASSPHRASE, ""))
