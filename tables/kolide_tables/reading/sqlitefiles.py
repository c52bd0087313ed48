"""Read columns of text from the SQLite files of users' programs, which may have them open.

Nothing is written, also not beside the file. Sources: https://www.sqlite.org/uri.html and
https://www.sqlite.org/wal.html.
"""

import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from kolide_kit.text import shown
from osquery_sdk import Query

if TYPE_CHECKING:
    import sqlite3

__all__ = ["database_texts"]

_SECONDS = 2.0
_STEPS = 10_000
_MOST_BYTES = 16 << 20
_UNKNOWN = ("no such table", "no such column")


def database_texts(path: str, statements: Iterable[str], query: Query, *, most: int) -> Iterator[str]:
    """Yield the texts in the first column of each statement's rows, of each at most a number.

    A statement about a table or column that the file does not have is skipped: programs change them. A file
    that is not SQLite's is logged, a missing one is not.
    """
    if not _is_regular(path):
        return
    import sqlite3

    try:
        with closing(_open(path)) as connection:
            for statement in statements:
                try:
                    values = [row[0] for row in connection.execute(statement).fetchmany(most)]
                except sqlite3.OperationalError as error:
                    if not str(error).startswith(_UNKNOWN):
                        raise
                    continue
                yield from (os.fsdecode(value) for value in values if isinstance(value, bytes) and value)
    except sqlite3.Error as error:
        query.warn(f"{shown(path)}: {error}")


def _open(path: str) -> "sqlite3.Connection":
    import sqlite3
    from urllib.parse import quote

    # What is in the log only can be read while the program that writes it has its index there too.
    has_log = _is_regular(f"{path}-wal") and _is_regular(f"{path}-shm")
    options = "mode=ro" if has_log else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"file:{quote(path)}?{options}", uri=True, timeout=_SECONDS)
    connection.text_factory = bytes
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
    deadline = time.monotonic() + _SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    for pragma in ("query_only = on", "trusted_schema = off"):
        connection.execute(f"pragma {pragma}")
    return connection


def _is_regular(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False
