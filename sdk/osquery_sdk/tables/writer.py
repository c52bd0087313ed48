"""Between osqueryd's writes and a `WritableTable`: find the row, read its values, and word the reply.

osqueryd names a row by its rowid alone, and sends the values of all columns, also of those that the statement
does not set. A statement reads a row before it writes to it, so the rows of recent scans are kept.
"""

from __future__ import annotations

import json
import math
import threading
import time
import types
import typing
from itertools import islice
from typing import TYPE_CHECKING, Any

from kolide_kit.author_code import describe, pass_on_interrupt, shown, text_of, until_fork

from ..errors import ColumnValueError, ConstraintFailed, DefinitionError, ReadOnly, TableError
from ..vocabulary import EQUALS, ColumnType
from .columns import MISSING
from .encoding import Layout
from .query import Constraint, Query
from .rows import Row
from .values import reader
from .writable import WritableTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .definition import Definition
    from .encoding import ColumnInfo

_KEPT = 10_000


class Writer:
    """The writing side of a table.

    Args:
        definition: the table's definition.
        store: the author's object.

    Raises:
        DefinitionError: the table has no key, or is cached.
    """

    def __init__(self, definition: Definition, store: WritableTable[Any]) -> None:
        """Find the columns that identify a row."""
        name, options = definition.name, definition.options
        self.store = store
        self.row = definition.row
        self._definition = definition
        self._name = name
        self._columns = columns = definition.columns
        self._keys = [i for i, column in enumerate(columns) if column.key]
        if not self._keys:
            raise DefinitionError(
                f"table {name}: declare the column that identifies a row with key=True; writes need one"
            )
        if options.is_cached:
            raise DefinitionError(
                f"table {name}: a writable table takes no cache and no snapshot: a statement would "
                f"read what it has changed"
            )
        self._layout = Layout(name, self.row, columns, frozenset())
        self._number = self._layout.number
        self._aliases = [i for i, c in enumerate(columns) for _ in c.definition.aliases]
        self._readers: list[Any] = []
        self._kept: dict[int, Row] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    # -- reading

    def scan(self, query: Query) -> Iterator[Row]:
        """Yield the author's rows, and keep some for the writes that may follow."""
        kept: dict[int, Row] = {}
        rows = iter(self.store.rows(query) or ())
        try:
            for row in islice(rows, _KEPT):
                kept.setdefault(self._rowid(row), row)
                yield row
            yield from rows
        finally:
            self._keep(kept, _KEPT)
            if isinstance(rows, types.GeneratorType):
                rows.close()

    def _keep(self, rows: Mapping[int, Row], most: int) -> None:
        with self._lock:
            known = self._kept
            for rowid in rows:
                known.pop(rowid, None)
            known.update(rows)
            for rowid in list(islice(known, max(len(known) - most, 0))):
                del known[rowid]

    def _rowid(self, row: Row) -> int:
        """Return the row identifier that the row has in an answer."""
        if not isinstance(row, self.row):
            raise TableError(f"{self._name}: rows are {self.row.__name__}, not {type(row).__name__}")
        rowid = self._layout.rowid(row)
        if self._number is not None and row[self._number] is None:
            raise TableError(f"{self._name}: a row has no {self._key_names()}, by which rows are known")
        return rowid

    def _find(self, rowid: int, deadline: float) -> Row:
        with self._lock:
            row = self._kept.get(rowid)
        if row is not None:
            return row
        # The row is not kept any more: read it again. Keep all rows of this scan, for SQLite goes on in rowid
        # order.
        terms = {}
        if self._number is not None:
            terms[self._columns[self._number].name] = (Constraint(EQUALS, str(rowid)),)
        definition = self._definition
        query = Query(definition, terms, None, deadline=deadline)
        # A table that needs inputs has no rows to read again without them.
        rows = () if definition.missing(query.narrows) else self.store.rows(query) or ()
        rows_by_id: dict[int, Row] = {}
        for row in islice(until_fork(iter(rows)), definition.options.max_rows):
            rows_by_id.setdefault(self._rowid(row), row)
        self._keep(rows_by_id, definition.options.max_rows)
        if rowid in rows_by_id:
            return rows_by_id[rowid]
        raise TableError(f"{self._name}: the row is not there any more, or another has the same key")

    # -- writing

    def write(self, action: str, request: Mapping[str, str], deadline: float) -> dict[str, str]:
        """Do one write and return the reply to its success.

        Raises:
            WriteError, TableError: the write is refused.
            Exception: anything else that the author's methods raise.
        """
        if not self._turn.acquire(timeout=max(deadline - time.monotonic(), 0)):
            raise TableError(f"{self._name}: another write takes too long")
        try:
            if action == "insert":
                return {"status": "success", "id": str(self._insert(request))}
            rowid = int(request["id"])
            old = self._find(rowid, deadline)
            if action == "update":
                self.store.update(old, self._changed(old, request))
            else:
                self.store.delete(old)
            with self._lock:
                self._kept.pop(rowid, None)
            return {"status": "success"}
        finally:
            self._turn.release()

    def _insert(self, request: Mapping[str, str]) -> int:
        given = self._given(request)
        if request.get("auto_rowid") == "true":
            self._take_rowid(given, int(request["id"]), None)
        row = self._row(self._inserted(i, value) for i, value in enumerate(given))
        kept = self.store.insert(row)
        if kept is None:
            kept = row
        elif isinstance(kept, int):
            if self._number is None:
                raise TableError(
                    f"{self._name}: insert returned {kept}, where rows are known by {self._key_names()}: "
                    f"return the row"
                )
            return int(self._columns[self._number].text(kept))
        if any(kept[i] is None for i in self._keys):
            raise TableError(
                f"{self._name}: the row was inserted, but insert did not return its {self._key_names()}"
            )
        return self._rowid(kept)

    def _changed(self, old: Row, request: Mapping[str, str]) -> Row:
        """Return a row with the values that an update sets; the other values are the old row's objects."""
        shown = [_shown(info, value) for info, value in zip(self._columns, old, strict=True)]
        given = self._given(request, shown)
        if "new_id" in request:
            self._take_rowid(given, int(request["new_id"]), shown)
        return self._row(
            old[i] if value == shown[i] else self._read(i, value) for i, value in enumerate(given)
        )

    def _given(self, request: Mapping[str, str], shown: Sequence[Any] | None = None) -> list[Any]:
        """Return the value of each column in a write; a value given to an alias goes to its column.

        Args:
            request: osqueryd's request.
            shown: the values that the statement read, for an update.
        """
        text = request.get("json_value_array", "")
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            if text.endswith(","):
                # osqueryd's JSON breaks off before an infinite number, which JSON cannot express.
                raise ConstraintFailed("an infinite number cannot be written") from None
            raise TableError(f"{self._name}: the values of the write cannot be read") from None
        count = len(self._columns)
        if not isinstance(values, list) or len(values) != count + len(self._aliases):
            got = len(values) if isinstance(values, list) else type(values).__name__
            raise TableError(
                f"{self._name}: expected {count + len(self._aliases)} values in the write, got {got}"
            )
        given = values[:count]
        for i, value in zip(self._aliases, values[count:], strict=True):
            before = None if shown is None else shown[i]
            if value != before and given[i] == before:
                given[i] = value
        return given

    def _take_rowid(self, given: list[Any], rowid: int, shown: Sequence[Any] | None) -> None:
        """Make the rowid that the statement sets the key."""
        if self._number is None:
            raise ConstraintFailed(f"the rowid cannot be set, as rows are known by {self._key_names()}")
        before = None if shown is None else shown[self._number]
        if given[self._number] not in (before, rowid):
            raise ConstraintFailed(f"rowid and {self._key_names()} are set to different values")
        given[self._number] = rowid

    def _inserted(self, position: int, value: Any) -> Any:
        default = self._columns[position].definition.default
        return self._read(position, value) if value is not None or default is MISSING else default

    def _read(self, position: int, value: Any) -> Any:
        """Return a value in the type of the column's annotation, within the column's range."""
        info = self._columns[position]
        if value is None and info.nullable:
            return None
        if not self._readers:
            hints = typing.get_type_hints(self.row)
            self._readers = [reader(hints[c.name], f"{self._name}.{c.name}") for c in self._columns]
        try:
            if isinstance(value, float) and math.isinf(value):
                raise ValueError("it takes no infinite number")
            converted = self._readers[position](value)
        except BaseException as error:  # from an author's class
            pass_on_interrupt(error)
            given = "" if value is None else f" = {shown(value)}"
            raise ConstraintFailed(
                f"{self._name}.{info.name}{given}: {describe(error, ValueError)}"
            ) from error
        try:
            info.text(converted)
        except ColumnValueError as error:
            raise ConstraintFailed(str(error)) from error
        return converted

    def _row(self, values: Iterable[Any]) -> Row:
        return tuple.__new__(self.row, values)

    def _key_names(self) -> str:
        return ", ".join(self._columns[i].name for i in self._keys)


