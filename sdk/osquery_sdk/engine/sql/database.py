"""A SQLite connection with osqueryd's settings: it has the tables, and runs statements as osqueryd does."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw

from ...errors import DeadlineExceeded, SqlError
from ...wire.protocol import Status
from ..answer import Answer, Caller, TextRows, to_bytes, to_text
from .column_types import expression_types
from .functions import hide_functions, register_collations, register_functions
from .routes import Definition, parse_routes
from .statements import ResultSet, Statements, TypedResult, parameters_of
from .values import known_type
from .virtual_table import VirtualTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..trace import Observer

# osqueryd allows statements to read, to write to tables that take writes, and to make temporary tables and
# views. These are SQLite's names for that, without `SQLITE_` before them.
_ALLOWED_ACTIONS = """
    READ SELECT INSERT UPDATE DELETE CREATE_VTABLE DROP_VTABLE CREATE_VIEW DROP_VIEW CREATE_TABLE
    DROP_TABLE CREATE_TEMP_TABLE DROP_TEMP_TABLE CREATE_TEMP_VIEW DROP_TEMP_VIEW FUNCTION RECURSIVE
    TRANSACTION
"""
_ALLOWED_PRAGMAS = frozenset(
    ("table_info", "table_xinfo", "function_list", "journal_mode", "case_sensitive_like", "collation_list")
)
_STEPS_BETWEEN_CHECKS = 2000
_NO_MODULE = "[there is none]"
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?(?:\*/|$)", re.DOTALL)
_AMBIGUOUS_ROWID = re.compile(r"ambiguous column name: ((?:.*\.)?(?:rowid|oid|_rowid_))", re.IGNORECASE)
_WRONG_COUNT = re.compile(r"wrong number of arguments to function (.+)\(\)")


class Source(NamedTuple):
    """A table that can be attached."""

    name: str
    routes: TextRows
    caller: Caller | None
    """None if only the routes are known, because no extension serves the table."""
    extension: bool = True


class _Module:
    """APSW's `VTModule` for one table name."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name

    def Create(  # noqa: N802  APSW's name
        self, connection: apsw.Connection, module: str, schema: str, table: str, *_: object
    ) -> tuple[str, VirtualTable]:
        try:
            return self._database.construct(self._name)
        except LookupError as exc:
            raise apsw.SQLError(f"vtable constructor failed: {self._name}") from exc

    Connect = Create


