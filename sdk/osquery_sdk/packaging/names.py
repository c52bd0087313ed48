"""Check the names of packages and identifiers, and write names and machines as each form wants them."""

from __future__ import annotations

import re

from ..errors import PackagingError

_IDENTIFIER = re.compile(r"[a-z][a-z0-9-]{0,31}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,63}")
# Identifiers that would name folders or services of osquery or the system.
_TAKEN = frozenset({"osquery", "root", "bin", "lib", "etc", "share", "local", "systemd"})
_MACHINES = {
    "deb": {"x86_64": "amd64", "arm64": "arm64", "x86": "i386", "arm": "armhf", "riscv64": "riscv64"},
    "rpm": {"x86_64": "x86_64", "arm64": "aarch64", "x86": "i686", "arm": "armv7hl", "riscv64": "riscv64"},
    "apk": {"x86_64": "x86_64", "arm64": "aarch64", "x86": "x86", "arm": "armv7", "riscv64": "riscv64"},
    "arch": {"x86_64": "x86_64", "arm64": "aarch64", "x86": "i686", "arm": "armv7h", "riscv64": "riscv64"},
    "msi": {"x86_64": "x64", "x86": "x86"},
}


def check_identifier(text: str) -> str:
    """Return an identifier, which names folders, a service and a bundle identifier.

    Raises:
        PackagingError: the text cannot be one.
    """
    if not _IDENTIFIER.fullmatch(text) or text.endswith("-"):
        raise PackagingError(
            f"identifier {text!r}: it names folders and a service; "
            "use up to 32 lower-case letters, digits and hyphens, a letter first"
        )
    if text in _TAKEN:
        raise PackagingError(f"identifier {text!r}: that name is taken; use your organisation's")
    return text


def check_name(text: str) -> str:
    """Return a package's name.

    Raises:
        PackagingError: a form cannot write it.
    """
    if not _NAME.fullmatch(text):
        raise PackagingError(
            f"name {text!r}: use 2 to 64 letters, digits, - _ and ., a letter or digit first"
        )
    return text


def package_name(text: str, form: str) -> str:
    """Return a name as a form writes it: lower case for dpkg, apk and pacman; no underscores for dpkg."""
    if form == "deb":
        return text.lower().replace("_", "-")
    return text.lower() if form in ("apk", "arch") else text


def machine_name(machine: str, form: str) -> str:
    """Return a form's name of a machine.

    Raises:
        PackagingError: the form has no packages for that machine.
    """
    if machine not in _MACHINES[form]:
        raise PackagingError(f"{form}: has no packages for {machine}")
    return _MACHINES[form][machine]
