"""An extension: checks its plugins, and runs it as a program, at a manager's socket or in this process.

`session.py` keeps it registered at osqueryd.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kolide_kit.author_code import Log, describe, end_if_forked, pass_on_interrupt, shown
from kolide_kit.signals import on_stop_signals, stop_handler

from ..errors import ConnectionFailed, DefinitionError, OsquerySdkError
from ..plugins.base import Plugin
from ..tables.table import Table
from ..wire.protocol import Reply, Status
from .session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kolide_kit.settings import Configuration

    from ..asking.client import Client
    from ..wire.service import CallContext, Service
    from .telemetry import Telemetry

    AnyPlugin = Table | Plugin

_MAX_TEXT = 256
_EXIT_PATIENCE = 2.0
_STOP_WITHIN = 8.0


class _Plugins:
    """The service that the server calls: it passes each call to the plugin."""

    def __init__(
        self, plugins: Sequence[AnyPlugin], log: Log, shutdown: Callable[[], None], client: Client
    ) -> None:
        self._plugins = {(plugin.registry, plugin.name): plugin for plugin in plugins}
        self._log = log
        self._shutdown = shutdown
        self._client = client

    def ping(self) -> Status:
        return Status()

    def call(self, registry: str, item: str, request: dict[str, str], context: CallContext) -> Reply:
        plugin = self._plugins.get((registry, item))
        if plugin is None:
            return Reply.failure(f"no {registry} plugin {item!r} in this extension")
        pid = os.getpid()
        try:
            return plugin.call(request, context, self._log, self._client)
        except BaseException as error:  # noqa: BLE001  an author's class may override `call`
            end_if_forked(pid, error)
            pass_on_interrupt(error)
            message = f"{item}: {describe(error)}"
            self._log.fault(message, error, is_answer=True)
            return Reply.failure(message)

    def shutdown(self) -> None:
        self._shutdown()


class ServingExtension:
    """An extension with its plugins, without a command line.

    Args:
        name: the name under which osquery registers it; a name can be registered only once at a time.
        version: the extension's version.
        plugins: tables, and config, logger and distributed plugins; tables for other platforms are left out.
        log: gets each line of the log; standard error unless given.
        telemetry: makes spans and metrics of the calls.
        left_out: yields (table, reason) for each table that the current settings turn off. It is called for
            `tables --all`, and for a statement that names a table that is not served.
        settings: the program's settings, see `extension_settings`; `run` leaves their flags out of the
            command line and prints them for `--show-settings`.

    Raises:
        DefinitionError: osqueryd would refuse the extension, or an argument is wrong; the text says what to
            change.
    """

    def __init__(
        self,
        name: str,
        *,
        version: str,
        plugins: Sequence[AnyPlugin],
        log: Callable[[str], None] | None = None,
        telemetry: Telemetry | None = None,
        left_out: Callable[[], Iterable[tuple[Table, str]]] = tuple,
        settings: Configuration[Any] | None = None,
    ) -> None:
        """Check the plugins; nothing starts yet."""
        _check_text("name", name)
        _check_text("version", version, name)
        for option, given in (("log", log), ("left_out", left_out)):
            if given is not None and not callable(given):
                raise DefinitionError(f"extension {name}: {option} is a function to call, not {shown(given)}")
        if telemetry is not None and not callable(getattr(telemetry, "around", None)):
            raise DefinitionError(
                f"extension {name}: telemetry is a Telemetry object, not {shown(telemetry)}"
            )
        self.name = name
        self.version = version
        self.all_plugins = _checked(name, plugins)
        self.all_tables = tuple(p for p in self.all_plugins if isinstance(p, Table))
        self.tables = {t.name: t for t in self.all_tables if t.is_here}
        others = [p for p in self.all_plugins if isinstance(p, Plugin)]
        self.plugins: tuple[AnyPlugin, ...] = (*self.tables.values(), *others)
        self.left_out = left_out
        self.settings = settings
        self.log = Log(log)
        self._telemetry = telemetry
        self._client: Client | None = None
        self._stop = threading.Event()
        self._reason = "told to stop"
        self._is_program = False
        self._says_end = True

    @property
    def client(self) -> Client:
        """A client of the osquery to which the extension is served.

        Raises:
            ConnectionFailed: the extension is not served yet.
        """
        if self._client is None:
            raise ConnectionFailed(f"{self.name}: there is no osquery to ask before the extension is served")
        return self._client

    def stop(self) -> None:
        """Begin to stop; `serve` returns soon after."""
        self._stop.set()

    def serve(self, socket: str, *, timeout: float = 3.0, interval: float = 3.0) -> None:
        """Register at the manager's socket and serve until `stop`, or until the manager is gone.

        One line of the log says why it returned; see `catch_signals` for the exception.

        Args:
            socket: path of the extension manager's socket.
            timeout: seconds to wait for the manager.
            interval: seconds between two checks of the registration; values over 1 count as 1.

        Raises:
            ManagerUnavailable: no manager answered in time.
            RegistrationError: the manager refused the extension; the text says why.
        """

        def shutdown() -> None:
            self._reason = "osqueryd asked it to shut down"
            self.stop()

        session = self._session(socket, self._stop, shutdown)
        gone = False
        try:
            gone = not (session.register(timeout) and session.stay(interval)) and not self._stop.is_set()
            if gone or self._says_end:
                reason = f"osqueryd has gone from {socket}" if gone else self._reason
                self.log(f"{self.name}: {reason}; leaving")
        finally:
            session.leave(gone=gone)
            if self._is_program:
                # Calls that were given up may have left processes.
                stop_handler().kill_processes()
                # A thread of a table may still run, and Python would wait for it.
                timer = threading.Timer(_EXIT_PATIENCE, os._exit, [int(sys.exc_info()[0] is not None)])
                timer.daemon = True
                timer.start()

    def start(self, socket: str, *, timeout: float = 10.0) -> Callable[[], None]:
        """Register, serve from a thread of this process, and return a function that stops it.

        An embedded engine starts extensions so.

        Args:
            socket: the extension manager's socket.
            timeout: seconds to wait for the manager, and for another extension of this name to go.

        Raises:
            RegistrationError: as for `serve`.
        """
        pid = os.getpid()
        stop = threading.Event()
        session = self._session(socket, stop, stop.set)
        session.register(timeout)
        thread = threading.Thread(target=self._stay, args=(session,), name=self.name, daemon=True)
        thread.start()

        def end() -> None:
            end_if_forked(pid, sys.exception())
            stop.set()
            thread.join(5)

        return end

    def _stay(self, session: Session) -> None:
        gone = False
        try:
            gone = not session.stay(1.0)
        except BaseException as error:  # noqa: BLE001  a thread has no caller to raise to
            self.log(f"{self.name}: {describe(error, OsquerySdkError)}")
        finally:
            session.leave(gone=gone)

    def _session(self, socket: str, stop: threading.Event, shutdown: Callable[[], None]) -> Session:
        from ..asking.client import Client

        self._client = Client(socket)
        service: Service = _Plugins(self.plugins, self.log, shutdown, self._client)
        if self._telemetry is not None:
            service = self._telemetry.around(service, self.log)
        others = [plugin for plugin in self.plugins if isinstance(plugin, Plugin)]
        return Session(
            self.name, self.version, self.tables, others, service, socket=socket, stop=stop, log=self.log
        )

    def catch_signals(self, *, verbose: bool = False) -> None:
        """Stop on a signal, and end the process when `serve` has returned.

        Call it from the main thread of a program.

        SIGTERM, SIGINT, SIGHUP and SIGQUIT stop it. A signal that was ignored when the program started, as
        SIGHUP is under nohup, stays ignored, except SIGTERM.

        Args:
            verbose: log tracebacks, and log the end also where osquery started the process and has ended it,
                as osqueryi does whenever it ends.
        """

        def stop(name: str) -> None:
            self._reason = f"stopped by {name}"
            self.stop()
            # Every step of the end has its own time limit, unless a manager takes calls and answers none.
            time.sleep(_STOP_WITHIN)
            self.log(f"{self.name}: still there {_STOP_WITHIN:g} s after {name}; ending as it is")
            stop_handler().kill_processes()
            os._exit(1)

        on_stop_signals(stop)
        self.log.is_verbose = verbose
        self._is_program = True
        self._says_end = verbose or "OSQUERY_EXTENSION" not in os.environ


def _check_text(kind: str, text: object, name: str = "") -> None:
    """Raise DefinitionError for a text that osqueryd cannot take, or people cannot read in its log."""
    owner = f"extension {name}" if name else "an extension"
    if not isinstance(text, str) or not text.strip() or not text.isprintable():
        raise DefinitionError(f"{owner} needs a {kind} that can be printed, not {shown(text)}")
    if len(text) > _MAX_TEXT:
        raise DefinitionError(
            f"{owner} needs a {kind} of {_MAX_TEXT} characters at the most, not {len(text):,}"
        )


def _checked(name: str, plugins: Iterable[AnyPlugin]) -> tuple[AnyPlugin, ...]:
    """Return the plugins; raise DefinitionError for one that osqueryd would refuse.

    A refusal is expensive: osqueryd has attached the tables before the faulty one, and keeps their names
    until it is restarted.
    """
    if not isinstance(plugins, Iterable) or isinstance(plugins, (str, bytes, Mapping)):
        raise DefinitionError(
            f"extension {name}: plugins is a list of tables and plugins, not {shown(plugins)}"
        )
    checked = tuple(plugins)
    seen: set[tuple[str, str]] = set()
    for plugin in checked:
        if isinstance(plugin, Plugin):
            _check_other(name, plugin, seen)
        elif isinstance(plugin, Table):
            _check_table(name, plugin, seen)
        else:
            raise DefinitionError(
                f"extension {name}: {shown(plugin)} is no table; decorate the function with @table"
                + (", or give an object of the class if it is a plugin" if isinstance(plugin, type) else "")
            )
    return checked


def _check_table(name: str, table: Table, seen: set[tuple[str, str]]) -> None:
    if table.name.lower().startswith("sqlite_"):
        raise DefinitionError(f"table {table.name}: SQLite keeps names with sqlite_ for itself")
    for spelled in (table.name, *table.aliases):
        # SQL ignores the case of names.
        places = {(f"table on {platform}", spelled.lower()) for platform in table.platforms}
        if places & seen:
            raise DefinitionError(f"extension {name}: two tables are named {spelled}")
        seen |= places


def _check_other(name: str, plugin: Plugin, seen: set[tuple[str, str]]) -> None:
    if plugin.registry not in ("config", "logger", "distributed"):
        raise DefinitionError(
            f"extension {name}: osqueryd has no kind of plugin for {shown(plugin)}; "
            "derive from ConfigPlugin, LoggerPlugin or DistributedPlugin"
        )
    if not hasattr(plugin, "name"):
        raise DefinitionError(
            f"extension {name}: a {type(plugin).__name__} has no name; "
            "its __init__ has to call super().__init__(name)"
        )
    place = plugin.registry, plugin.name
    if place in seen:
        raise DefinitionError(f"extension {name}: two {plugin.registry} plugins are named {plugin.name}")
    seen.add(place)
