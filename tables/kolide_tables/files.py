"""Files that somebody else may have put there: opened without harm, read within a limit, decoded, and found by pattern.

Every bundled table reads files through this module, so that a FIFO, a device, a symbolic link to a secret or an endless
file does the same nothing everywhere, and text that is not UTF-8 looks the same everywhere.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator
from typing import BinaryIO

from kolide_tables.limits import Limits
from osquery_sdk import LimitExceeded

__all__ = ["Unreadable", "decode", "decode_kept", "expand_like", "open_file", "printable", "read_file"]

_BLOCK = 1 << 20
_TRIES = 3
_RECURSIVE_LEVELS = 3
_SKIPPED_FOLDERS = frozenset(("node_modules", ".git", "__pycache__", ".cache", "Caches", "Cache"))

# O_NOFOLLOW: what a link points to is not what was asked for. O_NONBLOCK: opening a FIFO would wait for a writer.
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


def open_file(path: str) -> BinaryIO:
    """Open a regular file for reading bytes, without following a link at its end and without ever waiting.

    Raises Unreadable.
    """
    if os.name == "nt" and path.replace("/", "\\").startswith(("\\\\.\\", "\\\\?\\GLOBALROOT")):
        raise Unreadable(f"{path} is a device")
    try:
        # Opening a device can do something by itself (a watchdog, a tape), so look first. The file may be exchanged
        # between the two calls: what counts is the second look, at what was opened.
        _require_regular(path, os.lstat(path).st_mode)
        descriptor = os.open(path, _FLAGS)
    except (OSError, ValueError) as error:
        raise Unreadable(_why(path, error)) from error
    try:
        _require_regular(path, os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb", buffering=0)
    except BaseException:
        os.close(descriptor)
        raise


def read_file(path: str, *, max_bytes: int = Limits().max_file_bytes) -> bytes:
    """Content of a regular file.

    A file that changes while it is read is read again, three times at most: half of an old and half of a new content is
    no content. Raises Unreadable, and LimitExceeded for a file of more than `max_bytes`.
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
                raise Unreadable(_why(path, error)) from error
            if len(content) > max_bytes:
                raise _too_large(path, "more", max_bytes)
            # Files under /proc have no size, those under /sys have less in them than their size.
            fits = len(content) <= before.st_size or not before.st_size
            if fits and (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
                return content
    raise Unreadable(f"{path} changes while it is read")


def _read_up_to(file: BinaryIO, max_bytes: int, expected: int) -> bytes:
    # One read for the whole of an ordinary file, so that its content is in memory once; files under /proc have size 0.
    # None is what a file that has nothing to give yet answers to O_NONBLOCK: some under /proc wait for news.
    first = file.read(min(expected, max_bytes) + 1) or b""
    blocks = [first]
    size = len(first)
    while size <= max_bytes and (block := file.read(min(_BLOCK, max_bytes + 1 - size))):
        blocks.append(block)
        size += len(block)
    return first if len(blocks) == 1 else b"".join(blocks)


def _too_large(path: str, size: str, max_bytes: int) -> LimitExceeded:
    return LimitExceeded(
        f"{path} has {size}, the limit is {max_bytes:,} bytes a file: leave it out, or raise max_file_bytes"
    )


def _require_regular(path: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in _KINDS if test(mode)), "no regular file")
        raise Unreadable(f"{path} is {kind}")


def _why(path: str, error: OSError | ValueError) -> str:
    return f"{path}: {(error.strerror if isinstance(error, OSError) else None) or error}"


# Text


_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),  # before UTF-16, whose mark it begins with
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


def decode(data: bytes) -> str:
    r"""Text of a file: UTF-8, or what its byte order mark says; a byte that does not fit becomes `\xNN`."""
    return _decode(data, "backslashreplace")


def decode_kept(data: bytes) -> str:
    r"""Text of a file in which a byte that is not UTF-8 is kept as a lone surrogate.

    For formats with backslashes of their own, where a `\xNN` put in early would be taken for an escape: parse this, and
    pass every text that comes out through `printable`.
    """
    return _decode(data, "surrogateescape")


def _decode(data: bytes, errors: str) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            # Bytes that are no UTF-16 or UTF-32 cannot be kept as surrogates: those encodings have surrogates themselves.
            wanted = errors if encoding == "utf-8" else "backslashreplace"
            return str(memoryview(data)[len(mark) :], encoding, wanted)
    return data.decode("utf-8", errors)


