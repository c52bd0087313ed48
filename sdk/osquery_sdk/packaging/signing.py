"""Choose the key that signs each form of package."""

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
        """Return the variables that nfpm reads."""
        return {"NFPM_PASSPHRASE": self.passphrase} if self.passphrase else {}

    def signs(self, form: str) -> bool:
        """Return True if packages of this form get a signature."""
        return {"deb": self.gpg, "rpm": self.gpg, "apk": self.rsa, "msi": self.authenticode}.get(
            form
        ) is not None

    def deb(self) -> dict[str, Any]:
        """Return nfpm's settings for signing a deb."""
        return {"signature": {"key_file": str(self.gpg), "type": "origin"}} if self.gpg else {}

    def rpm(self) -> dict[str, Any]:
        """Return nfpm's settings for signing an rpm."""
        return {"signature": {"key_file": str(self.gpg)}} if self.gpg else {}

    def apk(self) -> dict[str, Any]:
        """Return nfpm's settings for signing an apk; `key_name` is the public key's file on machines."""
        return (
            {"signature": {"key_file": str(self.rsa), "key_name": f"{self.rsa.stem}.rsa.pub"}}
            if self.rsa
            else {}
        )


def read_keys(given: Sequence[str], environment: Mapping[str, str] = os.environ) -> Keys:
    """Return the keys that were named.

    Args:
        given: each as KIND=FILE.
        environment: holds the passphrase of the keys, if they need one.

    Raises:
        PackagingError: a kind is unknown, or a file does not exist.
    """
    files: dict[str, Path] = {}
    for argument in given:
        kind, _, file = argument.partition("=")
        if kind not in KINDS or not file:
            raise PackagingError(f"--sign {argument}: write KIND=FILE, where KIND is {', '.join(KINDS)}")
        if not Path(file).is_file():
            raise PackagingError(f"--sign {argument}: there is no such file")
        files[kind] = Path(file).resolve()
    return Keys(**files, passphrase=environment.get(PASSPHRASE, ""))
