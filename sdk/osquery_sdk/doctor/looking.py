"""Look at files without raising: a check that cannot see a file says so, and why."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_FILES = 20_000


def status_of(path: str | os.PathLike[str]) -> os.stat_result | OSError:
    """Return the status of a file, following links, or the error that looking at it gave."""
    try:
        return os.stat(path)  # noqa: PTH116  a line of a list is no Path
    except OSError as error:
        return error
    except ValueError:  # the path holds a zero byte, so no file can have that name
        return FileNotFoundError(2, os.strerror(2), path)


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Return True for a folder; False if this user may not see it."""
    return os.path.isdir(path)  # noqa: PTH112  a line of a list is no Path


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return True for a regular file; False if this user may not see it."""
    return os.path.isfile(path)  # noqa: PTH113  a line of a list is no Path


def same_file(first: str | os.PathLike[str], second: str | os.PathLike[str]) -> bool:
    """Return True if both paths lead to one file, and this user may see it."""
    left, right = status_of(first), status_of(second)
    if isinstance(left, OSError) or isinstance(right, OSError):
        return False
    return os.path.samestat(left, right)


def same_content(first: Path, second: Path) -> bool:
    """Return True if two regular files hold the same bytes; False if this user may not read them."""
    import filecmp

    if not (is_file(first) and is_file(second)):
        return False
    try:
        return filecmp.cmp(first, second, shallow=False)
    except OSError:
        return False


def real(path: str | os.PathLike[str]) -> Path:
    """Follow links as far as this user may see; a link that leads to itself stays as it is."""
    return Path(os.path.realpath(path))


def files_below(folder: str | os.PathLike[str], *, folders: bool = False) -> Iterator[str]:
    """Yield the files below a folder that this user may see, at most 20,000.

    Args:
        folder: the folder to begin with.
        folders: yield folders as well, this one first.
    """
    count = 0
    for place, _, names in os.walk(os.fspath(folder)):
        if folders:
            yield place
        for name in sorted(names):
            count += 1
            if count > _MOST_FILES:
                return
            yield os.path.join(place, name)  # noqa: PTH118  as osqueryd joins them


def why(error: BaseException) -> str:
    """Return the system's reason for an error, in words."""
    if isinstance(error, OSError) and error.strerror:
        return "a link leads to itself" if error.errno == _LOOP else error.strerror
    return str(error)


_LOOP = 62 if sys.platform == "darwin" else 40