def printable(text: str) -> str:
    r"""Write what is not Unicode as backslash escapes: a kept byte as `\xNN`, any other lone surrogate as `\uNNNN`."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _LONE.sub(_escape, text)
    return text


_LONE = re.compile("[\ud800-\udfff]")


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


# Patterns


def expand_like(
    pattern: str, *, max_folders: int = Limits().max_folders, on_folder: Callable[[], None] | None = None
) -> Iterator[str]:
    """Paths of what exists and matches a SQL LIKE pattern, in the order of their names; folders are left out.

    Within one component `%` is any text and `_` one character, in either case of ASCII letters, hidden names included. A
    component `%%` is up to three folders deep, as osquery's own file tables write a recursive search, without links and
    without node_modules, .git and caches. A folder on the way that is written without wildcards is taken by its exact name
    if that exists. Backslash is a separator on Windows and a character elsewhere: LIKE has no escapes here.

    `on_folder` is called for each folder that is listed. Raises LimitExceeded beyond `max_folders` of them.
    """
    return _LikeWalk(max_folders, on_folder).paths(pattern)


class _LikeWalk:
    def __init__(self, max_folders: int, on_folder: Callable[[], None] | None) -> None:
        self._max_folders = max_folders
        self._on_folder = on_folder
        self._listed = 0

    def paths(self, pattern: str) -> Iterator[str]:
        # Separators are kept as they are written: the row's path has to match the pattern once more.
        parts = re.split(r"([/\\]+)" if os.name == "nt" else "(/+)", pattern)
        seen: set[str] = set()
        for path in self._expand("", parts):
            if path not in seen:
                seen.add(path)
                yield path

    def _expand(self, base: str, parts: list[str]) -> Iterator[str]:
        name, rest = parts[0], parts[1:]
        if not rest:
            yield from self._files(base, name)
            return
        separator, rest = rest[0], rest[1:]
        if name == "%%":
            for folder in self._below(base, 0):
                yield from self._expand(folder, rest)
        elif not _has_wildcard(name) and (name in ("", ".", "..") or os.path.lexists(base + name)):
            yield from self._expand(base + name + separator, rest)
        else:
            for entry in self._matching(base, name):
                if _is_folder(entry, follow=True):
                    yield from self._expand(base + entry.name + separator, rest)

    def _files(self, base: str, name: str) -> Iterator[str]:
        if name == "%%":
            for folder in self._below(base, 0):
                yield from (folder + e.name for e in self._list(folder) if not _is_folder(e, follow=False))
            return
        found = False
        for entry in self._matching(base, name):
            found = True
            if not _is_folder(entry, follow=False):
                yield base + entry.name
        # A folder that may be passed through but not listed still has the file, if it is named.
        if not found and name and os.path.lexists(base + name):
            yield base + name

    def _below(self, base: str, level: int) -> Iterator[str]:
        yield base
        if level == _RECURSIVE_LEVELS:
            return
        for entry in self._list(base):
            if entry.name not in _SKIPPED_FOLDERS and _is_folder(entry, follow=False):
                yield from self._below(f"{base}{entry.name}/", level + 1)

    def _matching(self, base: str, name: str) -> Iterator[os.DirEntry[str]]:
        if not name:
            return
        matches = _like_regex(name).fullmatch
        yield from (entry for entry in self._list(base) if matches(entry.name))

    def _list(self, folder: str) -> list[os.DirEntry[str]]:
        self._listed += 1
        if self._listed > self._max_folders:
            raise LimitExceeded(
                f"the pattern leads through more than {self._max_folders:,} folders: narrow it, or raise max_folders"
            )
        if self._on_folder is not None:
            self._on_folder()
        try:
            with os.scandir(folder or ".") as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except (OSError, ValueError):
            return []


def _has_wildcard(name: str) -> bool:
    return "%" in name or "_" in name


def _is_folder(entry: os.DirEntry[str], *, follow: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:
        return False


def _like_regex(name: str) -> re.Pattern[str]:
    first, *rest = ("".join("." if c == "_" else re.escape(c) for c in part) for part in re.split("%+", name))
    if not rest:
        text = first
    else:
        # The first place where a middle part fits is as good as any later one: never try another (no backtracking).
        text = first + "".join(f"(?>.*?{part})" for part in rest[:-1] if part) + ".*" + rest[-1]
    return re.compile(text, re.IGNORECASE | re.ASCII | re.DOTALL)
