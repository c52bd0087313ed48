"""Tables: an author's function and its row class, as a plugin of osquery's `table` registry."""

from __future__ import annotations

import enum
import json
import os
import sys
import threading
import time
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from kolide_kit import errors
from kolide_kit.author_code import (
    SameProcess,
    describe,
    end_if_forked,
    log_fault,
    pass_on_interrupt,
    shown,
    until_fork,
)
from kolide_kit.limits import Limits

from ..errors import DeadlineExceeded, DefinitionError, QueryCancelled, TableError, WriteError
from ..vocabulary import TABLE, ColumnType
from ..wire.protocol import Reply, Status
from .columns import INTEGER_RANGES, MISSING, check_name, check_names
from .encoding import ColumnInfo, Layout
from .query import NOT_TERMS, Constraint, Query
from .rows import Row
from .writable import WritableTable

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable
    from typing import TypeAlias

    from ..asking.client import Client
    from ..wire.service import CallContext
    from .writer import Writer

    _Some: TypeAlias = Iterable[tuple[Any, ...] | Mapping[str, Any]]
    _SomeLater: TypeAlias = AsyncIterable[tuple[Any, ...] | Mapping[str, Any]]
    Rows: TypeAlias = _Some | _SomeLater | Awaitable[_Some | _SomeLater]
    Source: TypeAlias = Callable[["Query"], Rows] | WritableTable[Any]

PLATFORMS = ("linux", "darwin", "windows")
_DEFAULT_DEADLINE = 60.0
_DEFAULT_MAX_ROWS = 1_000_000
_MAX_AT_ONCE = 8
# Errors that say by themselves what is wrong; any other comes with its type, and a traceback.
_ON_PURPOSE = (TableError, errors.LimitExceeded, errors.SettingsError)
_PLAIN_RESULTS = (list, types.GeneratorType)
_MAX_KEPT = 100
_MAX_KEPT_TEXT = 4096
_SIMPLE = {
    str: ColumnType.TEXT,
    int: ColumnType.BIGINT,
    bool: ColumnType.INTEGER,
    float: ColumnType.DOUBLE,
    bytes: ColumnType.BLOB,
    datetime: ColumnType.BIGINT,
    list: ColumnType.TEXT,
    dict: ColumnType.TEXT,
}


_Request = tuple[dict[str, tuple[Constraint, ...]], frozenset[str] | None, Layout]


class Counters:
    """Numbers about a table since the program started.

    Attributes:
        calls: requests for rows and writes, with those that were refused or still run.
        errors: calls that failed or were answered too late.
        last_rows: rows of the last call that succeeded; None before the first.
        last_seconds: seconds until the last call had its rows or failed, without sending; None before the
            first.
        total_seconds: the sum of those seconds over all calls.
        last_error: the message of the last call that failed.
        is_taken: osquery or another extension has a table of this name, so this one was left out.
    """

    __slots__ = ("calls", "errors", "is_taken", "last_error", "last_rows", "last_seconds", "total_seconds")

    def __init__(self) -> None:
        """Start every count at 0."""
        self.calls = 0
        self.errors = 0
        self.last_rows: int | None = None
        self.last_seconds: float | None = None
        self.total_seconds = 0.0
        self.last_error = ""
        self.is_taken = False

    def add_time(self, seconds: float) -> None:
        """Add the seconds of one call."""
        self.last_seconds = seconds
        self.total_seconds += seconds

    def add_error(self, message: str) -> None:
        """Add a call that failed."""
        self.errors += 1
        self.last_error = message


# Annotations that need no evaluation: no texts, and nothing of `typing` with arguments.
_PLAIN = (type, types.UnionType, types.GenericAlias)


class TableOptions(NamedTuple):
    """The options of a table; `table` describes them."""

    platforms: tuple[str, ...] = PLATFORMS
    examples: tuple[str, ...] = ()
    cache: float | None = None
    snapshot: bool = False
    deadline: float = _DEFAULT_DEADLINE
    max_rows: int = _DEFAULT_MAX_ROWS
    aliases: tuple[str, ...] = ()
    attributes: int = 0
    elsewhere: str = ""
    all_required: bool = False
    family: str = ""
    limits: Limits = Limits()


