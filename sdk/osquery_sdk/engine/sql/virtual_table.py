"""A SQLite virtual table that calls an extension's table as osqueryd 5.23 does.

SQLite's calls, in order: `BestIndexObject` plans a scan, `Open` makes a cursor, `Filter` calls the table, and
`Column` reads the values of its answer.

Facts from `osquery/sql/virtual_table.cpp` (`xBestIndex`, `xFilter`, `xUpdate`) and `dynamic_table_row.cpp`.
"As osqueryd" marks odd behaviour that is osqueryd's own: tables have to live with it.
"""
# ruff: noqa: N802  APSW calls these methods by SQLite's names

from __future__ import annotations

import os
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

import apsw

from ...vocabulary import INDEX, REQUIRED, USER_BASED
from ..answer import Answer, ByteRows, to_text
from ..trace import Observer, TableCall, Term
from .context import Operand, context_json, values_json
from .planning import Plan, plan_scan
from .routes import Definition, RouteColumn
from .values import DECODERS, Decoder, SQLiteValue, parse_decimal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Host(Protocol):
    """The connection that a table belongs to, as the table needs it."""

    observer: Observer | None
    """Gets a record of each call; None if there is no observer."""
    plans: Iterator[int]
    """Numbers for plans, unique in the engine."""
    cursors: Iterator[int]
    """Numbers for cursors, unique in the engine."""
    affected: set[VirtualTable]
    """The tables that the statement uses. Their plans are dropped when the query ends."""
    inserted: int | None
    """The row identifier that the statement gave a row; None if the table gave it."""

    def call(self, name: str, request: dict[str, str]) -> Answer:
        """Send a request to the table's owner.

        A failure to reach it is a status in the answer, not an exception.
        """


class VirtualTable:
    """APSW's `VTTable` for one table of one connection."""

    def __init__(self, host: Host, definition: Definition) -> None:
        """Take the connection and the table's definition."""
        self.name = definition.name
        self._host = host
        self._columns = list(definition.columns)
        self._aliases = dict(definition.aliases)
        self._user_based = bool(definition.attributes & USER_BASED)
        self._plans: dict[int, Plan] = {}
        self.readers: list[tuple[str, Decoder | None]] = [
            (column.name, None if column.name in self._aliases else DECODERS[column.type])
            for column in self._columns
        ]

    # -- planning

    def BestIndexObject(self, index: apsw.IndexInfo) -> bool:
        """Plan a scan: choose the terms that come to `Filter`, and tell SQLite what the scan costs."""
        self._host.affected.add(self)
        index.idxNum = next(self._host.plans) & 0x7FFFFFFF  # it is an int of C
        explain = self._host.observer is not None
        self._plans[index.idxNum] = plan_scan(index, self._columns, self._aliases, explain=explain)
        return True

    def forget_plans(self) -> None:
        """Drop the plans of a query that has ended."""
        self._plans.clear()

    # -- reading

    def Open(self) -> Cursor:
        """Return a new cursor, for one place where a statement reads the table."""
        return Cursor(self, next(self._host.cursors))

    def scan(
        self, plan_number: int, operands: Sequence[SQLiteValue | set[SQLiteValue]], cursor: int
    ) -> ByteRows:
        """Call the table for one scan.

        Raises:
            apsw.Error: the statement fails with this text.
        """
        self._host.affected.add(self)
        plan = self._plans.get(plan_number) or Plan()
        request, pushed, required_given = self._scan_request(plan, operands)
        terms = (*pushed, *plan.withheld)
        used = tuple(plan.used)
        if not required_given:
            refusal = self._without_required(plan)
            if observer := self._host.observer:
                observer(TableCall(self.name, cursor, "refuse", terms, used, request, 0, 0.0, refusal))
            raise apsw.ConstraintError(refusal)
        started = perf_counter()
        answer = self._host.call(self.name, request)
        error = answer.status.message if answer.failed else None
        rows = answer.rows
        if observer := self._host.observer:
            seconds = perf_counter() - started
            observer(
                TableCall(self.name, cursor, "generate", terms, used, request, len(rows), seconds, error)
            )
        if error is not None:
            raise apsw.SQLError(error)
        return rows

    def _scan_request(
        self, plan: Plan, operands: Sequence[SQLiteValue | set[SQLiteValue]]
    ) -> tuple[dict[str, str], list[Term], bool]:
        """Return the request of a scan, the terms in it, and whether it has the required columns.

        A term whose operand is withheld counts as given.
        """
        # As osqueryd: of two columns with the same name (an alias that was read once), the later counts.
        affinities = {column.name: column.type for column in self._columns}
        options = {column.name: column.options for column in self._columns}
        required = any(column.options & REQUIRED for column in self._columns)
        constraints: dict[str, list[Operand]] = {}
        pushed: list[Term] = []
        for term in plan.terms:
            texts, reason = term.read(operands[term.place])
            for text in texts:
                constraints.setdefault(term.column, []).append(Operand(term.op, text))
            pushed.append(Term(term.column, term.op, texts, bool(texts), reason))
        context = context_json(affinities, constraints, plan.used, plan.bitset)
        given = not required or any(options[term.column] & REQUIRED for term in plan.terms)
        return {"action": "generate", "context": context}, pushed, given

    def _without_required(self, plan: Plan) -> str:
        """Return the error of a scan without a required column.

        As osqueryd: if an administrator queries a USER_BASED table and names no user either, the text says
        nothing.
        """
        named = any(term.column in ("uid", "username") for term in plan.terms)
        if self._user_based and not named and _is_administrator():
            return "constraint failed"
        return f"Table {self.name} was queried without a required column in the WHERE clause"

    def resolve_alias(self, position: int) -> tuple[str, Decoder]:
        """Return name and decoder of the column that an alias stands for.

        As osqueryd: once an alias has been read, its place in the table keeps the target's name and type.
        From then on, the constraints in requests of this connection lack the alias.
        """
        alias, target = self._columns[position], self._columns[self._aliases[self._columns[position].name]]
        self._columns[position] = RouteColumn(target.name, target.type, alias.options)
        reader = target.name, DECODERS[target.type]
        self.readers[position] = reader
        return reader

    # -- writing

    def UpdateInsertRow(self, rowid: int | None, fields: Sequence[SQLiteValue]) -> int | None:
        """Insert a row. Returns its id."""
        request = {"action": "insert", "json_value_array": self._values(fields)}
        request |= {"auto_rowid": "false"} if rowid is None else {"auto_rowid": "true", "id": str(rowid)}
        reply = self._write(request)
        self._host.inserted = rowid
        if rowid is not None:
            return rowid
        new_rowid = parse_decimal(reply.get("id", ""))
        if new_rowid is None:
            raise apsw.SQLError("SQL logic error")
        return new_rowid

    def UpdateChangeRow(self, row: int, newrowid: int, fields: Sequence[SQLiteValue]) -> None:
        """Change a row."""
        request = {"action": "update", "id": str(row)}
        if newrowid != row:
            request["new_id"] = str(newrowid)
        request["json_value_array"] = self._values(fields)
        self._write(request)

    def UpdateDeleteRow(self, rowid: int) -> None:
        """Delete a row."""
        self._write({"action": "delete", "id": str(rowid)})

    def Disconnect(self) -> None:
        """Take note that the connection no longer refers to the table."""

    Destroy = Disconnect

    def _values(self, fields: Sequence[SQLiteValue]) -> str:
        """Return the `json_value_array` of values.

        Raises:
            apsw.MismatchError: a value does not have exactly the type of its column.
        """
        if len(fields) != len(self._columns):
            raise apsw.RangeError("column index out of range")
        for value, column in zip(fields, self._columns, strict=True):
            if value is None:
                # As osqueryd: only exactly these options forbid NULL; OPTIMIZED or a collation beside them
                # allows it.
                fits = column.options not in (INDEX, REQUIRED)
            elif isinstance(value, int):
                fits = column.type in ("INTEGER", "BIGINT", "UNSIGNED BIGINT")
            elif isinstance(value, float):
                fits = column.type == "DOUBLE"
            else:
                fits = column.type == ("TEXT" if isinstance(value, str) else "BLOB")
            if not fits:
                raise apsw.MismatchError("datatype mismatch")
        return values_json(fields)

    def _write(self, request: dict[str, str]) -> Mapping[str, str]:
        """Send a write, and return the row of the reply, which says "success".

        Raises:
            apsw.Error: the table refused the write, or did not answer.
        """
        request["context"] = context_json({}, {})
        started = perf_counter()
        rows = to_text(self._host.call(self.name, request).rows)
        reply = rows[0] if len(rows) == 1 else {}
        error: apsw.Error | None = None
        match reply.get("status"):
            case "success":
                pass
            case "readonly":
                error = apsw.ReadOnlyError(f"table {self.name} may not be modified")
            case "failure":
                error = apsw.SQLError(reply.get("message", "SQL logic error"))
            case "constraint":
                error = apsw.ConstraintError("constraint failed")
            case _:
                # As osqueryd: it ignores the status of the answer, even if the extension is gone.
                error = apsw.SQLError("SQL logic error")
        if observer := self._host.observer:
            seconds = perf_counter() - started
            text = None if error is None else str(error)
            observer(TableCall(self.name, 0, request["action"], (), (), request, len(rows), seconds, text))
        try:
            if error is not None:
                raise error
        finally:
            # Break the circle error -> traceback -> this frame -> error. The statement's frame in the
            # traceback has the cursor: the garbage collector might free that in another thread, where APSW
            # waits for the connection, and the connection for that thread.
            error = None
        return reply


