"""Versions: one that a person writes, in the words and the order of each form of package.

An author's version is read as Python's packaging rules and semantic versioning write them. The order that is kept is
development < alpha < beta < release candidate < release < post-release, in every form that can say it: dpkg and rpm sort
`~` before the end of a version, apk has suffixes of its own, pacman sorts letters right after a number before its end.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import PackagingError

_STAGES = {
    "a": "alpha",
    "alpha": "alpha",
    "b": "beta",
    "beta": "beta",
    "c": "rc",
    "rc": "rc",
    "pre": "rc",
    "preview": "rc",
}
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
    """A version, taken apart."""

    text: str
    """As it was given."""
    numbers: tuple[int, ...]
    stage: str = ""
    """`alpha`, `beta` or `rc`; empty for a release."""
    stage_number: int = 0
    post: int | None = None
    dev: int | None = None
    local: str = ""
    """What follows a `+`."""

    @property
    def base(self) -> str:
        """The numbers alone."""
        return ".".join(map(str, self.numbers))

    def deb(self) -> str:
        """For dpkg, without its revision."""
        parts = [self.base]
        if self.stage:
            parts.append(f"~{self.stage}{self.stage_number}")
        if self.post is not None:
            parts.append(f"+post{self.post}")
        if self.dev is not None:
            # Before every stage of the same version: `~~` sorts before `~`.
            parts.append(f"~~dev{self.dev}")
        return "".join(parts) + (f"+{self.local}" if self.local else "")

    def rpm(self) -> str:
        """For rpm, without its release."""
        return self.deb().replace("+post", ".post")

    def apk(self) -> str:
        """For apk, without its revision; what follows a `+` has no place there."""
        text = self.base + (f"_{self.stage}{self.stage_number}" if self.stage else "")
        if self.post is not None:
            text += f"_p{self.post}"
        if self.dev is not None:
            text += f"_pre{self.dev}" if self.stage or self.post is not None else f"_alpha0_pre{self.dev}"
        return text

    def arch(self) -> str:
        """For pacman, without its release."""
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
        """For Windows Installer, which knows three numbers and nothing else.

        Raises:
            PackagingError: a number is larger than it can be there.
        """
        numbers = (*self.numbers, 0, 0)[:3]
        for number, most in zip(numbers, (255, 255, 65535), strict=True):
            if number > most:
                raise PackagingError(
                    f"version {self.text}: Windows Installer has no {number} there; the most are 255.255.65535"
                )
        return ".".join(map(str, numbers))

    def pkg(self) -> str:
        """For macOS, which compares numbers."""
        return ".".join(map(str, (*self.numbers, 0, 0)[: max(3, len(self.numbers))]))

    @property
    def is_release(self) -> bool:
        """Whether the numbers alone say which version it is."""
        return not (self.stage or self.post is not None or self.dev is not None or self.local)


def parse_version(text: str) -> Version:
    """Take a version apart.

    Raises:
        PackagingError: it is none that every form could carry.
    """
    found = _VERSION.fullmatch(text)
    if found is None or any(
        len(run) > _MOST_DIGITS for run in re.findall(r"\d+", found[0].partition("+")[0])
    ):
        raise PackagingError(
            f"version {text!r}: write numbers, then what stage it is, as in 1.2.3, 1.2.3rc1 or 1.2.3+build.5"
        )
    stage = found["stage"]
    return Version(
        text,
        tuple(int(number) for number in found["numbers"].split(".")),
        _STAGES[stage.lower()] if stage else "",
        int(found["stage_number"] or 0),
        None if found["post"] is None else int(found["post"] or 0),
        None if found["dev"] is None else int(found["dev"] or 0),
        re.sub(r"[-_]", ".", found["local"] or "").lower(),
    )
