"""Run SQL over tables, from any thread."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING

from ...errors import SqlError
from .database import Database, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..answer import Caller, TextRows
    from ..trace import Observer
    from .statements import ResultSet, TypedResult


class Engine:
    """SQL over attached tables.

    As in osqueryd, queries run on a main connection. A query that finds it busy gets a transient connection,
    and each extension table is asked for its columns again. Temporary tables and views are in the main
    connection: a query that runs at the same time as another does not see them.

    Args:
        observer: called with a `TableCall` after each call into a table, in the thread of the query.
        default_index: the flag `--extensions_default_index`.
        null: the text for NULL in results (`--nullvalue`).
    """

    def __init__(
        self, *, observer: Observer | None = None, default_index: bool = True, null: str = ""
    ) -> None:
        """Open the main connection."""
        self.observer = observer
        self._sources: dict[str, Source] = {}
        self._open = partial(
            Database, self._sources, count(), count(1), default_index=default_index, null=null
        )
        self._main_busy = Lock()
        self._running: set[Database] = set()
        self._state = Lock()
        self._main = self._open()

    def attach(self, name: str, routes: TextRows, caller: Caller, *, extension: bool = True) -> None:
        """Add a table.

        Args:
            name: the table's name; it goes unquoted into SQL.
            routes: rows that describe the table, as an extension registers them.
            caller: sends requests to the table.
            extension: False for a core table, which is read-only and to which `default_index` does not apply.

        Raises:
            SqlError: osqueryd's text: "Invalid route info", or the name of SQLite's error code. The name then
                stays known with its routes alone.
        """
        if not routes:
            self._sources[name] = Source(name, routes, None, extension)
            raise SqlError("Invalid route info")
        source = Source(name, routes, caller, extension)
        # Until the table is attached, only its routes count. As osqueryd, keep them after a failure.
        self._sources[name] = source._replace(caller=None)
        with self._main_busy:
            code = self._main.attach(source, known=True)
        if code is not None:
            raise SqlError(code)
        self._sources[name] = source

    def detach(self, name: str) -> None:
        """Remove a table. Unknown names are ignored."""
        with self._main_busy:
            self._main.detach(name)
        self._sources.pop(name, None)

    def query(self, sql: str, *, timeout: float | None = None, in_order: bool = False) -> ResultSet:
        """Run one statement or several.

        Args:
            sql: the statements.
            timeout: seconds until the query is stopped.
            in_order: keep the keys of a row in the order of the columns, instead of sorting them as osqueryd
                does.

        Raises:
            SqlError: the statement failed; the text is osqueryd's.
            DeadlineExceeded: the query took longer than `timeout`.
        """
        with self._database() as database:
            return database.query(sql, deadline=_deadline(timeout), in_order=in_order)

    def query_typed(self, sql: str, *, timeout: float | None = None) -> TypedResult:
        """Run SQL, and return values instead of texts; see `query`."""
        with self._database() as database:
            return database.query_typed(sql, deadline=_deadline(timeout))

    def get_query_columns(self, sql: str) -> list[tuple[str, str]]:
        """Return name and osquery type of each column that `sql` would return.

        Raises:
            SqlError: the statement is not valid.
        """
        with self._database() as database:
            return database.query_columns(sql)

    def interrupt(self) -> None:
        """Make the running queries fail with "interrupted", at the latest when their tables have answered."""
        with self._state:
            for database in self._running:
                database.interrupt()

    def close(self) -> None:
        """Interrupt the running queries, and close."""
        self.interrupt()
        with self._main_busy:
            self._main.close()

    @contextmanager
    def _database(self) -> Iterator[Database]:
        is_main = self._main_busy.acquire(blocking=False)
        database = self._main if is_main else self._open()
        try:
            if not is_main:
                for source in list(self._sources.values()):
                    if source.caller is not None:
                        database.attach(source, known=not source.extension)
            database.observer = self.observer
            with self._state:
                self._running.add(database)
            yield database
        finally:
            with self._state:
                self._running.discard(database)
            if is_main:
                self._main_busy.release()
            else:
                database.close()


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout
