"""The file that lists the extensions that osqueryd is to start, read as osqueryd reads it.

Blanks around a line do not matter, nor does a carriage return; empty lines and those that begin with `#` or `;` are left
out; a folder stands for every file below it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_COMMENTS = ("#", ";")
_BLANKS = " \t\n\v\f\r"


class Line(NamedTuple):
    """A line that names a file or folder."""

    number: int
    text: str


class Match(NamedTuple):
    """How a line leads to a file."""

    line: Line
    path: str
    """As osqueryd gets to see it."""
    how: str
    """`itself`, `folder` (it is below the folder that is named), `same file` (a link, or another spelling), `relative`
    (to osqueryd's working folder), `near` (osqueryd finds no file there, but that seems to be what was meant)."""


def read(file: Path) -> list[Line]:
    """The lines that name something.

    Raises:
        OSError: it cannot be read.
    """
    text = file.read_bytes().decode("utf-8", "surrogateescape")
    lines = (Line(number, raw.strip(_BLANKS)) for number, raw in enumerate(text.split("\n"), 1))
    return [line for line in lines if line.text and not line.text.startswith(_COMMENTS)]


def commented(file: Path, path: Path) -> Line | None:
    """The line that would name the file if it were no comment."""
    text = file.read_bytes().decode("utf-8", "surrogateescape")
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip(_BLANKS)
        if line.startswith(_COMMENTS) and line.lstrip("#; \t") == str(path):
            return Line(number, line)
    return None


def paths(lines: list[Line]) -> list[str]:
    """The files that osqueryd looks at."""
    found: dict[str, None] = {}
    for line in lines:
        path = Path(line.text)
        found.update(
            dict.fromkeys(_below(line.text) if path.is_absolute() and path.is_dir() else [line.text])
        )
    return list(found)


def find(lines: list[Line], path: Path) -> Match | None:
    """The line that leads to the file; the best of several."""
    wanted, best = str(path), None
    for line in lines:
        if line.text == wanted:
            return Match(line, wanted, "itself")
        if not Path(line.text).is_absolute():
            if best is None and Path(_meant(line.text)).name == path.name:
                how = "near" if _meant(line.text) == wanted else "relative"
                best = Match(line, line.text, how)
        elif Path(line.text).is_dir():
            best = next(
                (Match(line, one, "folder") for one in _below(line.text) if _same(Path(one), path)), best
            )
        elif _same(Path(line.text), path):
            best = Match(line, line.text, "same file")
        elif best is None and _meant(line.text) == wanted:
            best = Match(line, line.text, "near")
    return best


def _below(folder: str) -> list[str]:
    return [str(Path(root) / name) for root, _, names in os.walk(folder) for name in sorted(names)]


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _meant(text: str) -> str:
    """A line without what editors and people put around a path."""
    text = text.removeprefix("\ufeff").partition(" #")[0].strip(_BLANKS)
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    return text
