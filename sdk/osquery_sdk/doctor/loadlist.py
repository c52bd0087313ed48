"""Read the load list, the file that names the extensions for osqueryd to start, as osqueryd reads it.

Blanks around a line and carriage returns do not matter. Empty lines and those that begin with `#` or `;` are
left out. A folder stands for every file below it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from kolide_kit.atomic import read_text

from ..vocabulary import PROGRAM_SUFFIXES
from .looking import files_below, is_folder, same_content, same_file

_COMMENTS = ("#", ";")
_BLANKS = " \t\n\v\f\r"


class Line(NamedTuple):
    """A line that names a file or folder."""

    number: int
    text: str


class Match(NamedTuple):
    """A line that leads to a file, and the way in which it does."""

    line: Line
    path: str
    """The file's path as osqueryd sees it."""
    how: str
    """One of:

    - `itself`: the line is the path
    - `same file`: a link, or another spelling of the path
    - `folder`: the file is below the folder that the line names
    - `copy`: the line names another file with the same content
    - `relative`: to osqueryd's working folder
    - `near`: osqueryd finds no file there, but the path seems to be meant
    """


_ORDER = ("itself", "same file", "copy", "folder", "relative", "near")


def read(file: Path) -> list[Line]:
    """Return the lines that name a file or folder.

    Raises:
        OSError: the list cannot be read.
    """
    text = read_text(file)
    lines = (Line(number, raw.strip(_BLANKS)) for number, raw in enumerate(text.split("\n"), 1))
    return [line for line in lines if line.text and not line.text.startswith(_COMMENTS)]


def commented(file: Path, path: Path) -> Line | None:
    """Return the line that would name the file if it were not a comment."""
    for number, raw in enumerate(read_text(file).split("\n"), 1):
        line = raw.strip(_BLANKS)
        if line.startswith(_COMMENTS) and line.lstrip("#; \t") == str(path):
            return Line(number, line)
    return None


def paths(lines: list[Line]) -> list[str]:
    """Return the files that osqueryd looks at, without duplicates."""
    unique: dict[str, None] = {}
    for line in lines:
        is_whole = Path(line.text).is_absolute() and is_folder(line.text)
        unique.update(dict.fromkeys(files_below(line.text) if is_whole else [line.text]))
    return list(unique)


def find(lines: list[Line], path: Path) -> Match | None:
    """Return the line that leads to the file or to a copy; of several, the one most likely meant."""
    matches = [match for line in lines if (match := _match(line, path)) is not None]
    # A name that osqueryd takes comes before one that it does not.
    matches.sort(key=lambda match: (not match.path.endswith(PROGRAM_SUFFIXES), _ORDER.index(match.how)))
    return matches[0] if matches else None


def _match(line: Line, path: Path) -> Match | None:
    """Return the match if a line leads to the file, else None."""
    wanted = str(path)
    if line.text == wanted:
        return Match(line, wanted, "itself")
    if not Path(line.text).is_absolute():
        if Path(_meant(line.text)).name != path.name:
            return None
        return Match(line, line.text, "near" if _meant(line.text) == wanted else "relative")
    if is_folder(line.text):
        inside = next((file for file in files_below(line.text) if same_file(file, path)), None)
        return None if inside is None else Match(line, inside, "folder")
    if same_file(line.text, path):
        return Match(line, line.text, "same file")
    if _meant(line.text) == wanted:
        return Match(line, line.text, "near")
    is_namesake = Path(line.text).stem == path.stem
    return Match(line, line.text, "copy") if is_namesake and same_content(Path(line.text), path) else None


def _meant(text: str) -> str:
    """Return a line without the byte order mark, quotes and comment that may be around a path."""
    text = text.removeprefix("\ufeff").partition(" #")[0].strip(_BLANKS)
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    return text