def _shown(info: ColumnInfo, value: Any) -> Any:
    """Return a row's value as a statement sees it: osqueryd has no NULL in text."""
    text = info.text(value)
    if info.type in (ColumnType.TEXT, ColumnType.BLOB):
        return text
    if not text:
        return None
    return float(text) if info.type is ColumnType.DOUBLE else int(text)


def row_class(kind: type) -> type[Row]:
    """Return R for a class that derives from WritableTable[R]; raises DefinitionError if it names none."""
    for base in (base for parent in kind.__mro__ for base in getattr(parent, "__orig_bases__", ())):
        origin = typing.get_origin(base)
        if isinstance(origin, type) and issubclass(origin, WritableTable):
            for argument in typing.get_args(base):
                if isinstance(argument, type) and issubclass(argument, Row):
                    return argument
    raise DefinitionError(
        f"{kind.__name__}: derive from WritableTable[YourRow], with the row class in the brackets"
    )


def refusal(table: str, error: BaseException, message: str) -> tuple[dict[str, str], str]:
    """Return the reply to a write that failed, and its message.

    Only the status "failure" carries a text to the SQL client; for the other two SQLite has texts of its own.

    Args:
        table: the table's name.
        error: the exception.
        message: the text for the client.
    """
    kind = type(error)
    if issubclass(kind, (ReadOnly, ConstraintFailed)) and not text_of(error):
        if issubclass(kind, ReadOnly):
            return {"status": "readonly"}, f"table {table} may not be modified"
        return {"status": "constraint"}, "constraint failed"
    return {"status": "failure", "message": message}, message