class _Generation:
    """One run of the function that identical requests share, kept for as long as it is fresh."""

    __slots__ = ("done", "ended", "error", "indexes", "rows")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.ended = 0.0
        self.rows: list[Sequence[Any]] = []
        self.error: BaseException | None = None
        self.indexes: dict[str, dict[Any, list[Sequence[Any]]]] = {}


class _Run:
    """The state of one call that has to be cleaned up.

    Attributes:
        pid: the process that began the call.
        generators: the generators that the author's function returned.
    """

    __slots__ = ("generators", "pid")

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.generators: tuple[types.GeneratorType[Any, None, None], ...] = ()


class Table:
    """A table; `table` makes it, an `Extension` registers it."""

    registry = TABLE

    def __init__(
        self,
        name: str,
        function: Callable[[Query], Any],
        row: type[Row],
        description: str,
        options: TableOptions,
        writer: Writer | None = None,
    ) -> None:
        """Refuse whatever osqueryd would refuse.

        Raises:
            DefinitionError: the text says what to change.
        """
        check_name(name, "table")
        self.name = name
        self.function = function
        self.row = row
        self.description = description
        self.options = options
        self.counters = Counters()
        self.columns = _resolve(name, row, each_value=options.all_required)
        self.required = tuple(c.name for c in self.columns if c.definition.required)
        if options.all_required and not self.required:
            raise DefinitionError(
                f"table {name}: with all_required=True declare the columns that are needed with required=True"
            )
        if options.snapshot:
            for column in self.columns:
                if column.definition.required or column.definition.costly:
                    mark = "required" if column.definition.required else "costly"
                    raise DefinitionError(
                        f"table {name}: with snapshot=True the function makes all rows with all columns, "
                        f"whatever a statement "
                        f"asks for, so {column.name} cannot be {mark}"
                    )
        self._by_name = {column.name: column for column in self.columns}
        self._aliases = {alias: c.name for c in self.columns for alias in c.definition.aliases}
        self._layouts: dict[frozenset[str] | None, Layout] = {}
        self._requests: dict[str, _Request] = {}
        seconds = options.deadline
        self._late = Reply(Status(1, f"{name}: no answer within {seconds:g} s; the table's deadline is over"))
        self._shared: dict[str, _Generation] = {}
        self._lock = threading.Lock()
        self._at_once = 0
        self._writer = writer
        if writer is not None:
            writer.bind(self)

    def __call__(self, query: Query) -> Any:
        """Run the author's function."""
        return self.function(query)

    def configured(
        self, *, name: str | None = None, limits: Limits | None = None, family: str | None = None
    ) -> Table:
        """Return a new `Table` with the same function, other settings, and counters of its own.

        Args:
            name: the new table's name; its examples use it too.
            limits: what the author's function reads as `query.limits`. `max_seconds` becomes the deadline and
                `max_rows` the most rows.
            family: the group that the new table is listed under.

        Raises:
            DefinitionError: a value is refused, as by `table`.
        """
        options = self.options
        if limits is not None:
            if not isinstance(limits, Limits):
                raise DefinitionError(f"table {self.name}: limits is a Limits, not {shown(limits)}")
            options = options._replace(limits=limits, deadline=limits.max_seconds, max_rows=limits.max_rows)
        if family is not None:
            options = options._replace(family=family)
        if name is None or name == self.name:
            name = self.name
        else:
            check_name(name, "table")
            from ..sql.tokens import renamed

            examples = tuple(renamed(example, self.name, name) for example in options.examples)
            options = options._replace(examples=examples)
        _check_options(name, options)
        if self._writer is None:
            return Table(name, self.function, self.row, self.description, options)
        from .writer import Writer

        writer = Writer(self._writer.made)
        return Table(name, writer.scan, self.row, self.description, options, writer)

    @property
    def is_here(self) -> bool:
        """Return whether the table is made for the platform that this program runs on."""
        return this_platform() in self.options.platforms

    @property
    def is_writable(self) -> bool:
        """Return whether the table takes INSERT, UPDATE or DELETE."""
        return self._writer is not None

    @property
    def writes(self) -> tuple[str, ...]:
        """Return the statements that the table takes: INSERT, UPDATE, DELETE."""
        kind = type(self._writer.made) if self._writer is not None else WritableTable
        names = ("insert", "update", "delete")
        return tuple(n.upper() for n in names if getattr(kind, n) is not getattr(WritableTable, n))

    def column(self, name: str) -> ColumnInfo:
        """Return the column of a name; raises DefinitionError if the table has none."""
        try:
            return self._by_name[name]
        except KeyError:
            raise DefinitionError(
                f"{self.name} has no column {name!r}; it has {', '.join(self._by_name)}{self._meant(name)}"
            ) from None

    def _meant(self, name: str) -> str:
        """Return the end of an error about an unknown column: the column that was meant, or ""."""
        from kolide_kit.spelling import did_you_mean

        if name in self._aliases:
            return f"; {name} is another name of {self._aliases[name]}"
        meant = did_you_mean(name, self._by_name)
        return f"; {meant}" if meant else ""

    def missing(self, query: Query) -> list[str]:
        """Return the required columns without a value in the query, if the table needs a value for each."""
        needed = self.required if self.options.all_required else ()
        return [name for name in needed if not query.narrows(name)]

    def routes(self) -> list[dict[str, str]]:
        """Return the rows that describe the table to osqueryd."""
        routes = [
            {"id": "column", "name": c.name, "type": c.type.value, "op": str(c.options)} for c in self.columns
        ]
        routes += [{"id": "alias", "alias": alias} for alias in self.options.aliases]
        routes += [
            {"id": "columnAlias", "name": alias, "target": c.name}
            for c in self.columns
            for alias in c.definition.aliases
        ]
        routes.append({"id": "attributes", "attributes": str(self.options.attributes)})
        return routes

    def rows(self, query: Query | None = None, /, **equals: Any) -> list[Any]:
        """Return the rows for a query, or for columns that equal values, unfiltered; for tests."""
        with SameProcess():
            return list(self._rows(query or Query.of(self, equals=equals), _Run()))

    def call(
        self,
        request: Mapping[str, str],
        context: CallContext,
        warn: Callable[[str], None],
        client: Client | None,
    ) -> Reply:
        """Answer osqueryd."""
        action = request.get("action")
        if action == "columns":
            return Reply(Status(), self.routes())
        if action == "examples":  # osqueryd never asks for them; the command line does, for its errors
            return Reply(Status(), [{"sql": example} for example in self.options.examples])
        if action == "describe":  # osqueryd never asks for it; the shell does
            columns = ({"name": c.name, "description": c.definition.description} for c in self.columns)
            return Reply(Status(), [{"name": "", "description": self.description}, *columns])
        if action in ("insert", "update", "delete"):
            return self._write(action, request, context, warn)
        if action != "generate":
            return Reply.failure(f"{self.name}: unknown action {action!r}")
        return self._generate(request.get("context", ""), context, warn, client)

    def _generate(
        self, text: str, context: CallContext, warn: Callable[[str], None], client: Client | None
    ) -> Reply:
        counters = self.counters
        with self._lock:
            counters.calls += 1
            if self._at_once >= _MAX_AT_ONCE:
                message = f"{self.name}: {_MAX_AT_ONCE} queries of it are running; try again later"
                counters.add_error(message)
                return Reply.failure(message)
            self._at_once += 1
        started = time.monotonic()
        message = ""
        count = 0
        run = _Run()
        try:
            constraints, used, layout = self._requests.get(text) or self._understand(text)
            deadline = context.limit(self.options.deadline, self._late)
            query = Query(self, constraints, used, deadline=deadline, call=context, warn=warn, client=client)
            answer = layout.build(iter(self._rows(query, run)), self.options.max_rows)
            end_if_forked(run.pid)  # SameProcess would take too long for a small answer
            count = answer.count
            return Reply(Status(), answer)
        except BaseException as error:  # noqa: BLE001  whatever a table raises fails its own statement alone
            end_if_forked(run.pid, error)
            pass_on_interrupt(error)
            message = self._complain(error, warn, *_ON_PURPOSE)
            self._close(run, warn)
            return Reply.failure(message)
        finally:
            took = time.monotonic() - started
            with self._lock:
                self._at_once -= 1
                counters.add_time(took)
                if message or took > self.options.deadline:  # past the deadline the late answer was sent
                    counters.add_error(message or self._late.status.message)
                else:
                    counters.last_rows = count

    def _complain(
        self, error: BaseException, warn: Callable[[str], None], *plain: type[BaseException]
    ) -> str:
        """Return the one-line message of an error; log it too, unless somebody raised it on purpose."""
        lacks = _lacks(error)
        message = lacks or describe(error, *plain)
        message = message if message.startswith(self.name) else f"{self.name}: {message}"
        if not lacks and not issubclass(type(error), plain):
            log_fault(warn, message, error, is_answer=bool(plain))
        return message

    def _close(self, run: _Run, warn: Callable[[str], None]) -> None:
        """Close the generators that a failed call left open. Closing may fail as well."""
        for generator in run.generators:
            try:
                with SameProcess():
                    generator.close()
            except BaseException as error:  # noqa: BLE001  the call has failed already
                pass_on_interrupt(error)
                self._complain(error, warn)

    def _write(
        self, action: str, request: Mapping[str, str], context: CallContext, warn: Callable[[str], None]
    ) -> Reply:
        """Answer a write. osqueryd reads only the row of the reply and ignores its status."""
        writer = self._writer
        if writer is None:
            return Reply(Status(), [{"status": "readonly"}])
        from .writer import refusal

        seconds = self.options.deadline
        late = f"{self.name}: no answer within {seconds:g} s; whether it was written is not known"
        deadline = context.limit(seconds, Reply(Status(), [{"status": "failure", "message": late}]))
        counters = self.counters
        started = time.monotonic()
        message = ""
        with self._lock:
            counters.calls += 1
            crowded = self._at_once >= _MAX_AT_ONCE
            self._at_once += not crowded
        try:
            if crowded:
                raise TableError(f"{_MAX_AT_ONCE} statements use it; try again later")
            with SameProcess():
                reply = writer.write(action, request, self, deadline)
        except BaseException as error:  # noqa: BLE001  whatever a table raises fails its own statement alone
            pass_on_interrupt(error)
            message = self._complain(error, warn, *_ON_PURPOSE, WriteError)
            reply, message = refusal(self.name, error, message)
        took = time.monotonic() - started
        with self._lock:
            self._at_once -= not crowded
            counters.add_time(took)
            if message or took > seconds:
                counters.add_error(message or late)
        return Reply(Status(), [reply])

    def _understand(self, text: str) -> _Request:
        """Return the parsed context of a request; it is kept, because statements come again and again."""
        constraints, used = _parse(text, self._aliases)
        layout = self._layouts.get(used)
        if layout is None:
            if len(self._layouts) >= _MAX_KEPT:
                self._layouts.clear()
            layout = self._layouts[used] = Layout(self.name, self.row, self.columns, used)
        request = constraints, used, layout
        if len(text) <= _MAX_KEPT_TEXT:
            if len(self._requests) >= _MAX_KEPT:
                self._requests.clear()
            self._requests[text] = request
        return request

    def _rows(self, query: Query, run: _Run) -> Iterable[Sequence[Any]]:
        """Return the rows of a query: generated, of a fresh snapshot, or shared with an identical request."""
        missing = self.missing(query)
        if missing:
            from ..sql.required import refusal

            raise TableError(refusal(self.name, missing, self.required, self.options.examples))
        if self.options.snapshot:
            return self._look_up(self._share("", query.whole(), run), query)
        if self.options.cache is not None:
            key = query.identity()
            return self._share(key, query, run).rows
        return self._run(query, run)

    def _look_up(self, generation: _Generation, query: Query) -> Iterable[Sequence[Any]]:
        """Return rows of a snapshot; use a hash index of the first column that has to equal something."""
        for position, column in enumerate(self.columns):
            # A version collation takes different texts for equal; no hash shows that.
            if not column.definition.index or (column.definition.collate or "").startswith("version"):
                continue
            wanted = query.equals(column.name)
            if wanted is None or (column.type not in INTEGER_RANGES and column.type is not ColumnType.TEXT):
                continue
            with self._lock:
                index = generation.indexes.get(column.name)
                if index is None:
                    index = {}
                    texts = column.texts([row[position] for row in generation.rows])
                    for text, row in zip(texts, generation.rows, strict=True):
                        index.setdefault(_folded(text), []).append(row)
                    generation.indexes[column.name] = index
            keys = dict.fromkeys(_folded(str(value)) for value in wanted)
            return [row for text in keys for row in index.get(text, ())]
        return generation.rows

    def _share(self, key: str, query: Query, run: _Run) -> _Generation:
        """Return a generation that is fresh or still running, or else run a new one."""
        while True:
            generation, mine = self._claim(key)
            if mine:
                try:
                    with SameProcess():
                        generation.rows = list(self._run(query, run))
                except BaseException as error:
                    generation.error = error
                    with self._lock:
                        self._shared.pop(key, None)
                    raise
                finally:
                    generation.ended = time.monotonic()
                    generation.done.set()
            elif not generation.done.wait(query.remaining()):
                raise TableError(f"{self.name}: out of time")
            if generation.error is None:
                return generation
            # The call that ran it gave up for a reason of its own: try again.
            if not issubclass(type(generation.error), (QueryCancelled, DeadlineExceeded)):
                raise TableError(describe(generation.error, *_ON_PURPOSE)) from generation.error

    def _claim(self, key: str) -> tuple[_Generation, bool]:
        """Return a generation, and whether the caller has to run it."""
        fresh = 1.0 if self.options.cache is None else self.options.cache
        with self._lock:
            now = time.monotonic()
            for old in [k for k, f in self._shared.items() if f.done.is_set() and now - f.ended > fresh]:
                del self._shared[old]
            generation = self._shared.get(key)
            if generation is not None:
                return generation, False
            generation = self._shared[key] = _Generation()
            return generation, True

    def _run(self, query: Query, run: _Run) -> Iterator[Sequence[Any]]:
        """Run the function and return its rows as tuples in column order."""
        result = self.function(query)
        if type(result) is types.GeneratorType:
            run.generators += (result,)
        if type(result) not in _PLAIN_RESULTS and (
            hasattr(result, "__aiter__") or hasattr(result, "__await__")
        ):
            from .event_loops import run_async

            result = run_async(result)
        if result is None:
            return iter(())
        rows: Iterator[Any] = iter(result)
        first = next(rows, MISSING)
        if first is MISSING:
            return iter(())
        if type(result) is list:
            rows = chain((first,), rows)
        else:
            end_if_forked(run.pid)
            rows = until_fork(rows, first)
        if isinstance(first, tuple) or not isinstance(first, Mapping):
            return rows
        return self._from_mappings(rows)

    def _from_mappings(self, rows: Iterator[Mapping[str, Any]]) -> Iterator[Sequence[Any]]:
        names = tuple(self._by_name)
        known = set(names)
        for row in rows:
            if not isinstance(row, Mapping):
                raise TableError(f"{self.name}: the first row is a mapping, a later one {type(row).__name__}")
            if not known.issuperset(row):
                unknown = sorted(key if type(key) is str else shown(key) for key in row if key not in known)
                raise TableError(
                    f"{self.name}: a row has unknown columns: {', '.join(unknown)}{self._meant(unknown[0])}"
                )
            yield tuple(row.get(name) for name in names)