class Database:
    """A connection, which runs one query at a time.

    Args:
        sources: the tables by name. The connection reads this mapping whenever SQLite connects to a table.
        plans: numbers for plans, unique among all connections of an engine.
        cursors: numbers for cursors, unique likewise.
        default_index: the flag `--extensions_default_index`.
        null: the text for NULL in results (`--nullvalue`).
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        plans: Iterator[int],
        cursors: Iterator[int],
        *,
        default_index: bool,
        null: str,
    ) -> None:
        self.observer: Observer | None = None
        self.plans = plans
        self.cursors = cursors
        self.affected: set[VirtualTable] = set()
        self.inserted: int | None = None
        self._sources = sources
        self._default_index = default_index
        self._null = null
        self._attaching: Definition | None = None
        self._deadline: float | None = None
        # Plans are dropped when a query ends, so no statement may be cached with its plan.
        self._connection = apsw.Connection(":memory:", statementcachesize=0)
        self._connection.execute("PRAGMA journal_mode = off").fetchall()
        self.hidden_functions = hide_functions(self._connection)
        register_functions(self._connection)
        register_collations(self._connection)
        self._connection.authorizer = _authorizer()
        # This is set without a deadline, too: Python notices Ctrl-C only while its own code runs.
        self._connection.setprogresshandler(self._is_late, _STEPS_BETWEEN_CHECKS)

    # -- tables

    def attach(self, source: Source, *, known: bool) -> str | None:
        """Create a table.

        Args:
            source: the table.
            known: use the routes as registered. Otherwise ask the table's owner for its columns, twice, as
                osqueryd does for a transient connection.

        Returns:
            The name of SQLite's error code; None without an error.
        """
        name = source.name
        if not known and self.call(name, {"action": "columns"}).failed:
            return None
        module: Any = _Module(self, name)  # APSW's protocol class asks for methods that are optional
        try:
            self._connection.createmodule(
                name, module, use_bestindex_object=True, eponymous=True, read_only=not source.extension
            )
            # Define the table before SQLite asks for it. SQLite lets go of all tables when a Python exception
            # ends CREATE VIRTUAL TABLE, and APSW then reports it to sys.unraisablehook for each of them. An
            # unknown module fails without that.
            try:
                self._attaching, maker = self._define(name, source.routes if known else None), name
            except LookupError:
                maker = _NO_MODULE
            self._connection.execute(f"CREATE VIRTUAL TABLE temp.{name} USING {maker}").fetchall()
        except apsw.Error as exc:
            return _code_name(exc)
        except UnicodeError:
            return "SQLITE_ERROR"
        finally:
            self._attaching = None
        return None

    def detach(self, name: str) -> None:
        """Drop a table.

        Its module stays, so that the name fails with "vtable constructor failed" from then on.
        """
        with suppress(apsw.Error):
            self._connection.execute(f"DROP TABLE IF EXISTS temp.{name}").fetchall()

    def construct(self, name: str) -> tuple[str, VirtualTable]:
        """Return declaration and table when SQLite creates a table, or meets its name without one.

        Raises:
            LookupError: the table's columns are not known, or SQL rejects them.
        """
        definition = self._attaching or self._define(name, None)
        for view in definition.views:
            # As osqueryd: the view is in the main database, so its table is asked for its columns at the
            # first use.
            with suppress(apsw.Error):
                statement = f"CREATE VIEW {view} AS SELECT * FROM {name}"  # noqa: S608  unquoted, as osqueryd
                self._connection.execute(statement).fetchall()
        return definition.statement, VirtualTable(self, definition)

    def _define(self, name: str, routes: TextRows | None) -> Definition:
        """Return a table's definition.

        Args:
            name: the table's name.
            routes: rows that describe the table; None asks its owner for them.

        Raises:
            LookupError: there are no routes, or SQL rejects the declaration that they give.
        """
        source = self._sources.get(name)
        if routes is None:
            if source is None:
                raise LookupError(name)
            answer = self.call(name, {"action": "columns"})
            routes = () if answer.failed else to_text(answer.rows)
        if not routes:
            raise LookupError(name)
        extension = source is None or source.extension
        definition = parse_routes(name, routes, extension=extension, default_index=self._default_index)
        _check(definition.statement)
        return definition

    def call(self, name: str, request: dict[str, str]) -> Answer:
        """Send a request to the owner of a table."""
        source = self._sources.get(name)
        if source is None:
            return Answer(Status(1, f"Cannot call registry item: {name}"))
        if source.caller is None:
            return Answer(rows=to_bytes(source.routes))
        if self._is_late():
            raise apsw.InterruptError("interrupted")
        return source.caller(request, self._deadline)

    # -- statements

    def query(self, sql: str, *, deadline: float | None = None, in_order: bool = False) -> ResultSet:
        """Run statements one after the other, and return the rows of all of them.

        Args:
            sql: the statements.
            deadline: a moment of `time.monotonic()`.
            in_order: keep the keys of a row in the order of the columns, instead of sorting them as osqueryd
                does.

        Raises:
            SqlError: the first error, in osqueryd's words.
            DeadlineExceeded: `deadline` has passed.
        """
        with _Guard(self, sql, deadline) as text:
            return ResultSet(*self._run(text, in_order=in_order))

    def query_typed(self, sql: str, *, deadline: float | None = None) -> TypedResult:
        """Run statements, and return values instead of texts; see `query`."""
        with _Guard(self, sql, deadline) as text:
            return TypedResult(*self._run(text, in_order=True, typed=True))

    def query_columns(self, sql: str) -> list[tuple[str, str]]:
        """Return name and type of each column of the first statement in `sql`, without running it.

        Raises:
            SqlError: the statement is not valid.
        """
        with _Guard(self, sql, None) as text:
            prepared = self._prepare(text)
            if prepared is None or not _COMMENTS.sub("", prepared[0]).strip(" \t\n\f\r;"):
                raise SqlError("not an error")  # SQLite's text if there was no statement
            columns = prepared[1]
            if any(kind == "UNKNOWN" for _, kind in columns):
                self._explained(f"EXPLAIN QUERY PLAN {text}", "detail")
                columns = expression_types(columns, self._explained(f"EXPLAIN {text}", "opcode"))
        return columns

    def _explained(self, sql: str, key: str) -> list[dict[str, str]]:
        """Return the rows of EXPLAIN; no rows if it fails.

        As osqueryd: of several statements only the first is explained. The others run, and their rows are
        taken for rows of EXPLAIN.

        Raises:
            SqlError: a row lacks the key.
        """
        try:
            _, rows = self._run(sql)
        except (apsw.Error, UnicodeDecodeError):
            return []
        if any(key not in row for row in rows):
            raise SqlError("map::at")
        return rows

    def _run(
        self, sql: str, *, in_order: bool = False, typed: bool = False
    ) -> tuple[list[str], list[dict[str, Any]]]:
        """Run statements, and return columns and rows; see `Statements`."""
        statements = Statements(
            self._connection, self._null, self._tell_inserted, in_order=in_order, typed=typed
        )
        return statements.run(sql)

    def _prepare(self, sql: str) -> tuple[str, list[tuple[str, str]]] | None:
        """Return the first statement in `sql`, not run, and its columns; None without a statement."""
        prepared: list[tuple[str, list[tuple[str, str]]]] = []

        def stop(cursor: apsw.Cursor, statement: str, bindings: object) -> bool:
            columns = [(name, known_type(kind)) for name, kind, *_ in cursor.getdescription()]
            prepared.append((statement, columns))
            return False

        cursor = self._connection.cursor()
        cursor.exectrace = stop
        try:
            try:
                cursor.execute(sql)
            except apsw.BindingsError as error:
                cursor.execute(sql, (None,) * parameters_of(error))
        except apsw.ExecTraceAbort:
            return prepared[0]
        finally:
            cursor.close(True)
        return None

    def enter(self, deadline: float | None) -> None:
        """Begin a query."""
        self._deadline = deadline

    def leave(self) -> None:
        """End a query, and drop the plans that were made for it."""
        self._deadline = None
        self._tell_inserted()
        for table in self.affected:
            table.forget_plans()
        self.affected.clear()

    def _tell_inserted(self) -> None:
        """Set last_insert_rowid(): APSW does not tell SQLite of a row identifier that the statement gave."""
        if self.inserted is not None:
            self._connection.set_last_insert_rowid(self.inserted)
            self.inserted = None

    def _is_late(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def in_osqueryds_words(self, message: str, sql: str) -> str:
        """Return the text that osqueryd's SQLite, which is older and has fewer functions, has for an error.

        Args:
            message: the error of this SQLite.
            sql: the query.
        """
        if (function := _WRONG_COUNT.fullmatch(message)) and function[1].lower() in self.hidden_functions:
            return f"no such function: {function[1]}"
        if (column := _AMBIGUOUS_ROWID.fullmatch(message)) and not self._has_column(column[1], sql):
            return f"no such column: {column[1]}"
        return message

    def _has_column(self, name: str, sql: str) -> bool:
        """Return True if a table whose name is in `sql` declares a column with this name."""
        words = set(re.findall(r"\w+", sql.lower()))
        tables = [source for source in list(self._sources.values()) if source.name.lower() in words]
        return any(row.get("name", "").lower() == name.lower() for table in tables for row in table.routes)

    def interrupt(self) -> None:
        """Make the running query fail with "interrupted". Another thread calls this."""
        self._connection.interrupt()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close(True)


class _Guard:
    """Begins and ends a query, and gives its errors osqueryd's words."""

    __slots__ = ("_database", "_deadline", "_sql", "_started")

    def __init__(self, database: Database, sql: str, deadline: float | None) -> None:
        self._database = database
        self._sql = sql
        self._deadline = deadline
        self._started = time.monotonic()

    def __enter__(self) -> str:
        """Return the query's text up to the first NUL character, where osqueryd stops reading."""
        self._database.enter(self._deadline)
        return self._sql.partition("\0")[0]

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> None:
        self._database.leave()
        deadline = self._deadline
        is_stop = isinstance(exc, apsw.InterruptError | DeadlineExceeded)
        if is_stop and deadline is not None and time.monotonic() >= deadline:
            seconds = deadline - self._started
            raise DeadlineExceeded(f"the query took longer than {seconds:.3g} s") from exc
        if isinstance(exc, apsw.Error):
            raise SqlError(self._database.in_osqueryds_words(_message(exc), self._sql)) from exc
        if isinstance(exc, UnicodeEncodeError):
            raise SqlError("the statement is not valid UTF-8") from exc
        if isinstance(exc, UnicodeDecodeError):
            raise SqlError(
                "the statement computed text that is not UTF-8,"
                " which this engine cannot give to functions and tables"
            ) from exc