def _is_administrator() -> bool:
    if sys.platform == "win32":
        import ctypes

        return bool(ctypes.windll.shell32.IsUserAnAdmin())
    return os.getuid() == 0


class Cursor:
    """APSW's `VTCursor`: goes over an answer's rows, and decodes a value only when SQLite asks for it."""

    __slots__ = ("_number", "_position", "_readers", "_rest", "_row", "_table")

    def __init__(self, table: VirtualTable, number: int) -> None:
        self._table = table
        self._readers = table.readers
        self._number = number
        self._position = 0
        self._rest: Iterator[Mapping[str, bytes]] = iter(())
        self._row: Mapping[str, bytes] | None = None  # None after the last row

    def Filter(self, plan: int, _: str | None, operands: Sequence[SQLiteValue | set[SQLiteValue]]) -> None:
        """Call the table, and go to the first row of its answer."""
        self._rest = iter(self._table.scan(plan, operands or (), self._number))
        self._position = 0
        self._row = next(self._rest, None)

    def Eof(self) -> bool:
        """Return True after the last row."""
        return self._row is None

    def Next(self) -> None:
        """Go to the next row."""
        self._position += 1
        self._row = next(self._rest, None)

    def Column(self, number: int) -> SQLiteValue:
        """Return the value of a column of this row; -1 is the rowid."""
        if number < 0:
            return self.Rowid()
        name, decode = self._readers[number]
        if decode is None:
            name, decode = self._table.resolve_alias(number)
        # SQLite asks only while there is a row. A missing key counts as an empty text, which is NULL for
        # numbers.
        return decode(self._row.get(name, b""))  # type: ignore[union-attr]

    def Rowid(self) -> int:
        """Return the row's `rowid`, or else its position in this answer, which is not unique among scans."""
        assert self._row is not None
        text = self._row.get("rowid")
        if text is None:
            return self._position
        rowid = parse_decimal(text.decode("latin-1"))
        if rowid is None:
            raise apsw.SQLError("SQL logic error")
        return rowid

    def Close(self) -> None:
        """Let go of the rows."""
        self._rest = iter(())
        self._row = None
