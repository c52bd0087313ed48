"""Ask osquery from a table or from anywhere in an extension: SQL, options, extensions, and its database."""

from __future__ import annotations

import time
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from kolide_kit.author_code import describe, one_line, pass_on_interrupt, shown, text_of

from ..errors import ColumnValueError, DefinitionError, RemoteError, WireError, WireTimeout
from ..tables.rows import Row
from ..wire.client import ManagerConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..tables.values import Value
    from ..wire.protocol import ExtensionInfo, OptionInfo, Response
    from .parameters import Parameters

R = TypeVar("R")
_TIMEOUT = 60.0
_DOMAIN = "configurations"
_ORDERS_KEPT = 100


class Client:
    """Ask one osquery over its extension socket. Safe to use from several threads.

    Each call has a connection of its own: no call waits for another, and a restarted osquery is found again.
    Every method raises WireError: ConnectionFailed if osquery cannot be reached, RemoteError if it answers
    with an error, WireTimeout if it does not answer in time.

    Args:
        socket: path of the extension manager's socket.
        timeout: seconds for each call without a timeout of its own.
        deadline: a `time.monotonic()` that no call outlasts.
    """

    def __init__(self, socket: str, *, timeout: float = _TIMEOUT, deadline: float | None = None) -> None:
        """Take the settings; nothing is sent yet."""
        self._socket = socket
        self._timeout = timeout
        self._deadline = deadline
        self._makers: dict[type, Callable[[Mapping[str, str]], Any]] = {}
        self._orders: dict[str, tuple[str, ...]] = {}

    def until(self, deadline: float) -> Client:
        """Return a client with the same settings whose calls end by a `time.monotonic()`."""
        client = Client(self._socket, timeout=self._timeout, deadline=deadline)
        client._makers = self._makers
        client._orders = self._orders
        return client

    @overload
    def query(
        self, sql: str, parameters: Parameters = (), *, timeout: float | None = None
    ) -> list[dict[str, str]]: ...

    @overload
    def query(
        self, sql: str, parameters: Parameters = (), *, rows: type[R], timeout: float | None = None
    ) -> list[R]: ...

    def query(
        self,
        sql: str,
        parameters: Parameters = (),
        *,
        rows: type[Any] | None = None,
        timeout: float | None = None,
    ) -> list[Any]:
        """Run SQL and return its rows: mappings of text, or objects of a class of yours.

        In a mapping NULL is the empty text, and the columns have the order of the statement if the SQL names
        them. osquery sends them sorted by name; for `select *` the client asks for their order too, but not a
        table's `query.client`.

        Args:
            sql: one statement.
            parameters: values for each `?`, or a mapping for each `:name`; a list stands for the list of an
                IN.
            rows: a Row, a dataclass or a NamedTuple whose fields are columns of the result. Values are
                converted to the fields' types. Columns without a field are left out; fields without a column
                need a default.
            timeout: seconds to wait for the answer.

        Raises:
            RemoteError: the statement failed; the text is osquery's.
            ColumnValueError: a value does not fit its field.
            DefinitionError: no value of osquery's becomes a field's type, or the result lacks a field's
                column.
            ValueError: the parameters do not fit the statement.
        """
        maker = None if rows is None else self._maker(rows)
        filled = _filled(sql, parameters)
        with self._connect(timeout) as manager:
            answer = _rows(manager.query(filled))
            if maker is None:
                return self._in_order(answer, sql, filled, manager)
        return [maker(row) for row in answer]

    def columns(
        self, sql: str, parameters: Parameters = (), *, timeout: float | None = None
    ) -> list[tuple[str, str]]:
        """Return name and osquery type of the columns that SQL would return, in order, without running it."""
        with self._connect(timeout) as manager:
            answer = _rows(manager.get_query_columns(_filled(sql, parameters)))
        return [item for row in answer for item in row.items()]

    def options(self) -> dict[str, OptionInfo]:
        """Return osquery's flags by name, each with its `value`, `default_value` and `type`."""
        with self._connect(None) as manager:
            return manager.options()

    def extensions(self) -> dict[int, ExtensionInfo]:
        """Return the extensions by uuid, each with `name`, `version`, `sdk_version` and `min_sdk_version`."""
        with self._connect(None) as manager:
            return manager.extensions()

    def call(
        self, registry: str, item: str, request: Mapping[str, str], *, timeout: float | None = None
    ) -> list[dict[str, str]]:
        """Call a plugin of osquery, or of another extension.

        Args:
            registry: table, logger, config, distributed, database, ...
            item: the plugin's name; "" for the one that is in use.
            request: the keys and texts that the plugin gets.
            timeout: seconds to wait for the answer.
        """
        with self._connect(timeout) as manager:
            return _rows(manager.call(registry, item, request))

    def database(self, name: str, *, domain: str = _DOMAIN) -> Database:
        """Return a mapping of texts that osquery keeps in its own database.

        Args:
            name: of the collection; it shows nothing else of the database.
            domain: of the database; osquery has a fixed set of them.
        """
        return Database(self, name, domain)

    def _connect(self, timeout: float | None) -> ManagerConnection:
        seconds = self._timeout if timeout is None else timeout
        if self._deadline is not None:
            seconds = min(seconds, self._deadline - time.monotonic())
        if seconds <= 0:
            raise WireTimeout("no time left to ask osquery")
        return ManagerConnection(self._socket, timeout=seconds)

    def _in_order(
        self, rows: list[dict[str, str]], sql: str, filled: str, manager: ManagerConnection
    ) -> list[dict[str, str]]:
        """Return rows with their columns in the order of the statement, or unchanged if that is not known."""
        if not rows or len(rows[0]) < 2:
            return rows
        from ..sql.tokens import result_names

        names = rows[0].keys()
        order = next(
            (o for o in (self._orders.get(sql, ()), _once(result_names(sql))) if names == set(o)), ()
        )
        # Within a statement osquery would make a second database for this, and ask each table for its
        # columns.
        if not order and self._deadline is None:
            order = _order(filled, manager)
        if names != set(order):
            return rows
        if len(self._orders) >= _ORDERS_KEPT:
            self._orders.clear()
        self._orders[sql] = order
        return [{name: row[name] for name in order} if row.keys() == names else row for row in rows]

    def _maker(self, kind: type) -> Callable[[Mapping[str, str]], Any]:
        # Two threads may both make it; that does no harm.
        if kind not in self._makers:
            self._makers[kind] = _maker(kind)
        return self._makers[kind]


