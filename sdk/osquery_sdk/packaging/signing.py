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

    def key(self, form: str) -> Path | None:
        """Return the key that signs packages of this form; None if they get no signature."""
        return {"deb": self.gpg, "rpm": self.gpg, "apk": self.rsa, "msi": self.authenticode}.get(form)

    def signature(self, form: str) -> dict[str, Any]:
        """Return nfpm's settings for signing; an apk's `key_name` is the public key's file on machines."""
        key = self.key(form)
        if key is None:
            return {}
        more = {"deb": {"type": "origin"}, "apk": {"key_name": f"{key.stem}.rsa.pub"}}.get(form, {})
        return {"signature": {"key_file": str(key), **more}}


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