def _folded(text: str) -> str:
    """Return a key that is equal for texts that any of SQLite's own collations takes for equal.

    A request does not say which collation a statement uses.
    """
    return text.casefold().rstrip(" ")


def _parse(
    text: str, aliases: Mapping[str, str]
) -> tuple[dict[str, tuple[Constraint, ...]], frozenset[str] | None]:
    """Return the terms by column, and the columns in use, from the context of a `generate` request."""
    if not text:
        return {}, None
    try:
        context = json.loads(text)
        constraints = {}
        for entry in context.get("constraints", ()):
            terms = entry.get("list") or ()
            if terms:
                kept = tuple(
                    Constraint(int(t["op"]), str(t["expr"])) for t in terms if int(t["op"]) not in NOT_TERMS
                )
                name = str(entry["name"])
                constraints[aliases.get(name, name)] = kept
        used = context.get("colsUsed")
        if used is None or not aliases.keys().isdisjoint(used):
            # osqueryd may look for a column under its name or under its alias: send every column.
            return constraints, None
        return constraints, frozenset(map(str, used))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TableError(f"the request's context cannot be read: {error}") from error


def _resolve(table: str, row: type[Row], *, each_value: bool) -> tuple[ColumnInfo, ...]:
    """Return the columns of a row class with their SQL types."""
    if not row.__columns__:
        raise DefinitionError(f"table {table}: {row.__name__} has no columns")
    hints = _hints(row)
    columns = []
    seen: set[str] = set()
    for name, definition in row.__columns__.items():
        for spelled in (name, *definition.aliases):
            if spelled.lower() in seen:
                raise DefinitionError(
                    f"table {table}: column {spelled!r} is there twice; names differ in more than case"
                )
            seen.add(spelled.lower())
            check_name(spelled, f"table {table}: column")
        kind, nullable = _column_type(hints[name], f"{table}.{name}")
        declared = definition.type
        if declared is not None and declared is not kind:
            if kind not in INTEGER_RANGES or declared not in INTEGER_RANGES:
                raise DefinitionError(f"{table}.{name}: {declared.value} does not go with {hints[name]}")
            kind = declared
        if (
            definition.collate
            and definition.collate not in ("binary", "nocase", "rtrim")
            and kind is not ColumnType.TEXT
        ):
            raise DefinitionError(f"{table}.{name}: a version collation needs a text column")
        options = definition.options(each_value=each_value)
        columns.append(ColumnInfo(table, name, kind, nullable, definition, options))
    return tuple(columns)


