"""Find files by a SQL LIKE pattern, within a limit of folders."""

import os
import re
from collections.abc import Callable, Iterator

from .errors import LimitExceeded
from .limits import Limits

_RECURSIVE_LEVELS = 3
SKIPPED_FOLDERS = frozenset(("node_modules", ".git", "__pycache__", ".cache", "Caches", "Cache"))


def expand_like(
    pattern: str,
    *,
    max_folders: int = Limits().max_folders,
    on_folder: Callable[[], None] | None = None,
    links: bool = True,
) -> Iterator[str]:
    """Yield the existing paths that match a SQL LIKE pattern, sorted by name; folders are left out.

    Within one component `%` is any text and `_` one character, in either case of ASCII letters, hidden names
    included. A component `%%` is up to three folders deep; it skips links, node_modules, .git and caches. A
    folder that is written without wildcards is taken by its exact name if that exists. Backslash is a
    separator on Windows and a character elsewhere: LIKE has no escapes here.

    `on_folder` is called for each folder that is listed. Without `links` a pattern that ends in `%%` finds no
    links, for callers that would refuse each of them. Raises LimitExceeded beyond `max_folders` folders.
    """
    return _LikeWalk(max_folders, on_folder, links=links).paths(pattern)


class _LikeWalk:
    def __init__(self, max_folders: int, on_folder: Callable[[], None] | None, *, links: bool) -> None:
        self._links = links
        self._max_folders = max_folders
        self._on_folder = on_folder
        self._listed = 0

    def paths(self, pattern: str) -> Iterator[str]:
        # Keep separators as they are written: the row's path has to match the pattern once more.
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
        elif (
            "%" not in name and "_" not in name and (name in ("", ".", "..") or os.path.lexists(base + name))
        ):
            yield from self._expand(base + name + separator, rest)
        else:
            for entry in self._matching(base, name):
                if _is_folder(entry, follow=True):
                    yield from self._expand(base + entry.name + separator, rest)

    def _files(self, base: str, name: str) -> Iterator[str]:
        if name == "%%":
            for folder in self._below(base, 0):
                yield from (
                    folder + entry.name
                    for entry in self._list(folder)
                    if not _is_folder(entry, follow=False) and (self._links or not entry.is_symlink())
                )
            return
        is_found = False
        for entry in self._matching(base, name):
            is_found = True
            if not _is_folder(entry, follow=False):
                yield base + entry.name
        # A folder that may be entered but not listed still has the file, if the pattern names it.
        if not is_found and name and os.path.lexists(base + name):
            yield base + name

    def _below(self, base: str, level: int) -> Iterator[str]:
        yield base
        if level == _RECURSIVE_LEVELS:
            return
        for entry in self._list(base):
            if entry.name not in SKIPPED_FOLDERS and _is_folder(entry, follow=False):
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
                f"the pattern leads through more than {self._max_folders:,} folders: narrow it, or "
                "raise max_folders"
            )
        if self._on_folder is not None:
            self._on_folder()
        try:
            with os.scandir(folder or ".") as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except (OSError, ValueError):
            return []


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
        # The first place where a middle part fits is as good as any later one. A lookahead stops at the
        # first, and what it found is then matched by its group's name. (Python 3.11.0 to 3.11.2 match some
        # atomic groups wrongly.)
        middle = enumerate(part for part in rest[:-1] if part)
        text = first + "".join(f"(?=(?P<p{n}>.*?{part}))(?P=p{n})" for n, part in middle) + ".*" + rest[-1]
    return re.compile(text, re.IGNORECASE | re.ASCII | re.DOTALL)
