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
from ..answer import Answer, TextRows, to_text
from ..sql.engine import Engine
from ..sql.values import parse_decimal
from .core_plugins import ConfigPlugin, DatabasePlugin, SqlPlugin
from .core_tables import CoreTable, info_row, routes_of, schedule_rows, time_rows
from .flags import Flags, flag
from .registry import Registries
from .remote import PING_TIMEOUT, answers_ping, call_extension

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from ...wire.server import CallContext
    from ..trace import Observer

VERSION = "5.23.0-engine"
"""Version of the osquery that the engine behaves like, with a word that tells it from osquery."""

_OLDEST_SDK = "1.7.7"
_LEAST_INTERVAL = 0.2


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
        self.registries = Registries(self.engine, self._call_external)
        """Every plugin, of the engine and of extensions."""
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
        self.registries.add_core("database", "ephemeral", self.database, active=True)
        self.registries.add_core("config", "update", self.config, active=True)
        self.registries.add_core("sql", "sql", SqlPlugin(self.engine), active=True)
        tables = {
            "osquery_extensions": self._extension_rows,
            "osquery_flags": self._flag_rows,
            "osquery_info": self._info_rows,
            "osquery_registry": self.registries.rows,
            "osquery_schedule": self._schedule_rows,
            "time": time_rows,
        }
        for name, generate in tables.items():
            table = CoreTable(routes_of(name), generate)
            self.registries.add_core("table", name, table)
            self.engine.attach(name, table.routes, table.answer, extension=False)

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

    def __exit__(self, *_: object) -> None:
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
        answer = self.registries.call(registry, item, request)
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
        status = self.registries.add_broadcast(uuid, registry)
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
        self.registries.remove(uuid)
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

    # -- parts

    def _new_uuid(self) -> int:
        uuid = 0
        while not uuid or uuid in self._extensions:
            uuid = random.randint(1, 0xFFFF)  # noqa: S311  a name, not a secret
        return uuid

    def _call_external(
        self, uuid: int, registry: str, item: str, request: dict[str, str], deadline: float | None
    ) -> Answer:
        path = self.extension_socket(uuid)
        return call_extension(path, registry, item, request, self._call_timeout, deadline)

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
        known = {
            "instance_id": self._instance,
            "version": VERSION,
            "config_hash": self.config.hash(),
            "config_valid": str(int(self.config.configuration.is_valid)),
            "extensions": "inactive" if self._server is None else "active",
            "start_time": str(int(self._started)),
        }
        return [info_row() | known]

    def _schedule_rows(self) -> TextRows:
        return schedule_rows(self.config.configuration.queries(), self.schedule_done)

    def _extension_rows(self) -> TextRows:
        core = ("0", "core", VERSION, "0.0.0", self.socket, "core")
        # As osqueryd, which takes the least version of osquery for that of the SDK.
        others = (
            (
                str(uuid),
                info.name,
                info.version,
                info.min_sdk_version,
                self.extension_socket(uuid),
                "extension",
            )
            for uuid, info in self.extensions().items()
        )
        names = ("uuid", "name", "version", "sdk_version", "path", "type")
        return [dict(zip(names, row, strict=True)) for row in (core, *others)]

    def _flag_rows(self) -> TextRows:
        return [
            {
                "name": name,
                "type": option.type,
                "description": flag(name).description,
                "default_value": option.default_value,
                "value": option.value,
                "shell_only": "0",
            }
            for name, option in self.options().items()
        ]


def _version_at_least(required: str, version: str) -> bool:
    """Return True if a version is not older than `required`, or is "0.0.0"."""
    if version == "0.0.0":
        return True
    versions = [filter(None, text.split(".")) for text in (version, required)]
    for part, least in zip(*versions, strict=False):
        number, least_number = parse_decimal(part), parse_decimal(least)
        if number is None or least_number is None:
            if part < least:
                return False
        elif number != least_number:
            return number > least_number
    return True
