"""Translate an author's version for each form of package, keeping its order among other versions.

Versions are read by Python's packaging rules and those of semantic versioning. Every form that can express it
keeps this order: development < alpha < beta < release candidate < release < post-release. dpkg and rpm sort
`~` before the end of a version, apk has suffixes for stages, and pacman sorts letters right after a number
before the number's end.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import PackagingError

# The stages by their first letter; every other word in `_VERSION` is one for a release candidate.
_STAGES = {"a": "alpha", "b": "beta"}
_VERSION = re.compile(
    r"v?(?P<numbers>\d+(?:\.\d+)*)"
    r"(?:[-._]?(?P<stage>alpha|a|beta|b|preview|pre|c|rc)[-._]?(?P<stage_number>\d*))?"
    r"(?:[-._]?post[-._]?(?P<post>\d*))?"
    r"(?:[-._]?dev[-._]?(?P<dev>\d*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-._][a-z0-9]+)*))?",
    re.IGNORECASE,
)
_MOST_DIGITS = 9


class Version(NamedTuple):
    """The parts of a version."""

    text: str
    """The version as the author wrote it."""
    numbers: tuple[int, ...]
    stage: str = ""
    """`alpha`, `beta` or `rc`; empty for a release."""
    stage_number: int = 0
    post: int | None = None
    dev: int | None = None
    local: str = ""
    """The part after a `+`."""

    @property
    def base(self) -> str:
        """The numbers alone, joined by dots."""
        return ".".join(map(str, self.numbers))

    def deb(self) -> str:
        """Return the version for dpkg, without Debian's revision."""
        parts = [self.base]
        if self.stage:
            parts.append(f"~{self.stage}{self.stage_number}")
        if self.post is not None:
            parts.append(f"+post{self.post}")
        if self.dev is not None:
            # A development version sorts before every stage of the same version, as `~~` sorts before `~`.
            parts.append(f"~~dev{self.dev}")
        return "".join(parts) + (f"+{self.local}" if self.local else "")

    def rpm(self) -> str:
        """Return the version for rpm, without rpm's release."""
        return self.deb().replace("+post", ".post")

    def apk(self) -> str:
        """Return the version for apk, without apk's revision. apk cannot write the part after a `+`."""
        text = self.base + (f"_{self.stage}{self.stage_number}" if self.stage else "")
        if self.post is not None:
            text += f"_p{self.post}"
        if self.dev is not None:
            text += f"_pre{self.dev}" if self.stage or self.post is not None else f"_alpha0_pre{self.dev}"
        return text

    def arch(self) -> str:
        """Return the version for pacman, without pacman's release."""
        text = self.base
        if self.dev is not None and not self.stage and self.post is None:
            text += f"a0dev{self.dev}"
        if self.stage:
            text += f"{self.stage}{self.stage_number}"
        if self.post is not None:
            text += f".post{self.post}"
        if self.dev is not None and (self.stage or self.post is not None):
            text += f"dev{self.dev}"
        return text + (f"+{self.local}" if self.local else "")

    def msi(self) -> str:
        """Return the version for Windows Installer, which has three numbers and nothing else.

        Raises:
            PackagingError: a number is too large.
        """
        numbers = (*self.numbers, 0, 0)[:3]
        for number, most in zip(numbers, (255, 255, 65535), strict=True):
            if number > most:
                raise PackagingError(
                    f"version {self.text}: Windows Installer takes at most 255.255.65535 "
                    f"and has no {number} there"
                )
        return ".".join(map(str, numbers))

    def pkg(self) -> str:
        """Return the version for macOS, which compares numbers only."""
        return ".".join(map(str, (*self.numbers, 0, 0)[: max(3, len(self.numbers))]))


def parse_version(text: str) -> Version:
    """Parse a version.

    Raises:
        PackagingError: a form of package cannot carry it.
    """
    match = _VERSION.fullmatch(text)
    if match is None or re.search(rf"\d{{{_MOST_DIGITS + 1}}}", text.partition("+")[0]):
        raise PackagingError(
            f"version {text!r}: write numbers, then what stage it is, as in 1.2.3, 1.2.3rc1 or 1.2.3+build.5"
        )
    stage = match["stage"]
    return Version(
        text,
        tuple(int(number) for number in match["numbers"].split(".")),
        _STAGES.get(stage[0].lower(), "rc") if stage else "",
        int(match["stage_number"] or 0),
        None if match["post"] is None else int(match["post"] or 0),
        None if match["dev"] is None else int(match["dev"] or 0),
        re.sub(r"[-_]", ".", match["local"] or "").lower(),
    )