def _hints(row: type[Row]) -> dict[str, Any]:
    """Return the types of the columns.

    `typing.get_type_hints` takes a third of the start of an extension with many tables, so only annotations
    that are texts go through it.
    """
    annotations: dict[str, Any] = {}
    for base in reversed(row.__mro__):
        annotations.update(base.__dict__.get("__annotations__", {}))  # noqa: RUF063  inspect is not loaded for this
    columns = {name: annotations[name] for name in row.__columns__ if name in annotations}
    if len(columns) == len(row.__columns__) and all(isinstance(hint, _PLAIN) for hint in columns.values()):
        return columns
    return typing.get_type_hints(row)


def _column_type(hint: Any, where: str) -> tuple[ColumnType, bool]:
    nullable = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [part for part in typing.get_args(hint) if part is not type(None)]
        nullable = len(rest) < len(typing.get_args(hint))
        if len(rest) != 1:
            raise DefinitionError(f"{where}: one type, or one type and None, not {hint}")
        hint = rest[0]
    plain = typing.get_origin(hint) or hint
    if plain in _SIMPLE:
        return _SIMPLE[plain], nullable
    if isinstance(plain, type) and issubclass(plain, enum.Enum):
        kinds = {_SIMPLE.get(type(member.value)) for member in plain}
        if len(kinds) == 1 and (kind := kinds.pop()) is not None:
            return kind, nullable
    # Do not import pathlib here: if the annotation is a Path, it is loaded already.
    pathlib = sys.modules.get("pathlib")
    if pathlib is not None and isinstance(plain, type) and issubclass(plain, pathlib.PurePath):
        return ColumnType.TEXT, nullable
    raise DefinitionError(
        f"{where}: no osquery type for {hint}; use str, int, bool, float, bytes, datetime, Path, Enum, list "
        f"or dict"
    )


def _row_in(hint: Any) -> type[Row] | None:
    """Return the row class that an annotation is, or has inside."""
    for part in (hint, *typing.get_args(hint)):
        if isinstance(part, type) and issubclass(part, Row):
            return part
    return None


def _row_class(function: Callable[..., Any], name: str) -> type[Row]:
    written = getattr(function, "__annotations__", {}).get("return")
    row = _row_in(written) or _row_in(typing.get_type_hints(function).get("return"))
    if row is not None:
        return row
    raise DefinitionError(
        f"table {name}: annotate the function's result as Iterator[YourRow], or give rows=YourRow"
    )


def table(
    name: str,
    *,
    rows: type[Row] | None = None,
    platforms: tuple[str, ...] = PLATFORMS,
    examples: tuple[str, ...] = (),
    cache: float | None = None,
    snapshot: bool = False,
    deadline: float | None = None,
    max_rows: int = _DEFAULT_MAX_ROWS,
    aliases: tuple[str, ...] = (),
    attributes: int = 0,
    elsewhere: str = "",
    all_required: bool = False,
    family: str = "",
) -> Callable[[Source], Table]:
    """Make a `Table` of a function that gets a `Query` and returns or yields rows, also asynchronously.

    A `WritableTable` becomes a table by `table(name)(store)`, where `store` is an object of your class.

    Args:
        name: the table's name in SQL.
        rows: the row class, if the function's annotation does not name it.
        platforms: the platforms where it works: linux, darwin, windows.
        examples: statements for the documentation.
        cache: seconds for which an answer serves identical requests.
        snapshot: generate all rows once, and answer look-ups from them for `cache` seconds (1 unless given).
        deadline: seconds after which the statement fails; 60 unless given.
        max_rows: more rows are an error.
        aliases: other names of the table.
        attributes: osquery's bit set of table attributes.
        elsewhere: why it is not on the other platforms, and what is there instead; for `tables --all` and the
            schema.
        all_required: a statement must constrain all required columns; osqueryd by itself is content with one.
        family: its subject, in some words that it shares with other tables; `tables` lists those together.

    Raises:
        DefinitionError: osqueryd would refuse the table, or its options contradict each other.
    """
    seconds = _DEFAULT_DEADLINE if deadline is None else deadline
    options = TableOptions(
        platforms,
        examples,
        cache,
        snapshot,
        seconds,
        max_rows,
        aliases,
        attributes,
        elsewhere,
        all_required,
        family,
    )
    _check_options(name, options)
    if rows is not None and not (isinstance(rows, type) and issubclass(rows, Row)):
        raise DefinitionError(f"table {name}: rows is a class that derives from Row, not {shown(rows)}")
    options = options._replace(elsewhere=" ".join(elsewhere.split()), family=" ".join(family.split()))

    def decorate(source: Source) -> Table:
        if isinstance(source, type):
            # Type checkers take a decorated class for the undecorated one, so `table` refuses to decorate a
            # class.
            raise DefinitionError(f"table {name}: give an object: table({name!r})({source.__name__}(...))")
        if not isinstance(source, WritableTable) and not callable(source):
            raise DefinitionError(f"table {name}: it is made of a function, not of {shown(source)}")
        if not isinstance(source, WritableTable):
            return Table(
                name, source, rows or _row_class(source, name), _description(source.__doc__), options
            )
        from .writer import Writer

        writer = Writer(source)
        described = _description(vars(type(source)).get("__doc__"))
        return Table(name, writer.scan, writer.row, described, options, writer)

    return decorate


def _check_options(name: str, options: TableOptions) -> None:
    """Raise DefinitionError for an option that would fail only in a statement, or be misread."""
    check_name(name, "table")
    for option in ("platforms", "examples", "aliases"):
        check_names(getattr(options, option), f"table {name}: {option}")
    for platform in options.platforms:
        if platform not in PLATFORMS:
            raise DefinitionError(f"table {name}: platform {platform!r} is none of {', '.join(PLATFORMS)}")
    for alias in options.aliases:
        check_name(alias, f"table {name}: alias")
    if options.cache is not None and not (_is_number(options.cache) and options.cache >= 0):
        raise DefinitionError(f"table {name}: cache is a number of seconds, not {shown(options.cache)}")
    if not (_is_number(options.deadline) and 0 <= options.deadline <= threading.TIMEOUT_MAX):
        raise DefinitionError(f"table {name}: deadline is a number of seconds, not {shown(options.deadline)}")
    for option in ("max_rows", "attributes"):
        number = getattr(options, option)
        if not isinstance(number, int) or number < 0:
            raise DefinitionError(f"table {name}: {option} is a whole number, not {shown(number)}")
    if not isinstance(options.all_required, bool):
        raise DefinitionError(
            f"table {name}: all_required is True or False, not {shown(options.all_required)}: each column "
            f"says required=True"
        )
    for option in ("elsewhere", "family"):
        if not isinstance(getattr(options, option), str):
            raise DefinitionError(f"table {name}: {option} is a text, not {shown(getattr(options, option))}")
    if options.elsewhere and set(options.platforms) == set(PLATFORMS):
        raise DefinitionError(
            f"table {name}: it is on all platforms, so elsewhere={options.elsewhere!r} is of no use"
        )


def _lacks(error: BaseException) -> str:
    """Return how to install a module that an ImportError names; "" if it is unknown.

    In a frozen program it is "": the build looks for Python's own words there.
    """
    if not issubclass(type(error), ImportError) or getattr(sys, "frozen", False):
        return ""
    from kolide_kit.installed import missing_module

    return missing_module(error)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _description(docstring: str | None) -> str:
    return " ".join((docstring or "").strip().split("\n\n")[0].split())


def this_platform() -> str:
    """Return linux, darwin or windows."""
    return {"win32": "windows"}.get(sys.platform, sys.platform)


__all__ = ["Counters", "Table", "TableOptions", "table", "this_platform"]
