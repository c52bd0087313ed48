"""The life of an extension: register, serve, heal, stop.

The extension leaves when osqueryd is gone, registers again in place when osqueryd forgot it (after its worker was
restarted, or because a ping was lost), and leaves no socket file behind.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from .errors import (
    ConnectionFailed,
    DeadlineExceeded,
    DefinitionError,
    ManagerUnavailable,
    OsquerySdkError,
    ProtocolError,
    RegistrationError,
    RemoteError,
    WireError,
)
from .tables import Table, this_platform
from .wire.client import ExtensionConnection, ManagerConnection
from .wire.protocol import EncodedRows, ExtensionInfo, Response, Status
from .wire.server import Server
from .wire.transport import listen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .wire.protocol import Request
    from .wire.service import CallContext

_SDK_VERSION = "5.0.0"
_GONE_AFTER = 4.0
_CALL_TIMEOUT = 10.0


class _Plugins:
    """What the server serves."""

    def __init__(
        self, plugins: Mapping[str, Table], log: Callable[[str], None], stop: threading.Event
    ) -> None:
        self._plugins = plugins
        self._log = log
        self._stop = stop

    def ping(self) -> Status:
        return Status()

    def call(self, registry: str, item: str, request: dict[str, str], context: CallContext) -> Response:
        plugin = self._plugins.get(item) if registry == "table" else None
        if plugin is None:
            return Response(Status(1, f"no {registry} plugin {item!r} in this extension"))
        return plugin.call(request, context, self._log, None)

    def shutdown(self) -> None:
        self._stop.set()


def _is_quick(request: Request) -> bool:
    """Whether a call only asks for a table's columns: osqueryd does so within other statements, which must not wait."""
    return request.name == "call" and bool(request.arguments[2].get("action") == "columns")