class Database(MutableMapping[str, str]):
    """Texts by key in osquery's database; `Client.database` makes one.

    They outlive osquery and the extension, unless osquery runs with `--ephemeral` or `--disable_database`.
    Each access is a call; every method raises as `Client` does.
    """

    def __init__(self, client: Client, name: str, domain: str) -> None:
        """Take the client and the name."""
        if not name:
            raise DefinitionError("a database needs a name: the keys of osquery itself are beside its own")
        self._client = client
        self._domain = domain
        self._prefix = f"{name}."

    def __getitem__(self, key: str) -> str:
        """Return the text of a key; raises KeyError if there is none."""
        try:
            (row,) = self._ask("get", key=self._prefix + key)
        except RemoteError as error:
            if _is_missing(str(error)):
                raise KeyError(key) from None
            raise
        return row.get("v", "")

    def __setitem__(self, key: str, value: str) -> None:
        """Keep a text."""
        self._ask("put", key=self._prefix + key, value=value)

    def __delitem__(self, key: str) -> None:
        """Remove a key; raises KeyError if there is none."""
        self[key]
        self._ask("remove", key=self._prefix + key)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the present keys, in order."""
        entries = self._ask("scan", prefix=self._prefix, max="0")
        return iter([row["k"].removeprefix(self._prefix) for row in entries])

    def __len__(self) -> int:
        """Return the number of keys."""
        return sum(1 for _ in self)

    def _ask(self, action: str, **request: str) -> list[dict[str, str]]:
        # Give no name of a database plugin: osqueryd ends if that plugin is not the one in use.
        return self._client.call("database", "", {"action": action, "domain": self._domain, **request})


def _filled(sql: str, parameters: Parameters) -> str:
    if not parameters:
        return sql
    from .parameters import with_parameters

    return with_parameters(sql, parameters)


def _rows(answer: Response) -> list[dict[str, str]]:
    if answer.status.code:
        raise RemoteError(answer.status.message or "osquery says nothing more", code=answer.status.code)
    return [dict(row) for row in answer.rows]


def _is_missing(message: str) -> bool:
    """Return whether a failed `get` found nothing, by RocksDB's words or those of the database in memory."""
    return message.startswith("NotFound") or message.endswith(" does not exist")


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _order(sql: str, manager: ManagerConnection) -> tuple[str, ...]:
    """Return the columns of the first statement in their order; none if osquery does not tell."""
    try:
        return _once(name for row in _rows(manager.get_query_columns(sql)) for name in row)
    except WireError:
        return ()


def _maker(kind: type) -> Callable[[Mapping[str, str]], Any]:
    """Return a function that makes an object of a class from a row of text."""
    from ..tables.values import readers_of

    readers = readers_of(kind)
    if issubclass(kind, Row):
        readers = {name: readers[name] for name in kind.__columns__}
    if not readers:
        raise DefinitionError(
            f"{kind.__name__}: no fields with a type; give a Row, a dataclass or a NamedTuple"
        )

    def make(row: Mapping[str, str]) -> Any:
        values = {}
        for name, read in readers.items():
            if name in row:
                value: Value = row[name]
                try:
                    values[name] = read(value)
                except BaseException as error:
                    pass_on_interrupt(error)
                    reason = describe(error, ValueError)
                    raise ColumnValueError(f"{kind.__name__}.{name} = {shown(value)}: {reason}") from error
        try:
            return kind(**values)
        except TypeError as error:
            columns = one_line(", ".join(row))
            raise DefinitionError(f"{kind.__name__} of the columns {columns}: {text_of(error)}") from error

    return make
