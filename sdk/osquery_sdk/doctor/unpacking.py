"""One-file programs of PyInstaller: whether a file is one, what it unpacks at each start, and where to.

Format: https://pyinstaller.org/en/stable/advanced-topics.html#carchive
"""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from osquery_sdk.onefile import MARK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MAGIC = b"MEI\014\013\012\013\016"
_TAIL = 1 << 20
# The end of the archive: magic, then the archive's length, where its list begins and how long that is, from its beginning.
_END = struct.Struct("!8sIII4x64x")
# An item of the list: its own length, 8 bytes of where its data is, what that comes to, a flag, its kind. A name follows.
_ITEM = struct.Struct("!I8xIxc")
_UNPACKED = b"bxZnl"
_FOLDER_OPTION = "pyi-runtime-tmpdir "
_BLOCK = 4096
_VARIABLES = ("TMPDIR", "TEMP", "TMP")
_USUAL = ("/tmp", "/var/tmp", "/usr/tmp")  # noqa: S108  where the program looks


class OneFile(NamedTuple):
    """A one-file program."""

    size: int
    """Bytes that it needs for a start."""
    folder: str
    """Where it was built to unpack itself; empty for the temporary folder."""


def one_file_of(path: Path) -> OneFile | None:
    """What a file is as a one-file program; None if it is none."""
    if (path.parent / "_internal").is_dir():
        return None
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = file.seek(max(0, size - _TAIL))
            tail = file.read()
            at = tail.rfind(_MAGIC)
            if at < 0:
                return None
            try:
                _, length, begins, listed = _END.unpack_from(tail, at)
                file.seek(start + at + _END.size - length + begins)
                return _understood(file.read(listed))
            except (struct.error, ValueError):
                # Of a version that is written in another way: as much as such programs commonly take.
                return OneFile(3 * size, "")
    except OSError:
        return None


def _understood(listed: bytes) -> OneFile:
    needed, folder = 0, ""
    for size, kind, name in _items(listed):
        if kind == b"o" and name.startswith(_FOLDER_OPTION):
            folder = name.removeprefix(_FOLDER_OPTION)
        elif kind in _UNPACKED:
            needed += -(-size // _BLOCK) * _BLOCK
    return OneFile(needed, folder)


def _items(listed: bytes) -> Iterator[tuple[int, bytes, str]]:
    at = 0
    while at < len(listed):
        length, size, kind = _ITEM.unpack_from(listed, at)
        if length < _ITEM.size:
            raise ValueError("an item without end")
        name = listed[at + _ITEM.size : at + length].partition(b"\0")[0]
        yield size, kind, os.fsdecode(name)
        at += length


def usual_folder(environment: Mapping[str, str]) -> Path:
    """The temporary folder of a program that is started with these variables."""
    named = [environment[name] for name in _VARIABLES if environment.get(name)]
    for folder in (*named, *_USUAL):
        if os.access(folder, os.W_OK | os.X_OK):
            return Path(folder)
    return Path(named[0] if named else _USUAL[0])


def left_behind(folder: Path) -> list[Path]:
    """What starts have left in a folder that were killed while they unpacked, or had no room for it."""
    if sys.platform == "win32":
        return []  # no signal there asks whether a process lives
    found = [path for path in folder.glob("_MEI????????*") if not _lives(path.name[4:12])]
    return sorted(path for path in found if not (path / MARK).exists())


def _lives(number: str) -> bool:
    """Whether the process lives that such a folder is named after, by eight hexadecimal digits."""
    try:
        os.kill(int(number, 16), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OverflowError, OSError):
        pass
    return True


__all__ = ["OneFile", "left_behind", "one_file_of", "usual_folder"]
