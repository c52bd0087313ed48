"""Run osqueryd's extension manager: register extensions, answer calls and SQL, and notice who is gone."""

from __future__ import annotations

import os
import random
import time
import uuid as uuids
from threading import Condition, Event, Thread
from typing import TYPE_CHECKING

from ...errors import SqlError
from ...wire.protocol import ExtensionInfo, OptionInfo, Reply, Status
from ...wire.server import Server, ServerOptions
from ...wire.transport import listen
from ..answer import Answer, to_text
from ..sql.engine import Engine
from ..sql.values import parse_decimal
from .core_plugins import ConfigPlugin, DatabasePlugin, SqlPlugin
from .core_tables import core_tables, info_rows, schedule_rows
from .flags import Flags
from .registry import Registries
from .remote import PING_TIMEOUT, answers_ping, call_extension

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from ...wire.server import CallContext
    from ..answer import Caller, TextRows
    from ..trace import Observer
    from .registry import CorePlugin

VERSION = "5.23.0-engine"
"""Version of the osquery that the engine behaves like, with a word that tells it from osquery."""

_OLDEST_SDK = "1.7.7"
_LEAST_INTERVAL = 0.2
_REGISTRIES = (
    "config",
    "config_parser",
    "database",
    "distributed",
    "enroll",
    "event_publisher",
    "event_subscriber",
    "logger",
    "numeric_monitoring",
    "sql",
    "table",
)


