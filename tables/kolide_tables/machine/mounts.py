"""List the file systems that are mounted, and the areas of swap."""

import os
from typing import NamedTuple

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable, read_file

__all__ = ["SWAP", "Mount", "mount_of", "read_mounts", "read_swaps"]

SWAP = "[SWAP]"


class Mount(NamedTuple):
    """A mounted file system, or an area of swap.

    Attributes:
        device: its major and minor number; 0 and another for a file system that is on no disk.
        point: the place where it is mounted; SWAP for swap.
        filesystem: its kind.
        source: what is mounted, mostly a device.
        options: options of the file system.
    """

    device: str
    point: str
    filesystem: str
    source: str
    options: str


def read_mounts(path: str) -> list[Mount]:
    """Return the mounts in a file such as /proc/self/mountinfo, without those that others hide."""
    mounts: dict[str, Mount] = {}
    for line in _lines(path):
        before, _, after = line.partition(b" - ")
        fields, kind = before.split(b" "), after.split(b" ")
        if len(fields) > 5 and len(kind) > 1:
            point = os.fsdecode(_unescaped(fields[4]))
            # A later mount at the same place hides the earlier one.
            mounts.pop(point, None)
            mounts[point] = Mount(
                os.fsdecode(fields[2]),
                point,
                os.fsdecode(kind[0]),
                os.fsdecode(_unescaped(kind[1])),
                os.fsdecode(kind[2]) if len(kind) > 2 else "",
            )
    return list(mounts.values())


def read_swaps(path: str) -> list[Mount]:
    """Return the areas of swap in a file such as /proc/swaps, by device or by file."""
    swaps = []
    for line in _lines(path)[1:]:
        fields = line.split()
        if len(fields) > 1:
            swaps.append(
                Mount("0:0", SWAP, "swap", os.fsdecode(_unescaped(fields[0])), os.fsdecode(fields[1]))
            )
    return swaps


def mount_of(path: str, mounts: list[Mount]) -> Mount | None:
    """Return the mount that an absolute path is in, without a look at the path."""
    inside = [mount for mount in mounts if _is_in(path, mount.point)]
    return max(inside, key=lambda mount: len(mount.point), default=None)


def _is_in(path: str, folder: str) -> bool:
    return folder == "/" or path == folder or path.startswith(f"{folder}/")


def _lines(path: str) -> list[bytes]:
    try:
        return read_file(path).split(b"\n")
    except (Unreadable, LimitExceeded):
        return []


def _unescaped(text: bytes) -> bytes:
    r"""Return a text with its escapes replaced: blanks and backslashes are written as `\040` and the like."""
    first, *rest = text.split(b"\\")
    parts = [first]
    for part in rest:
        is_escape = len(part) > 2 and part[:3].isdigit() and not set(part[:3]) & set(b"89")
        parts.append(bytes((int(part[:3], 8) & 255,)) + part[3:] if is_escape else b"\\" + part)
    return b"".join(parts)