class Extension:
    """An extension with its plugins.

    Args:
        name: osquery's name for it; one extension of a name may be registered at a time.
        version: of the extension.
        plugins: tables; those for other platforms are left out.
        log: gets each line of the log; standard error unless given.

    Raises:
        DefinitionError: two plugins share a name.
    """

    def __init__(
        self, name: str, *, version: str, plugins: Sequence[Table], log: Callable[[str], None] | None = None
    ) -> None:
        """Check the plugins; nothing starts yet."""
        self.name = name
        self.version = version
        self.all_plugins = tuple(plugins)
        self.plugins: dict[str, Table] = {}
        for plugin in plugins:
            if not isinstance(plugin, Table):
                raise DefinitionError(
                    f"extension {name}: {plugin!r} is no table; decorate the function with @table"
                )
            if plugin.name in self.plugins:
                raise DefinitionError(f"extension {name}: two tables are named {plugin.name}")
            if this_platform() in plugin.options.platforms:
                self.plugins[plugin.name] = plugin
        self.log = log or _to_stderr
        self._stop = threading.Event()

    def run(self, arguments: Sequence[str] | None = None) -> int:
        """Run the program's command line (`sys.argv` unless given); returns the exit code."""
        from .cli.program import run

        return run(self, sys.argv[1:] if arguments is None else list(arguments))

    def stop(self) -> None:
        """Begin to stop; `serve` returns soon after."""
        self._stop.set()

    def serve(self, socket: str, *, timeout: float = 3.0, interval: float = 3.0) -> None:
        """Register at the manager's socket and serve until told to stop, or until the manager is gone.

        Args:
            socket: path of the extension manager's socket.
            timeout: seconds to wait for the manager.
            interval: seconds between two looks at the registration.

        Raises:
            ManagerUnavailable: no manager answered in time.
            RegistrationError: it refused; the text says why.
        """
        server = self._register(socket, timeout)
        try:
            last_seen = time.monotonic()
            while not self._stop.wait(min(interval, 1.0)):
                try:
                    if self._known(socket, server):
                        last_seen = time.monotonic()
                        continue
                except WireError:
                    if time.monotonic() - last_seen > _GONE_AFTER:
                        self.log(f"{self.name}: osqueryd has gone from {socket}; leaving")
                        return
                    continue
                except DeadlineExceeded:
                    continue
                self.log(f"{self.name}: no longer registered; registering again")
                server.stop()
                server = self._register(socket, max(timeout, _GONE_AFTER))
                last_seen = time.monotonic()
        finally:
            server.stop()
            self._deregister(socket, server)

    def start(self, socket: str) -> Callable[[], None]:
        """Serve from a thread of this process; returns what stops it. For an embedded engine."""
        thread = threading.Thread(target=self._serve_quietly, args=(socket,), name=self.name, daemon=True)
        thread.start()

        def stop() -> None:
            self.stop()
            thread.join(5)

        return stop

    def _serve_quietly(self, socket: str) -> None:
        try:
            self.serve(socket)
        except OsquerySdkError as error:
            self.log(f"{self.name}: {error}")

    def _register(self, socket: str, timeout: float) -> Server:
        """Register, and listen at once: the tables are visible from the reply on."""
        end = time.monotonic() + timeout
        info = ExtensionInfo(self.name, self.version, _SDK_VERSION, _SDK_VERSION)
        while True:
            try:
                with ManagerConnection(socket, timeout=_CALL_TIMEOUT) as manager:
                    tables = self._not_taken(manager)
                    registry = {"table": {name: plugin.routes() for name, plugin in tables.items()}}
                    status = manager.register_extension(info, registry)
                    if status.code == 0 and status.uuid:
                        service = _Plugins(self.plugins, self.log, self._stop)
                        server = Server(
                            service,
                            listen(f"{socket}.{status.uuid}"),
                            is_quick=_is_quick,
                            on_error=self._on_error,
                        )
                        server.start()
                        return server
                    if "Duplicate extension" in status.message:
                        self._clear_stale(manager, socket)
                problem: Exception = RegistrationError(
                    f"osqueryd refused {self.name}: {status.message}{_advice(status.message)}"
                )
                if "Duplicate extension" not in status.message:
                    raise problem
            except (ConnectionFailed, DeadlineExceeded, ProtocolError, RemoteError) as error:
                problem = ManagerUnavailable(
                    f"no extension manager at {socket} within {timeout:g} s ({error}); is osqueryd running with this socket?"
                )
                problem.__cause__ = error
            if time.monotonic() >= end or self._stop.wait(0.05):
                raise problem

    def _not_taken(self, manager: ManagerConnection) -> dict[str, Table]:
        """The tables whose names are free: one that is not would have osqueryd refuse them all, and spoil the others' names."""
        quoted = self.name.replace("'", "''")
        sql = "select r.name from osquery_registry r left join osquery_extensions e on e.uuid = r.owner_uuid "
        sql += f"where r.registry = 'table' and coalesce(e.name, '') <> '{quoted}'"
        answer = manager.query(sql)
        assert not isinstance(answer.rows, EncodedRows)
        taken = {row["name"] for row in answer.rows}
        free = {name: table for name, table in self.plugins.items() if name not in taken}
        for name, table in self.plugins.items():
            table.counters.is_taken = name in taken
        for name in self.plugins.keys() - free.keys():
            self.log(f"{self.name}: left out {name}: osquery or another extension has a table of that name")
        if not free and self.plugins:
            raise RegistrationError(
                f"{self.name}: osquery has tables of all of its names already; rename yours"
            )
        return free

    def _clear_stale(self, manager: ManagerConnection, socket: str) -> None:
        """Deregister an extension of this name whose process is gone."""
        for uuid, info in manager.extensions().items():
            if info.name == self.name:
                try:
                    with ExtensionConnection(f"{socket}.{uuid}", timeout=1.0) as other:
                        other.ping()
                except (WireError, DeadlineExceeded):
                    manager.deregister_extension(uuid)

    def _known(self, socket: str, server: Server) -> bool:
        """Whether osqueryd still has this registration, and the socket file is still there."""
        with ManagerConnection(socket, timeout=_CALL_TIMEOUT) as manager:
            return server.intact() and int(server.address.rpartition(".")[2]) in manager.extensions()

    def _deregister(self, socket: str, server: Server) -> None:
        try:
            with ManagerConnection(socket, timeout=1.0) as manager:
                manager.deregister_extension(int(server.address.rpartition(".")[2]))
        except (WireError, DeadlineExceeded):
            pass

    def _on_error(self, message: str, error: BaseException) -> None:
        import traceback

        self.log(f"{self.name}: {message}\n" + "".join(traceback.format_exception(error)))

    def catch_signals(self) -> None:
        """Stop on SIGTERM and SIGINT; call it from the main thread."""

        def stop(number: int, frame: Any) -> None:
            self.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)


def _advice(message: str) -> str:
    if "Duplicate extension" in message:
        return "; an extension of this name is running: stop it, or choose another name"
    if "conflicts with another item" in message:
        return "; another extension, or osquery itself, has a table of that name: rename yours"
    return ""


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


__all__ = ["Extension"]
