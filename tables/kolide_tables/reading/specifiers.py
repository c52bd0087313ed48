"""Resolve the specifiers of systemd's unit files, such as %i, as the system's manager does.

Source: systemd.unit(5), Specifiers, and systemd's src/core/unit-printf.c.
"""

import os
import re
from collections.abc import Callable

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable, read_file
from kolide_kit.text import decode, shown

from .unitfiles import Unit, UnitFiles
from .unitnames import UnitName, parse_name, unescape, unescape_path

_SPECIFIER = re.compile(r"%([A-Za-z0-9%])")
# The manager runs as root, whose home systemd does not look up.
_OF_THE_MANAGER = {
    "%": "%", "u": "root", "U": "0", "g": "root", "G": "0", "h": "/root", "t": "/run",
    "S": "/var/lib", "C": "/var/cache", "L": "/var/log", "E": "/etc", "D": "/usr/share",
    "T": "/tmp",  # noqa: S108
    "V": "/var/tmp",  # noqa: S108  these two are only named
}  # fmt: skip
_OF_THE_RELEASE = {
    "A": "IMAGE_VERSION", "B": "BUILD_ID", "M": "IMAGE_ID", "o": "ID", "w": "VERSION_ID", "W": "VARIANT_ID",
}  # fmt: skip
# The machine's name for itself -> systemd's, where they differ.
_ARCHITECTURES = {
    "x86_64": "x86-64", "i386": "x86", "i486": "x86", "i586": "x86", "i686": "x86", "aarch64": "arm64",
    "aarch64_be": "arm64-be", "armv6l": "arm", "armv7l": "arm", "armv8l": "arm", "ppc64le": "ppc64-le",
    "ppcle": "ppc-le",
}  # fmt: skip


class Specifiers:
    """The specifiers' values on this machine."""

    def __init__(self, files: UnitFiles) -> None:
        """Take the folder of the machine-wide files; they are read when a specifier needs them."""
        self._files = files
        self._known = dict(_OF_THE_MANAGER)

    def resolve(self, text: str, unit: Unit) -> str:
        """Return a value of a unit with its specifiers replaced.

        A text with one that is unknown, or that has no value for this unit, stays as it is: systemd takes
        none of it.
        """
        if "%" not in text:
            return text
        parts = parse_name(unit.name)
        missing = False

        def value(match: re.Match[str]) -> str:
            nonlocal missing
            found = None if parts is None else self._value(match[1], unit, parts)
            missing = missing or found is None
            return found or ""

        resolved = _SPECIFIER.sub(value, text)
        return text if missing else resolved

    def _value(self, letter: str, unit: Unit, parts: UnitName) -> str | None:
        if letter in _OF_THE_UNIT:
            return _OF_THE_UNIT[letter](unit, parts)
        if letter in _OF_THE_INSTANCE:
            return None if parts.is_template else _OF_THE_INSTANCE[letter](unit, parts)
        if letter in "yY":
            return self._own_path(unit, folder=letter == "Y")
        if letter not in self._known:
            found = self._of_the_machine(letter)
            if found is None:
                return None
            self._known[letter] = found
        return self._known[letter]

    def _own_path(self, unit: Unit, *, folder: bool) -> str:
        path = shown(os.path.realpath(unit.path)).removeprefix(self._files.root)
        return os.path.dirname(path) if folder else path  # noqa: PTH120

    def _of_the_machine(self, letter: str) -> str | None:
        system = os.uname()
        if letter in _OF_THE_RELEASE:
            return self._assigned("/etc/os-release", "/usr/lib/os-release").get(_OF_THE_RELEASE[letter], "")
        if letter in "bm":
            path = (
                "/proc/sys/kernel/random/boot_id" if letter == "b" else f"{self._files.root}/etc/machine-id"
            )
            return _text(path).strip().replace("-", "") or None
        short = system.nodename.partition(".")[0]
        if letter == "q":
            return self._assigned("/etc/machine-info").get("PRETTY_HOSTNAME") or short
        values = {
            "s": self._shell(),
            "H": system.nodename,
            "l": short,
            "v": system.release,
            "a": _ARCHITECTURES.get(system.machine, system.machine),
        }
        return values.get(letter)

    def _shell(self) -> str:
        """Return root's shell, which systemd does not look up either."""
        return "/bin/bash" if os.path.lexists(f"{self._files.root}/bin/bash") else "/bin/sh"

    def _assigned(self, *paths: str) -> dict[str, str]:
        """Return the variables of the first of these files that there is, as a shell would read them."""
        import shlex

        text = next(filter(None, (_text(self._files.root + path) for path in paths)), "")
        variables = {}
        for line in text.split("\n"):
            name, equals, value = line.strip().partition("=")
            if not equals or name.startswith("#"):
                continue
            try:
                variables[name] = "".join(shlex.split(value))
            except ValueError:  # a quote without its end
                variables[name] = value
        return variables


def _text(path: str) -> str:
    try:
        return decode(read_file(os.path.realpath(path)))
    except (Unreadable, LimitExceeded):
        return ""


def _path(_: Unit, parts: UnitName) -> str | None:
    return unescape_path(parts.instance or parts.prefix)


# fmt: off
_OF_THE_UNIT: dict[str, Callable[[Unit, UnitName], str | None]] = {
    "p": lambda _, parts: parts.prefix,
    "P": lambda _, parts: unescape(parts.prefix),
    "j": lambda _, parts: parts.prefix.rpartition("-")[2],
    "J": lambda _, parts: unescape(parts.prefix.rpartition("-")[2]),
}
# A template has no value for these.
_OF_THE_INSTANCE: dict[str, Callable[[Unit, UnitName], str | None]] = {
    "n": lambda unit, _: unit.name,
    "N": lambda unit, _: unit.name.rpartition(".")[0],
    "i": lambda _, parts: parts.instance or "",
    "I": lambda _, parts: unescape(parts.instance or ""),
    "f": _path,
    "d": lambda unit, _: f"/run/credentials/{unit.name}",
}
# fmt: on