def _check(statement: str) -> None:
    """Try a declaration on a connection that is thrown away.

    Otherwise APSW would report an error in it to `sys.unraisablehook`. osqueryd does not show the error's
    text.

    Raises:
        LookupError: SQL rejects the declaration.
    """
    scratch = apsw.Connection(":memory:")
    register_collations(scratch)
    try:
        scratch.execute(statement)
    except apsw.Error as exc:
        raise LookupError(statement) from exc
    finally:
        scratch.close(True)


def _authorizer() -> Callable[..., int]:
    """Return the function that allows or denies an action of SQLite's."""
    actions = {apsw.mapping_authorizer_function[f"SQLITE_{name}"] for name in _ALLOWED_ACTIONS.split()}

    def authorize(action: int, first: str | None, *_: object) -> int:
        is_pragma = action == apsw.SQLITE_PRAGMA and first is not None and first.lower() in _ALLOWED_PRAGMAS
        return apsw.SQLITE_OK if action in actions or is_pragma else apsw.SQLITE_DENY

    return authorize


def _message(exc: apsw.Error) -> str:
    """Return the text of an error.

    APSW 3.42 puts the name of its class before SQLite's texts, not before a table's.
    """
    text = str(exc)
    return text.removeprefix(f"{type(exc).__name__}: ") if hasattr(exc, "result") else text


def _code_name(exc: apsw.Error) -> str:
    code: int = getattr(exc, "result", apsw.SQLITE_ERROR)
    return str(apsw.mapping_result_codes[code & 0xFF])
