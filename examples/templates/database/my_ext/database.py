"""Reads an SQLite file that belongs to another program: never writes to it, and never waits for long."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from osquery_sdk import Query, TableError

# Variable that names a file to use instead of the usual one.
VARIABLE = "MY_EXT_DATABASE"
USUAL = "/var/lib/my_ext/orders.sqlite"
# Seconds to wait for a program that is writing.
PATIENCE = 2.0
# Number of its instructions after which SQLite asks whether to continue.
INSTRUCTIONS = 10_000
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def default_path() -> Path:
    """Return the file that the environment names, or else the usual one."""
    return Path(os.environ.get(VARIABLE) or USUAL)


class Database:
    """An SQLite file, opened anew for each statement: it may be replaced while the extension runs.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        """Store the path; the file is opened for each statement."""
        self.path = path

    def read(self, query: Query, sql: str, parameters: Sequence[Any] = ()) -> Iterator[sqlite3.Row]:
        """Yield the rows of a statement.

        Args:
            query: it is given up when this is.
            sql: with a question mark for each value: values are never put into the text.
            parameters: the values.

        Raises:
            TableError: the file is not there, locked, damaged, or has no such table.
        """
        try:
            with closing(self._open(query)) as connection:
                for row in connection.execute(sql, parameters):
                    query.check()
                    yield row
        except sqlite3.Error as error:
            query.check()  # raises if SQLite was stopped because nobody waits any more
            raise TableError(f"{self.path} {self._why(error)}") from error

    def _open(self, query: Query) -> sqlite3.Connection:
        self._require_file()
        # With mode=ro in a URI, SQLite writes nothing and does not create a missing file.
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        patience = min(PATIENCE, query.remaining())
        connection = sqlite3.connect(uri, uri=True, timeout=patience)
        try:
            connection.row_factory = sqlite3.Row
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
            connection.set_progress_handler(lambda: query.cancelled or query.remaining() == 0, INSTRUCTIONS)
            # Keep views and triggers of an untrusted file from running this program's functions.
            connection.execute("pragma trusted_schema = off")
        except BaseException:
            connection.close()
            raise
        return connection

    def _require_file(self) -> None:
        """Raise TableError where SQLite would say no more than that it cannot open the file."""
        try:
            if not self.path.is_file():
                self.path.stat()
                raise TableError(f"{self.path} is no file; {VARIABLE} names another one")
            with self.path.open("rb"):
                pass
        except OSError as error:
            raise TableError(f"{self.path}: {error.strerror}; {VARIABLE} names another file") from error

    @staticmethod
    def _why(error: sqlite3.Error) -> str:
        # The lower byte is the kind of error, the other bytes give details.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in BUSY:
            return "is locked by another program; try again"
        if code in DAMAGED:
            return "is damaged, or no SQLite database"
        return f"cannot be read: {error}"
