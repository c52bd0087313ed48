"""Looks at files that never raise: a check says what it could not see, and why."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_FILES = 20_000


def status_of(path: str | os.PathLike[str]) -> os.stat_result | OSError:
    """The status of a file, behind links; or why there is none."""
    try:
        return os.stat(path)  # noqa: PTH116  a line of a list is no Path
    except OSError as error:
        return error
    except ValueError:  # a zero byte, which no file's name has
        return FileNotFoundError(2, os.strerror(2), path)


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether it is a folder; False for what this user may not see."""
    status = status_of(path)
    return not isinstance(status, OSError) and stat.S_ISDIR(status.st_mode)


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether it is a regular file; False for what this user may not see."""
    status = status_of(path)
    return not isinstance(status, OSError) and stat.S_ISREG(status.st_mode)


def same_file(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether both lead to one file that this user may see."""
    left, right = status_of(one), status_of(other)
    if isinstance(left, OSError) or isinstance(right, OSError):
        return False
    return os.path.samestat(left, right)


def same_content(one: Path, other: Path) -> bool:
    """Whether two regular files hold the same bytes; False where this user may not read them."""
    import filecmp

    if not (is_file(one) and is_file(other)):
        return False
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def real(path: str | os.PathLike[str]) -> Path:
    """Where links lead, as far as that can be seen; a link that leads to itself stays as it is."""
    return Path(os.path.realpath(path))


def files_below(folder: str | os.PathLike[str], *, folders: bool = False) -> Iterator[str]:
    """The files below a folder, as far as this user may see them, and no more than could be an extension's.

    Args:
        folder: where to begin.
        folders: give the folders as well, this one first.
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
    """The system's reason in words."""
    if isinstance(error, OSError) and error.strerror:
        return "a link leads to itself" if error.errno == _LOOP else error.strerror
    return str(error)


_LOOP = 62 if sys.platform == "darwin" else 40
