"""Run the statements of a query on a connection, and collect their rows as osqueryd renders them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw

from .values import encoded, render

if TYPE_CHECKING:
    from collections.abc import Callable

_ROWS = "[the rows]"
_PARAMETERS = re.compile(r"(?:has|uses) (\d+)")


class ResultSet(NamedTuple):
    """The result of a query, with values as text."""

    columns: list[str]
    """Names of the last statement that returned rows, or could have, in its order."""
    rows: list[dict[str, str]]
    """Texts by column; of columns with the same name, the last one counts.

    `Host` keeps the keys in the order of the columns. `Engine` sorts them, as osqueryd does.
    """


class TypedResult(NamedTuple):
    """The result of a query, with SQL's values: numbers, None for NULL, and texts as in a `ResultSet`."""

    columns: list[str]
    """Names, as in a `ResultSet`."""
    rows: list[dict[str, str | int | float | None]]
    """Values by column, in the order of the columns."""


class _Running(NamedTuple):
    """The running statement."""

    sql: str
    parameters: int
    reads: bool
    """True if the statement changes nothing, so that it can be run again."""
    rows_before: int


class Statements:
    """Runs statements, one after the other.

    Args:
        connection: runs them.
        null: the text for NULL.
        before_each: called before each statement.
        in_order: keep the keys of a row in the order of the columns, instead of sorting them.
        typed: return values instead of texts.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        null: str,
        before_each: Callable[[], None],
        *,
        in_order: bool,
        typed: bool,
    ) -> None:
        self._connection = connection
        self._null = null
        self._before_each = before_each
        self._in_order = in_order
        self._typed = typed
        self._columns: list[str] = []
        self._rows: list[dict[str, Any]] = []
        self._order: list[tuple[str, int]] = []
        self._position = 0
        """End of the running statement in the text of the query."""
        self._running = _Running("", 0, False, 0)

    def run(self, sql: str) -> tuple[list[str], list[dict[str, Any]]]:
        """Run the statements in `sql`, and return the last one's columns and the rows of all of them.

        APSW has two reasons to stop before. Where a statement has parameters (`?`), run the rest again with
        values for them; where it has text that is not UTF-8, run it again with texts as blobs, and go on
        after it.

        Raises:
            apsw.Error: SQLite's error of the first statement that fails.
            UnicodeDecodeError: a function or a table got text that is not UTF-8.
        """
        parameters = 0
        while True:
            try:
                self._read(sql[self._position :], parameters, self._begin)
            except apsw.BindingsError as error:
                parameters = parameters_of(error)
            except UnicodeDecodeError:
                if not self._running.reads:
                    raise
                del self._rows[self._running.rows_before :]
                self._read(self._as_bytes(), self._running.parameters)
                parameters = 0
            else:
                return self._columns, self._rows

    def _begin(self, cursor: apsw.Cursor, statement: str, bindings: Any) -> bool:
        self._before_each()
        self._columns = [column[0] for column in cursor.getdescription()]
        self._order[:] = {name: position for position, name in enumerate(self._columns)}.items()
        if not self._in_order:
            self._order.sort(key=lambda item: encoded(item[0]))
        # APSW's pieces of the text have everything between two statements, too.
        self._position += len(statement)
        reads = cursor.is_readonly and not cursor.is_explain
        self._running = _Running(statement, len(bindings), reads, len(self._rows))
        return True

    def _read(self, sql: str, parameters: int, trace: Callable[..., bool] | None = None) -> None:
        """Run statements and keep their rows; `trace` is called before each.

        The cursor is closed here, also after an error. Whoever keeps the error keeps this frame, and when the
        collector finds both, it may run in a thread that a statement waits for: closing would wait for ever.
        """
        cursor = self._connection.cursor()
        cursor.exectrace = trace
        try:
            self._take(cursor.execute(sql, (None,) * parameters))
        finally:
            cursor.close(True)

    def _take(self, rows: apsw.Cursor) -> None:
        null, append, order = self._null, self._rows.append, self._order
        if self._typed:
            self._rows += (
                {
                    name: render(value) if isinstance(value := row[position], (str, bytes)) else value
                    for name, position in order
                }
                for row in rows
            )
            return
        for row in rows:
            # Nearly every value is text that needs no change.
            append(
                {
                    name: v if type(v := row[position]) is str and "\0" not in v else render(v, null)
                    for name, position in order
                }
            )

    def _as_bytes(self) -> str:
        """Return a statement that gives the rows of the running one with texts as blobs.

        APSW cannot return text that is not UTF-8, such as `cast(x'ff' as text)`. It fails when it meets one,
        and the tables are called a second time.
        """
        names = [f"c{number}" for number in range(len(self._columns))]
        values = ", ".join(f"iif(typeof({name}) = 'text', cast({name} as blob), {name})" for name in names)
        rows = self._running.sql.rstrip().removesuffix(";")
        # The line break ends a comment in `rows`.
        table = f"{_ROWS}({', '.join(names)})"
        return f"WITH {table} AS MATERIALIZED ({rows}\n) SELECT {values} FROM {_ROWS}"  # noqa: S608


def parameters_of(error: apsw.BindingsError) -> int:
    """Return the number of parameters (`?`) of a statement that APSW refuses to run without values for them.

    They are NULL, as in osqueryd, which binds no values.
    """
    count = _PARAMETERS.search(str(error))
    if count is None:
        raise error
    return int(count[1])
