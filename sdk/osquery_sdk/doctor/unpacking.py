"""Read one-file programs of PyInstaller: how much they unpack at each start, and to which folder.

Format: https://pyinstaller.org/en/stable/advanced-topics.html#carchive
"""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..serving.onefile import MARK

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAGIC = b"MEI\014\013\012\013\016"
_TAIL = 1 << 20
# The end of the archive: the magic, the archive's length, the offset of its list from the archive's
# beginning, the length of the list.
_END = struct.Struct("!8sIII4x64x")
# An item of the list: its own length, 8 bytes that say where its data is, the unpacked size, a flag, the
# kind. The name follows.
_ITEM = struct.Struct("!I8xIxc")
_UNPACKED = b"bxZnl"
_FOLDER_OPTION = "pyi-runtime-tmpdir "
_BLOCK = 4096
_VARIABLES = ("TMPDIR", "TEMP", "TMP")
_USUAL = ("/tmp", "/var/tmp", "/usr/tmp")  # noqa: S108  where the program looks


class OneFile(NamedTuple):
    """A one-file program."""

    size: int
    """Bytes that one start takes in the folder."""
    folder: str
    """The folder that it was built to unpack itself to; empty for the temporary folder."""


def one_file_of(path: Path) -> OneFile | None:
    """Return what a file unpacks if it is a one-file program, else None."""
    if (path.parent / "_internal").is_dir():
        return None
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = file.seek(max(0, size - _TAIL))
            tail = file.read()
            offset = tail.rfind(_MAGIC)
            if offset < 0:
                return None
            try:
                _, length, list_offset, list_length = _END.unpack_from(tail, offset)
                file.seek(start + offset + _END.size - length + list_offset)
                return _parse_list(file.read(list_length))
            except (struct.error, ValueError):
                # Another version of PyInstaller wrote it: one-file programs commonly unpack to three times
                # their size.
                return OneFile(3 * size, "")
    except OSError:
        return None


def _parse_list(content: bytes) -> OneFile:
    needed, folder, offset = 0, "", 0
    while offset < len(content):
        length, size, kind = _ITEM.unpack_from(content, offset)
        if length < _ITEM.size:
            raise ValueError("an item is shorter than its header")
        name = os.fsdecode(content[offset + _ITEM.size : offset + length].partition(b"\0")[0])
        offset += length
        if kind == b"o" and name.startswith(_FOLDER_OPTION):
            folder = name.removeprefix(_FOLDER_OPTION)
        elif kind in _UNPACKED:
            needed += -(-size // _BLOCK) * _BLOCK
    return OneFile(needed, folder)


def usual_folder(environment: Mapping[str, str]) -> Path:
    """Return the temporary folder of a program that is started with these variables."""
    named = [environment[name] for name in _VARIABLES if environment.get(name)]
    for folder in (*named, *_USUAL):
        if os.access(folder, os.W_OK | os.X_OK):
            return Path(folder)
    return Path(named[0] if named else _USUAL[0])


def left_behind(folder: Path) -> list[Path]:
    """Return the folders that starts left behind which were killed while unpacking, or had no room."""
    if sys.platform == "win32":
        return []  # no signal asks there whether a process is alive
    dead = [path for path in folder.glob("_MEI????????*") if not _is_alive(path.name[4:12])]
    return sorted(path for path in dead if not (path / MARK).exists())


def _is_alive(number: str) -> bool:
    """Return True if the process is alive whose id is these eight hexadecimal digits of a folder's name."""
    try:
        os.kill(int(number, 16), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OverflowError, OSError):
        pass
    return True
