"""The file that lists the extensions that osqueryd is to start, read as osqueryd reads it.

Blanks around a line do not matter, nor does a carriage return; empty lines and those that begin with `#` or `;` are left
out; a folder stands for every file below it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from osquery_sdk.files import read_text

from .looking import files_below, is_folder, same_content, same_file

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
    (to osqueryd's working folder), `near` (osqueryd finds no file there, but that seems to be what was meant), `copy`
    (another file with the same content)."""


_ORDER = ("itself", "same file", "copy", "folder", "relative", "near")


def read(file: Path) -> list[Line]:
    """The lines that name something.

    Raises:
        OSError: it cannot be read.
    """
    text = read_text(file)
    lines = (Line(number, raw.strip(_BLANKS)) for number, raw in enumerate(text.split("\n"), 1))
    return [line for line in lines if line.text and not line.text.startswith(_COMMENTS)]


def commented(file: Path, path: Path) -> Line | None:
    """The line that would name the file if it were no comment."""
    for number, raw in enumerate(read_text(file).split("\n"), 1):
        line = raw.strip(_BLANKS)
        if line.startswith(_COMMENTS) and line.lstrip("#; \t") == str(path):
            return Line(number, line)
    return None


def paths(lines: list[Line]) -> list[str]:
    """The files that osqueryd looks at."""
    found: dict[str, None] = {}
    for line in lines:
        is_whole = Path(line.text).is_absolute() and is_folder(line.text)
        found.update(dict.fromkeys(files_below(line.text) if is_whole else [line.text]))
    return list(found)


def find(lines: list[Line], path: Path) -> Match | None:
    """The line that leads to the file, or to a copy of it; the best of several."""
    found = [match for line in lines if (match := _match(line, path)) is not None]
    # What osqueryd takes by its name comes before what it does not.
    return min(
        found, key=lambda one: (not one.path.endswith((".ext", ".exe")), _ORDER.index(one.how)), default=None
    )


def _match(line: Line, path: Path) -> Match | None:
    """How a line leads to the file; None if it does not."""
    wanted = str(path)
    if line.text == wanted:
        return Match(line, wanted, "itself")
    if not Path(line.text).is_absolute():
        if Path(_meant(line.text)).name != path.name:
            return None
        return Match(line, line.text, "near" if _meant(line.text) == wanted else "relative")
    if is_folder(line.text):
        inside = next((one for one in files_below(line.text) if same_file(one, path)), None)
        return None if inside is None else Match(line, inside, "folder")
    if same_file(line.text, path):
        return Match(line, line.text, "same file")
    if _meant(line.text) == wanted:
        return Match(line, line.text, "near")
    is_namesake = Path(line.text).stem == path.stem
    return Match(line, line.text, "copy") if is_namesake and same_content(Path(line.text), path) else None


def _meant(text: str) -> str:
    """A line without what editors and people put around a path."""
    text = text.removeprefix("\ufeff").partition(" #")[0].strip(_BLANKS)
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    return text