class Manager:
    """The manager of an engine. It serves from `start` to `stop`, or inside a `with` statement.

    It has the methods of the Thrift service `ExtensionManager`, under their Python names.

    Args:
        socket: path to listen on. Extensions listen on this path followed by a dot and their uuid.
        options: values of osqueryd's flags, by name; `flags.py` has those that the engine uses.
        observer: called with a `TableCall` after each call into a table.

    Raises:
        ValueError: an option has a value that its flag cannot have.
    """

    def __init__(
        self, socket: str, *, options: Mapping[str, str] | None = None, observer: Observer | None = None
    ) -> None:
        """Set up without listening."""
        self.socket = socket
        self.flags = Flags({"extensions_socket": socket, **(options or {})})
        self._interval = max(self.flags.seconds("extensions_interval"), _LEAST_INTERVAL)
        self._patience = self.flags.seconds("extensions_timeout")
        self._call_timeout = self.flags.seconds("thrift_timeout")
        self.engine = Engine(
            observer=observer,
            default_index=self.flags.truth("extensions_default_index"),
            null=self.flags["nullvalue"],
        )
        self._registries = Registries(_REGISTRIES, self._call_external)
        self._registries.set_hooks("table", _TableHooks(self.engine, self._registries))
        self.config = ConfigPlugin(self.flags)
        self.database = DatabasePlugin((options or {}).get("database_path", ""))
        self.schedule_done: dict[str, dict[str, int]] = {}
        """The costs of each scheduled query, by the columns of osquery_schedule."""
        self._instance = str(uuids.uuid4())
        self._started = time.time()
        self._extensions: dict[int, ExtensionInfo] = {}
        self._changed = Condition()
        self._stopping = Event()
        self._server: Server | None = None
        self._watcher: Thread | None = None
        self._add_core()

    def _add_core(self) -> None:
        registries = self._registries
        registries.add_core("database", "ephemeral", self.database, active=True)
        registries.add_core("config", "update", self.config, active=True)
        registries.add_core("sql", "sql", SqlPlugin(self.engine), active=True)
        tables = core_tables(
            info=self._info_rows,
            extensions=self._extension_rows,
            registry=registries.rows,
            flags=self._flag_rows,
            schedule=lambda: schedule_rows(self.config.configuration.queries(), self.schedule_done),
        )
        for name, table in tables.items():
            registries.add_core("table", name, table)
            self.engine.attach(name, table.routes, _core_caller(table), extension=False)

    # -- life cycle

    def start(self) -> None:
        """Listen, serve, and watch the extensions.

        Raises:
            ConnectionFailed: listening on the socket failed.
        """
        listener = listen(self.socket)
        self._server = Server(self, listener, options=ServerOptions(max_calls=64))
        self._server.start()
        self._watcher = Thread(target=self._watch, name="extension-watcher", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """Ask every extension to shut down, then stop serving."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        self.engine.interrupt()
        for uuid in list(self._extensions):
            self._shut_down(uuid)
        if self._server is not None:
            self._server.stop()
        if self._watcher is not None:
            self._watcher.join(PING_TIMEOUT)
        self.engine.close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def extension_socket(self, uuid: int) -> str:
        """Return the path that an extension listens on."""
        return f"{self.socket}.{uuid}"

    # -- the service

    def ping(self) -> Status:
        """Answer that the manager is alive."""
        return Status(0, "pong", 0)

    def call(
        self, registry: str, item: str, request: dict[str, str], context: CallContext | None = None
    ) -> Reply:
        """Call a plugin of the engine or of an extension."""
        answer = self._registries.call(registry, item, request)
        # osqueryd returns rows only with a success, and sorts their keys.
        rows = () if answer.failed else [dict(sorted(row.items())) for row in to_text(answer.rows)]
        return Reply(answer.status._replace(uuid=0), rows)

    def shutdown(self) -> None:
        """Do nothing: osqueryd's manager does not stop when a client asks for it."""

    def extensions(self) -> dict[int, ExtensionInfo]:
        """Return the registered extensions by uuid."""
        with self._changed:
            return dict(sorted(self._extensions.items()))

    def options(self) -> dict[str, OptionInfo]:
        """Return the flags."""
        return self.flags.options()

    def register_extension(
        self, info: ExtensionInfo, registry: Mapping[str, Mapping[str, TextRows]]
    ) -> Status:
        """Add an extension and its plugins.

        The status has the extension's uuid, or says why it was not added.
        """
        with self._changed:
            if any(known.name == info.name for known in self._extensions.values()):
                return Status(1, "Duplicate extension registered")
        if not _version_at_least(_OLDEST_SDK, info.sdk_version):
            return Status(1, "Incompatible extension SDK version")
        uuid = self._new_uuid()
        status = self._registries.add_broadcast(uuid, registry)
        if status.code != 0:
            return Status(1, f"Failed adding registry: {status.message}")
        with self._changed:
            self._extensions[uuid] = info
            self._changed.notify_all()
        return Status(0, "OK", uuid)

    def deregister_extension(self, uuid: int) -> Status:
        """Remove an extension and its plugins."""
        with self._changed:
            if self._extensions.pop(uuid, None) is None:
                return Status(1, "No extension UUID found")
            self._changed.notify_all()
        self._registries.remove(uuid)
        return Status()

    def query(self, sql: str) -> Reply:
        """Run SQL, and return its rows, or its error as the status."""
        try:
            return Reply(Status(), self.engine.query(sql).rows)
        except SqlError as exc:
            return Reply.failure(str(exc))

    def get_query_columns(self, sql: str) -> Reply:
        """Return name and type of each column that SQL would return, one a row."""
        try:
            return Reply(Status(), [{name: kind} for name, kind in self.engine.get_query_columns(sql)])
        except SqlError as exc:
            return Reply.failure(str(exc))

    # -- for programs that launch extensions

    def wait_for_extensions(self, count: int, *, timeout: float) -> bool:
        """Wait for `count` extensions, for any change, or for `timeout` seconds.

        Returns True if there are as many.
        """
        with self._changed:
            if len(self._extensions) < count and not self._stopping.is_set():
                self._changed.wait(timeout)
            return len(self._extensions) >= count

    @property
    def registries(self) -> Registries:
        """Every plugin, of the engine and of extensions."""
        return self._registries

    # -- parts

    def _new_uuid(self) -> int:
        with self._changed:
            while True:
                uuid = random.randint(1, 0xFFFF)  # noqa: S311  a name, not a secret
                if uuid not in self._extensions:
                    return uuid

    def _call_external(
        self, uuid: int, registry: str, item: str, request: dict[str, str], deadline: float | None
    ) -> Answer:
        path = self.extension_socket(uuid)
        return call_extension(path, registry, item, request, timeout=self._call_timeout, deadline=deadline)

    def _watch(self) -> None:
        """Ping the extensions at each interval, and remove those that do not answer.

        A new extension whose socket does not exist yet has `extensions_timeout` seconds to make it.
        """
        first_seen: dict[int, float] = {}
        while not self._stopping.wait(self._interval):
            now = time.monotonic()
            first_seen = {uuid: first_seen.get(uuid, now) for uuid in list(self._extensions)}
            for uuid, since in first_seen.items():
                if self._stopping.is_set():
                    return
                path = self.extension_socket(uuid)
                if os.path.lexists(path) or now - since >= self._patience:
                    first_seen[uuid] = float("-inf")
                    if not answers_ping(path):
                        self.deregister_extension(uuid)

    def _shut_down(self, uuid: int) -> None:
        from ...errors import WireError
        from ...wire.client import ExtensionConnection

        try:
            with ExtensionConnection(self.extension_socket(uuid), timeout=1.0) as connection:
                connection.shutdown()
        except WireError:
            return

    def _info_rows(self) -> TextRows:
        return info_rows(
            version=VERSION,
            instance=self._instance,
            config_hash=self.config.hash(),
            config_valid=self.config.configuration.is_valid,
            serving=self._server is not None,
            started=self._started,
        )

    def _extension_rows(self) -> TextRows:
        core = {"uuid": "0", "name": "core", "version": VERSION, "sdk_version": "0.0.0"}
        out = [{**core, "path": self.socket, "type": "core"}]
        for uuid, info in self.extensions().items():
            out.append(
                {
                    "uuid": str(uuid),
                    "name": info.name,
                    "version": info.version,
                    # As osqueryd, which confuses the two fields.
                    "sdk_version": info.min_sdk_version,
                    "path": self.extension_socket(uuid),
                    "type": "extension",
                }
            )
        return out

    def _flag_rows(self) -> TextRows:
        return [
            {
                "name": name,
                "type": option.type,
                "description": self.flags.description(name),
                "default_value": option.default_value,
                "value": option.value,
                "shell_only": "0",
            }
            for name, option in self.options().items()
        ]


class _TableHooks:
    """Attaches the tables of extensions to the engine."""

    def __init__(self, engine: Engine, registries: Registries) -> None:
        self._engine = engine
        self._registries = registries

    def add(self, name: str, routes: TextRows, uuid: int) -> str | None:
        def call(request: dict[str, str], deadline: float | None) -> Answer:
            return self._registries.call("table", name, request, deadline)

        try:
            self._engine.attach(name, routes, call)
        except SqlError as exc:
            return str(exc)
        return None

    def remove(self, name: str) -> None:
        self._engine.detach(name)


def _core_caller(table: CorePlugin) -> Caller:
    return lambda request, deadline: table.call(request)


def _version_at_least(required: str, version: str) -> bool:
    """Return True if a version is not older than `required`, or is "0.0.0"."""
    if version == "0.0.0":
        return True
    wanted = [part for part in required.split(".") if part]
    for part, least in zip([part for part in version.split(".") if part], wanted, strict=False):
        number, least_number = parse_decimal(part), parse_decimal(least)
        if number is None or least_number is None:
            if part < least:
                return False
        elif number != least_number:
            return number > least_number
    return True
