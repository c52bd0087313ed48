"""Read osqueryd's flags from arguments and flag files as gflags reads them.

gflags leaves out a line of a flag file that it does not understand, and says nothing. A line that begins with
neither a dash nor `#` names programs, and the lines after it apply to these programs alone.
"""

from __future__ import annotations

import re
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kolide_kit.atomic import read_text

from .looking import why

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MAX_NESTING = 5
_TRUE = ("1", "t", "true", "y", "yes")
_FALSE = ("0", "f", "false", "n", "no")
_BOOLEANS = ("allow_unsafe", "disable_extensions", "disable_watchdog", "enable_extensions_watchdog")
_NUMBERS = ("watchdog_level", "watchdog_memory_limit", "watchdog_delay")
_TEXTS = (
    "extensions_autoload",
    "extensions_interval",
    "extensions_require",
    "extensions_socket",
    "extensions_timeout",
)
KNOWN = (*_BOOLEANS, *_NUMBERS, *_TEXTS)
"""The flags that say whether and how extensions are loaded. No others are kept: some hold secrets."""


def defaults(platform: str = sys.platform) -> dict[str, str]:
    """Return osquery's default values of `KNOWN`."""
    if platform == "win32":
        home, socket = "\\Program Files\\osquery\\", "\\\\.\\pipe\\osquery.em"
    else:
        home = "/var/osquery/" if platform == "darwin" else "/etc/osquery/"
        socket = "/var/osquery/osquery.em"
    return {
        **dict.fromkeys(_BOOLEANS, "false"),
        "watchdog_level": "0",
        "watchdog_memory_limit": "0",
        "watchdog_delay": "60",
        "extensions_autoload": f"{home}extensions.load",
        "extensions_interval": "3",
        "extensions_require": "",
        "extensions_socket": socket,
        "extensions_timeout": "3",
    }


def default_flagfile(platform: str = sys.platform) -> Path:
    """Return the flag file with which osquery's own packages start osqueryd."""
    if platform == "win32":
        return Path("C:\\Program Files\\osquery\\osquery.flags")
    return Path("/var/osquery/osquery.flags" if platform == "darwin" else "/etc/osquery/osquery.flags")


class Problem(NamedTuple):
    """A line of a flag file that does not do what it seems to."""

    file: Path
    line: int
    text: str
    fatal: bool = False
    """True if osqueryd does not start because of it."""
    repair: str = ""
    """The sed command that makes the line do what it seems to; empty if only removing the line helps."""
    unseen: bool = False
    """True for a flag file that this user may not read, though osqueryd perhaps may."""


class Parsed(NamedTuple):
    """The result of reading: values of `KNOWN`, lines with problems, and flag files in reading order."""

    values: dict[str, str]
    problems: list[Problem]
    files: list[Path]


def truth(value: str) -> bool:
    """Return the value of a boolean flag."""
    return value.lower() in _TRUE


def number(value: str, otherwise: float) -> float:
    """Return the value of a numeric flag, reading the digits at its beginning as `atoi` does."""
    digits = re.match(r"\s*[-+]?\d+", value)
    return float(digits[0]) if digits else otherwise


def parse_arguments(arguments: Sequence[str], program: str = "osqueryd") -> Parsed:
    """Read a command line, without the program's name, and the flag files that it names."""
    reader = _Reader(program)
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("-") or argument == "--":
            continue
        name, equals, value = _split(argument)
        if not equals and rest and (name in KNOWN or name == "flagfile") and name not in _BOOLEANS:
            equals, value = "=", rest.pop(0)
        reader.set_flag(name, equals, value, _Place(Path(), 0, 0))
    return reader.parsed


def parse_file(file: Path, program: str = "osqueryd") -> Parsed:
    """Read a flag file.

    Raises:
        OSError: the file cannot be read.
    """
    reader = _Reader(program)
    reader.read(file, 0)
    return reader.parsed


class _Place(NamedTuple):
    """A line of a flag file; the file is empty for the command line."""

    file: Path
    line: int
    depth: int
    """The number of flag files around this one."""


