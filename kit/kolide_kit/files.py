"""Open and read files that another user may control, without harm and within a limit.

Every bundled table reads files through this module, so that a FIFO, a device, a symbolic link to a secret and
an endless file are refused in the same way everywhere.
"""

import os
import stat
from collections.abc import Callable
from typing import BinaryIO

from .errors import LimitExceeded
from .limits import Limits

_BLOCK = 1 << 20
_TRIES = 3

# O_NOFOLLOW: the target of a link was not asked for. O_NONBLOCK: opening a FIFO would wait for a writer.
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)

_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISLNK, "a symbolic link, which is not followed"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class Unreadable(Exception):
    """A file cannot be read; the text names it and says why."""


class Missing(Unreadable):
    """The file does not exist."""


class TooLarge(LimitExceeded):
    """A file is larger than the limit; the text names both."""


def open_file(path: str) -> BinaryIO:
    """Open a regular file for reading bytes; never follow a link in its last component, and never wait.

    Raises Unreadable, or Missing if the file does not exist.
    """
    if os.name == "nt" and path.replace("/", "\\").startswith(("\\\\.\\", "\\\\?\\GLOBALROOT")):
        raise Unreadable(f"{path} is a device")
    try:
        # Opening a device can have effects (a watchdog, a tape), so look first. The file may be exchanged
        # between the two calls: the second look, at the opened file, decides.
        _require_regular(path, os.lstat(path).st_mode)
        descriptor = os.open(path, _FLAGS)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Missing(f"{path}: {why_not(path, error)}") from error
    except (OSError, ValueError) as error:
        raise Unreadable(f"{path}: {why_not(path, error)}") from error
    try:
        _require_regular(path, os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb", buffering=0)
    except BaseException:
        os.close(descriptor)
        raise


def read_file(path: str, *, max_bytes: int = Limits().max_file_bytes) -> bytes:
    """Return the content of a regular file.

    A file that changes while it is read is read again, three times at most, so that old and new content never
    mix. Raises Unreadable, and TooLarge for a file of more than `max_bytes`.
    """
    with open_file(path) as file:
        for attempt in range(_TRIES):
            try:
                before = os.fstat(file.fileno())
                if before.st_size > max_bytes:
                    raise _too_large(path, f"{before.st_size:,} bytes", max_bytes)
                if attempt:
                    file.seek(0)
                content = _read_up_to(file, max_bytes, before.st_size)
                after = os.fstat(file.fileno())
            except OSError as error:
                raise Unreadable(f"{path}: {why_not(path, error)}") from error
            if len(content) > max_bytes:
                raise _too_large(path, "more", max_bytes)
            # Files under /proc have size 0; files under /sys have less content than their size.
            fits = len(content) <= before.st_size or not before.st_size
            if fits and (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
                return content
    raise Unreadable(f"{path} changes while it is read")


def _read_up_to(file: BinaryIO, max_bytes: int, expected: int) -> bytes:
    # One read takes the whole of an ordinary file, so that its content is in memory once. A read returns None
    # under O_NONBLOCK for a file that has nothing to give yet, as some under /proc do.
    first = file.read(min(expected, max_bytes) + 1) or b""
    blocks = [first]
    size = len(first)
    while size <= max_bytes and (block := file.read(min(_BLOCK, max_bytes + 1 - size))):
        blocks.append(block)
        size += len(block)
    return first if len(blocks) == 1 else b"".join(blocks)


def _too_large(path: str, size: str, max_bytes: int) -> TooLarge:
    return TooLarge(
        f"{path} has {size}, the limit is {max_bytes:,} bytes a file: leave it out, or raise max_file_bytes"
    )


def _require_regular(path: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in _KINDS if test(mode)), "not a regular file")
        raise Unreadable(f"{path} is {kind}")


def owner_of(path: str) -> int | None:
    """Return the number of the user that a path belongs to; None on Windows, or if it is not known."""
    try:
        return None if os.name == "nt" else os.lstat(path).st_uid
    except OSError:
        return None


def why_not(path: str, error: OSError | ValueError) -> str:
    """Return why the system does not open a path, in words that do not depend on the version of Python."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "a path cannot have a null character" if "\0" in path else str(error)
