"""Resolve the files, folders and texts that a statement names in a column: by `=` and IN, files by LIKE as
well.

osqueryd refuses statements without a term on a required column. It does not pass on a term that compares with
NULL or an empty text, as a join with processes has for each thread of the kernel: then nothing is named, and
there are no rows.
"""

import os
import stat
from collections.abc import Callable, Iterator

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Missing, TooLarge, Unreadable, read_file
from kolide_kit.limits import Budget
from kolide_kit.patterns import expand_like
from kolide_kit.text import shown
from osquery_sdk import Column, Query, Row, TableError

from .leftout import LeftOut

_MOST_LINKS = 40
_PAGE = 4096
_ROOT = 0


class FileRow(Row):
    """A row about a file that the statement names."""

    path: str = Column(
        "File to read; LIKE finds files, with % for any text in one folder's name",
        index=True,
        required=True,
        key=True,
    )


def asked_paths(query: Query, column: str, budget: Budget, *, links: bool = False) -> Iterator[str]:
    """Yield the paths that the terms on `column` name, each once; a LIKE pattern names the files that exist.

    With `links`, a search through many folders (`%%`) finds symbolic links too, for tables that follow
    trusted ones. Raises TableError for terms that name no path, and LimitExceeded beyond the budget's
    folders.
    """
    named = query.equals(column)
    if named is not None:
        return filter(None, named)
    patterns = query.like(column)
    if not patterns:
        if query.constraints(column):
            raise TableError(f"name a {column} with =, IN or LIKE")
        return iter(())
    # A path has to match every pattern. The files of the first are listed, and those that the others do not
    # match are left out.
    paths = expand_like(
        patterns[0], max_folders=budget.limits.max_folders, on_folder=budget.check, links=links
    )
    return (path for path in paths if query.matches(column, path))


def asked_texts(query: Query, column: str) -> Iterator[str]:
    """Yield the texts that the terms on `column` are equal to, each once.

    Raises TableError for terms that name none, and LimitExceeded for a text that is longer than a file may
    be.
    """
    named = query.equals(column)
    if named is None and query.constraints(column):
        raise TableError(f"name {column} with = or IN")
    most = query.limits.max_file_bytes
    for text in filter(None, named or ()):
        if len(text) > most:
            size = f"{column} has {len(text):,} bytes"
            raise LimitExceeded(f"{size}, the limit is {most:,}: raise max_file_bytes")
        yield text


def asked_contents(query: Query, column: str, budget: Budget) -> Iterator[tuple[str, bytes, str]]:
    """Yield the path and the content of each file that the terms on `column` name, or the error about it.

    A file that is named with `=` or IN, and cannot be read or is over the limit, comes with an error that
    names it: without one, the answer would look as if nothing were in the file. A file that a pattern found
    is logged instead, and the others still answer. A missing file is left out.
    """
    left_out = LeftOut(query)
    is_named = query.equals(column) is not None
    for path in asked_paths(query, column, budget):
        budget.check()
        try:
            content = read_file(path, max_bytes=query.limits.max_file_bytes)
        except Missing:
            continue
        except (Unreadable, TooLarge) as error:
            if is_named:
                yield path, b"", str(error)
            else:
                left_out.add(str(error))
        else:
            yield path, content, ""
    left_out.finish()


def names_in(folder: str) -> list[str]:
    """Return the names in a folder, sorted; none if it may not be listed, or does not exist."""
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208  names are all that is needed
    except OSError:
        return []


def attribute_text(path: str) -> str | None:
    """Return the text of an attribute in /sys, which fits a page; None if it is empty or cannot be read."""
    try:
        return shown(read_file(path, max_bytes=_PAGE).strip()) or None
    except (Unreadable, TooLarge):
        return None


def past_trusted_links(path: str) -> str:
    """Follow the symbolic links that root made, as in /etc/ssl/certs and /etc/letsencrypt, and return where
    they lead.

    Only for tables that show nothing of a file that is not public, such as a certificate's subject. A link
    that anyone else owns is not followed here, and is refused when the file is opened.
    """
    for _ in range(_MOST_LINKS):
        try:
            facts = os.lstat(path)
            if not stat.S_ISLNK(facts.st_mode) or facts.st_uid != _ROOT or os.name != "posix":
                break
            path = os.path.join(os.path.dirname(path), os.readlink(path))  # noqa: PTH115, PTH118, PTH120
        except (OSError, ValueError):
            break
    return path


def read_or_warn(
    path: str, query: Query, *, max_bytes: int | None = None, warn: Callable[[str], None] | None = None
) -> bytes | None:
    """Return the content of a regular file, for a table without a column for errors.

    `max_bytes` is the query's own limit unless given. None stands for a file that cannot be read or is
    larger, which is logged with `warn` or as a warning of its own, and for a missing file, which is not: a
    join of users with a file of their homes names many that do not exist.
    """
    try:
        return read_file(path, max_bytes=max_bytes or query.limits.max_file_bytes)
    except Missing:
        return None
    except (Unreadable, TooLarge) as error:
        (warn or query.warn)(str(error))
        return None
