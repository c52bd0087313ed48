"""osqueryd's flags, read as gflags reads them from arguments and flag files.

A line of a flag file that gflags does not understand is left out without a word; one that begins with neither a dash
nor `#` names programs, and what follows applies to these alone.
"""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from osquery_sdk.files import read_text

from .looking import why

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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
"""The flags that say whether and how extensions are loaded. No other is kept: some hold secrets."""


def defaults(platform: str = sys.platform) -> dict[str, str]:
    """The values of `KNOWN` where nobody sets any."""
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
    """The flag file with which osquery's own packages start osqueryd."""
    if platform == "win32":
        return Path("C:\\Program Files\\osquery\\osquery.flags")
    return Path("/var/osquery/osquery.flags" if platform == "darwin" else "/etc/osquery/osquery.flags")


class Problem(NamedTuple):
    """A line of a flag file that does not do what it seems to."""

    file: Path
    line: int
    text: str
    fatal: bool = False
    """osqueryd does not even start."""
    repair: str = ""
    """The command of sed that makes the line do what it seems to; empty where only its removal helps."""
    unseen: bool = False
    """It is a file that this user may not read, and osqueryd perhaps may."""


class Parsed(NamedTuple):
    """What was read: values of `KNOWN`, lines with problems, and flag files in the order of reading."""

    values: dict[str, str]
    problems: list[Problem]
    files: list[Path]


def truth(value: str) -> bool:
    """A boolean flag's value."""
    return value.lower() in _TRUE


def number(value: str, otherwise: float) -> float:
    """A numeric flag's value, as `atoi` reads the beginning of a text."""
    digits = value.strip()
    end = 1 if digits[:1] in ("-", "+") else 0
    while end < len(digits) and digits[end].isdigit():
        end += 1
    try:
        return float(digits[:end])
    except ValueError:
        return otherwise


def parse_arguments(arguments: Sequence[str], program: str = "osqueryd") -> Parsed:
    """Read a command line, without the program's name, and the flag files that it names."""
    parsed = Parsed({}, [], [])
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("-") or argument == "--":
            continue
        name, equals, value = _split(argument)
        if not equals and rest and (name in KNOWN or name == "flagfile") and name not in _BOOLEANS:
            equals, value = "=", rest.pop(0)
        _set(parsed, name, equals, value, Path(), 0, program, 0)
    return parsed


def parse_file(file: Path, program: str = "osqueryd") -> Parsed:
    """Read a flag file.

    Raises:
        OSError: it cannot be read.
    """
    parsed = Parsed({}, [], [])
    _read(parsed, file, program, 0)
    return parsed


def _read(parsed: Parsed, file: Path, program: str, depth: int) -> None:
    text = read_text(file)
    parsed.files.append(file)
    applies, naming = True, False
    for count, raw in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        line = raw.lstrip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("-"):
            naming = False
            name, equals, value = _split(line)
            if applies:
                _set(parsed, name, equals, value, file, count, program, depth)
            elif name in KNOWN:
                why = f"does not apply: a line above that begins without a dash reserves it for other programs: --{name}"
                parsed.problems.append(Problem(file, count, why))
        else:
            applies = (applies and naming) or any(fnmatchcase(program, word) for word in line.split())
            naming = True
            if not applies:
                name = _name_of(line)
                why = "begins without a dash, so that what follows is for programs of that name only"
                why += f": write --{name}" if name else ""
                repair = "s/^[[:space:]]*/--/" if name else ""
                parsed.problems.append(Problem(file, count, why, repair=repair))


def _split(argument: str) -> tuple[str, str, str]:
    name, equals, value = argument.removeprefix("-").removeprefix("-").partition("=")
    return name.replace("-", "_"), equals, value


def _name_of(line: str) -> str:
    """What a message may show of a line that is no flag: anything but a flag's name may be a secret."""
    name = line.replace("=", " ").partition(" ")[0].replace("-", "_")
    return name if name in KNOWN else ""


def _set(
    parsed: Parsed, name: str, equals: str, value: str, file: Path, line: int, program: str, depth: int
) -> None:
    def problem(text: str, *, fatal: bool = False, repair: str = "") -> None:
        parsed.problems.append(Problem(file, line, text, fatal, repair))

    if not equals and name in _BOOLEANS:
        parsed.values[name] = "true"
    elif not equals and name.removeprefix("no") in _BOOLEANS:
        parsed.values[name.removeprefix("no")] = "false"
    elif not equals:
        word = name.split(maxsplit=1)[0] if name.strip() else name
        if word in (*KNOWN, "flagfile"):
            problem(
                f"is left out: --{word} and its value are joined by = and nothing else",
                repair="s/[[:space:]]\\{1,\\}/=/",
            )
    elif name == "flagfile":
        _nested(parsed, Path(value), file, line, program, depth)
    elif name in _BOOLEANS:
        if value.lower() in (*_TRUE, *_FALSE):
            parsed.values[name] = str(truth(value)).lower()
        else:
            _no_value(problem, name, value)
    elif name in _NUMBERS:
        if value.removeprefix("-").isdecimal():
            parsed.values[name] = value
        else:
            _no_value(problem, name, value)
    elif name in _TEXTS:
        parsed.values[name] = value
        if value != value.strip():
            problem(
                f"has blanks at its end, which are part of the value of --{name}", repair="s/[[:space:]]*$//"
            )
        elif value[:1] in ("'", '"'):
            problem(f"has quotes, which are part of the value of --{name}", repair=f"s/{value[0]}//g")
        elif " #" in value:
            problem(
                f"has a comment behind it, which is part of the value of --{name}",
                repair="s/[[:space:]]*#.*//",
            )
    elif name.lower() in KNOWN:
        problem(f"is left out: flags are in lower case: --{name.lower()}", repair=f"s/{name}/{name.lower()}/")


def _no_value(problem: Callable[..., None], name: str, value: str) -> None:
    repair = "s/[[:space:]]*$//" if value != value.strip() else ""
    problem(f"stops osqueryd: {value!r} is no value for --{name}", fatal=True, repair=repair)


def _nested(parsed: Parsed, target: Path, file: Path, line: int, program: str, depth: int) -> None:
    if depth >= _MAX_NESTING:
        parsed.problems.append(Problem(file, line, f"nests flag files too deeply: {target}", fatal=True))
        return
    try:
        _read(parsed, target, program, depth + 1)
    except OSError as error:
        parsed.problems.append(unreadable(target, error))


def unreadable(file: Path, error: OSError) -> Problem:
    """A flag file that cannot be read."""
    if isinstance(error, PermissionError):
        return Problem(file, 0, f"cannot be read by this user: {why(error)}", unseen=True)
    if isinstance(error, IsADirectoryError):
        return Problem(file, 0, "is a folder: osqueryd takes no flag from it")
    return Problem(file, 0, f"cannot be read: {why(error)}", fatal=True)


def unusual(values: Mapping[str, str]) -> str:
    """Those that are not the default, as arguments."""
    usual = defaults()
    return " ".join(f"--{name}={value}" for name, value in values.items() if value != usual.get(name))
