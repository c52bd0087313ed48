"""Expand a path with `*` in it to the paths that exist."""

from fnmatch import fnmatchcase

from osquery_sdk import Query

from ..reading.paths import names_in

__all__ = ["expanded"]

_MOST_NAMES = 100


def expanded(top: str, pattern: str, query: Query, *, most: int = _MOST_NAMES) -> list[str]:
    """Return the paths below `top` that a pattern stands for, in which a part with `*` is any such name.

    A path without `*` is returned whether it exists or not. Of each folder at most `most` names are taken; a
    warning tells of the others.
    """
    paths = [top]
    for part in pattern.split("/"):
        if "*" not in part:
            paths = [f"{path}/{part}" for path in paths]
            continue
        below: list[str] = []
        for path in paths:
            names = [name for name in names_in(path) if fnmatchcase(name, part)]
            if len(names) > most:
                query.warn(
                    f"{path}: of its {len(names):,} names like {part} only the first {most:,} are looked at"
                )
            below += (f"{path}/{name}" for name in names[:most])
        paths = below
    return paths