class _Reader:
    """Reads flags for a program, and notes the lines that do not do what they seem to."""

    def __init__(self, program: str) -> None:
        self.parsed = Parsed({}, [], [])
        self._program = program

    def read(self, file: Path, depth: int) -> None:
        """Read a flag file and those that it names."""
        text = read_text(file)
        self.parsed.files.append(file)
        # `applies`: the lines here are for this program. `naming`: the line before named programs as well.
        applies, naming = True, False
        for number, raw in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
            place = _Place(file, number, depth)
            line = raw.lstrip()
            if not line or line.startswith("#"):
                continue
            if line.startswith("-"):
                naming = False
                name, equals, value = _split(line)
                if applies:
                    self.set_flag(name, equals, value, place)
                elif name in KNOWN:
                    reason = "a line above that begins without a dash reserves it for other programs"
                    self._note(place, f"does not apply: {reason}: --{name}")
            else:
                is_named = any(fnmatchcase(self._program, word) for word in line.split())
                applies = (applies and naming) or is_named
                naming = True
                if not applies:
                    name = _flag_name(line)
                    text = "begins without a dash, so that what follows is for programs of that name only"
                    if name:
                        self._note(place, f"{text}: write --{name}", repair="s/^[[:space:]]*/--/")
                    else:
                        self._note(place, text)

    def set_flag(self, name: str, equals: str, value: str, place: _Place) -> None:
        """Take a flag; `equals` is empty if it stands without a value."""
        values = self.parsed.values
        if not equals and name in _BOOLEANS:
            values[name] = "true"
        elif not equals and name.removeprefix("no") in _BOOLEANS:
            values[name.removeprefix("no")] = "false"
        elif not equals:
            word = name.split(maxsplit=1)[0] if name.strip() else name
            if word in (*KNOWN, "flagfile"):
                self._note(
                    place,
                    f"is left out: --{word} and its value are joined by = and nothing else",
                    repair="s/[[:space:]]\\{1,\\}/=/",
                )
        elif name == "flagfile":
            self._read_nested(Path(value), place)
        elif name in _BOOLEANS and value.lower() in (*_TRUE, *_FALSE):
            values[name] = str(truth(value)).lower()
        elif name in _NUMBERS and value.removeprefix("-").isdecimal():
            values[name] = value
        elif name in _BOOLEANS or name in _NUMBERS:
            repair = "s/[[:space:]]*$//" if value != value.strip() else ""
            text = f"stops osqueryd: {value!r} is not a value for --{name}"
            self._note(place, text, fatal=True, repair=repair)
        elif name in _TEXTS:
            values[name] = value
            self._check_text(name, value, place)
        elif (lower := name.lower()) in KNOWN:
            text = f"is left out: flags are in lower case: --{lower}"
            self._note(place, text, repair=f"s/{name}/{lower}/")

    def _check_text(self, name: str, value: str, place: _Place) -> None:
        behind = f"part of the value of --{name}"
        if value != value.strip():
            self._note(place, f"has blanks at its end, which are {behind}", repair="s/[[:space:]]*$//")
        elif value[:1] in ("'", '"'):
            self._note(place, f"has quotes, which are {behind}", repair=f"s/{value[0]}//g")
        elif " #" in value:
            self._note(place, f"has a comment behind it, which is {behind}", repair="s/[[:space:]]*#.*//")

    def _read_nested(self, target: Path, place: _Place) -> None:
        if place.depth >= _MAX_NESTING:
            self._note(place, f"nests flag files too deeply: {target}", fatal=True)
            return
        try:
            self.read(target, place.depth + 1)
        except OSError as error:
            self.parsed.problems.append(unreadable(target, error))

    def _note(self, place: _Place, text: str, *, fatal: bool = False, repair: str = "") -> None:
        self.parsed.problems.append(Problem(place.file, place.line, text, fatal, repair))


def _split(argument: str) -> tuple[str, str, str]:
    name, equals, value = argument.removeprefix("-").removeprefix("-").partition("=")
    return name.replace("-", "_"), equals, value


def _flag_name(line: str) -> str:
    """Return the flag's name in a line without a dash; empty if it is not in `KNOWN`: it may be a secret."""
    name = line.replace("=", " ").partition(" ")[0].replace("-", "_")
    return name if name in KNOWN else ""


def unreadable(file: Path, error: OSError) -> Problem:
    """Return the problem of a flag file that cannot be read."""
    if isinstance(error, PermissionError):
        return Problem(file, 0, f"cannot be read by this user: {why(error)}", unseen=True)
    if isinstance(error, IsADirectoryError):
        return Problem(file, 0, "is a folder: osqueryd takes no flag from it")
    return Problem(file, 0, f"cannot be read: {why(error)}", fatal=True)


def unusual(values: Mapping[str, str]) -> str:
    """Return the flags that do not have their default value, as arguments."""
    usual = defaults()
    return " ".join(f"--{name}={value}" for name, value in values.items() if value != usual.get(name))
