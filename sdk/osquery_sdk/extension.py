"""An extension: its plugins, checked, and the ways to run them.

What becomes of it at osqueryd is in `session.py`.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from .authors import Log, describe, end_if_forked, pass_on_interrupt, shown
from .errors import ConnectionFailed, DefinitionError, OsquerySdkError
from .plugin import Plugin
from .session import Session
from .signals import on_stop_signals, stop_handler
from .tables import Table, this_platform
from .wire.protocol import Reply, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .client import Client
    from .telemetry import Telemetry
    from .wire.service import CallContext, Service

    AnyPlugin = Table | Plugin

_MAX_COLUMNS = 2000
_MAX_TEXT = 256
_EXIT_PATIENCE = 2.0
_STOP_WITHIN = 8.0
_START_TIMEOUT = 10.0


class _Plugins:
    """What the server serves."""

    def __init__(
        self,
        plugins: Sequence[AnyPlugin],
        log: Log,
        shutdown: Callable[[], None],
        client: Client,
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
        except BaseException as error:  # noqa: BLE001  a class of an author's may have a `call` of its own
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
        name: osquery's name for it; one extension of a name may be registered at a time.
        version: of the extension.
        plugins: tables, and config, logger and distributed plugins; tables for other platforms are left out.
        log: gets each line of the log; standard error unless given.
        telemetry: makes spans and metrics of the calls.
        left_out: makes the tables that there would be with other settings, each with why it is not there and how to get it. It
            is called for `tables --all`, and for a statement that uses a table that is not there.

    Raises:
        DefinitionError: osqueryd would refuse it, or it could not serve with an argument; the text says what to
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
    ) -> None:
        """Check the plugins; nothing starts yet."""
        _check_text("name", name)
        _check_text("version", version, name)
        for option, given in (("log", log), ("left_out", left_out)):
            if given is not None and not callable(given):
                raise DefinitionError(f"extension {name}: {option} is called, and {shown(given)} cannot be")
        if telemetry is not None and not callable(getattr(telemetry, "around", None)):
            raise DefinitionError(
                f"extension {name}: telemetry is an object of Telemetry, not {shown(telemetry)}"
            )
        self.name = name
        self.version = version
        self.all_plugins = _listed(name, plugins)
        _check(name, self.all_plugins)
        self.all_tables = tuple(p for p in self.all_plugins if isinstance(p, Table))
        self.tables = {t.name: t for t in self.all_tables if this_platform() in t.options.platforms}
        others = [p for p in self.all_plugins if isinstance(p, Plugin)]
        self.plugins: tuple[AnyPlugin, ...] = (*self.tables.values(), *others)
        self.left_out = left_out
        self.log = Log(log)
        self._telemetry = telemetry
        self._client: Client | None = None
        self._stop = threading.Event()
        self._reason = "told to stop"
        self._is_program = False
        self._says_end = True

    @property
    def client(self) -> Client:
        """Asks the osquery that this is served to.

        Raises:
            ConnectionFailed: it is not served yet.
        """
        if self._client is None:
            raise ConnectionFailed(f"{self.name}: there is no osquery to ask before the extension is served")
        return self._client

    def stop(self) -> None:
        """Begin to stop; `serve` returns soon after."""
        self._stop.set()

    def serve(self, socket: str, *, timeout: float = 3.0, interval: float = 3.0) -> None:
        """Register at the manager's socket and serve until told to stop, or until the manager is gone.

        The log says why it returned, in one line; see `catch_signals` for when it does not.

        Args:
            socket: path of the extension manager's socket.
            timeout: seconds to wait for the manager.
            interval: seconds between two looks at the registration; one at the most.

        Raises:
            ManagerUnavailable: no manager answered in time.
            RegistrationError: it refused; the text says why.
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
                # Those of calls that were given up.
                stop_handler().kill_processes()
                _end_anyway(sys.exc_info()[0] is not None)

    def start(self, socket: str) -> Callable[[], None]:
        """Register, and serve from a thread of this process; returns what stops it. For an embedded engine.

        Raises:
            RegistrationError: as `serve`.
        """
        pid = os.getpid()
        stop = threading.Event()
        session = self._session(socket, stop, stop.set)
        session.register(_START_TIMEOUT)
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
        except BaseException as error:  # noqa: BLE001  a thread has nobody to raise to
            self.log(f"{self.name}: {describe(error, OsquerySdkError)}")
        finally:
            session.leave(gone=gone)

    def _session(self, socket: str, stop: threading.Event, shutdown: Callable[[], None]) -> Session:
        from .client import Client

        self._client = Client(socket)
        service: Service = _Plugins(self.plugins, self.log, shutdown, self._client)
        if self._telemetry is not None:
            service = self._telemetry.around(service, self.log)
        others = [plugin for plugin in self.plugins if isinstance(plugin, Plugin)]
        return Session(
            self.name,
            self.version,
            self.tables,
            service,
            others=others,
            socket=socket,
            stop=stop,
            log=self.log,
        )

    def catch_signals(self, *, verbose: bool = False) -> None:
        """Stop on a signal, and end the process when `serve` has returned. From the main thread of a program.

        SIGTERM, SIGINT, SIGHUP and SIGQUIT stop it; what was ignored when the program was started, as SIGHUP under nohup, is
        still ignored, but for SIGTERM.

        Args:
            verbose: log the end also where osquery started the process and has ended it: osqueryi does so whenever it ends.
        """

        def stop(name: str) -> None:
            self._reason = f"stopped by {name}"
            self.stop()
            # All that follows has bounds of its own, but for a manager that takes calls and answers none.
            time.sleep(_STOP_WITHIN)
            self.log(f"{self.name}: still there {_STOP_WITHIN:g} s after {name}; ending as it is")
            stop_handler().kill_processes()
            os._exit(1)

        on_stop_signals(stop)
        self.log.is_verbose = verbose
        self._is_program = True
        self._says_end = verbose or "OSQUERY_EXTENSION" not in os.environ


def _check_text(what: str, text: object, name: str = "") -> None:
    """Raise DefinitionError unless osqueryd could be told it, and people could read it in its log."""
    of = f"extension {name}" if name else "an extension"
    if not isinstance(text, str) or not text.strip() or not text.isprintable():
        raise DefinitionError(f"{of} needs a {what} that can be printed, not {shown(text)}")
    if len(text) > _MAX_TEXT:
        raise DefinitionError(f"{of} needs a {what} of {_MAX_TEXT} characters at the most, not {len(text):,}")


def _listed(name: str, plugins: Iterable[AnyPlugin]) -> tuple[AnyPlugin, ...]:
    if not isinstance(plugins, Iterable) or isinstance(plugins, (str, bytes, Mapping)):
        raise DefinitionError(
            f"extension {name}: plugins is a list of tables and plugins, not {shown(plugins)}"
        )
    return tuple(plugins)


def _check(name: str, plugins: Sequence[AnyPlugin]) -> None:
    """Raise DefinitionError for what osqueryd would refuse.

    A refusal must not happen: the names of tables that were attached before the one in error cannot be had again until
    osqueryd is restarted.
    """
    seen: set[tuple[str, str]] = set()
    for plugin in plugins:
        if isinstance(plugin, Plugin):
            _check_other(name, plugin, seen)
        elif isinstance(plugin, Table):
            _check_table(name, plugin, seen)
        else:
            raise DefinitionError(
                f"extension {name}: {shown(plugin)} is no table; decorate the function with @table"
                + (", or give an object of the class if it is a plugin" if isinstance(plugin, type) else "")
            )


def _check_table(name: str, table: Table, seen: set[tuple[str, str]]) -> None:
    if table.name.lower().startswith("sqlite_"):
        raise DefinitionError(f"table {table.name}: SQLite keeps names with sqlite_ for itself")
    columns = sum(1 + len(column.definition.aliases) for column in table.columns)
    if columns > _MAX_COLUMNS:
        raise DefinitionError(
            f"table {table.name}: {columns} columns and aliases, where SQLite takes {_MAX_COLUMNS}"
        )
    for spelled in (table.name, *table.options.aliases):
        # SQL does not tell names apart by case.
        places = {(f"table on {platform}", spelled.lower()) for platform in table.options.platforms}
        if places & seen:
            raise DefinitionError(f"extension {name}: two tables are named {spelled}")
        seen |= places


def _check_other(name: str, plugin: Plugin, seen: set[tuple[str, str]]) -> None:
    if plugin.registry not in ("config", "logger", "distributed"):
        raise DefinitionError(
            f"extension {name}: {shown(plugin)} is of no kind that osqueryd has; derive from ConfigPlugin, LoggerPlugin or "
            "DistributedPlugin"
        )
    if not hasattr(plugin, "name"):
        raise DefinitionError(
            f"extension {name}: a {type(plugin).__name__} has no name; its __init__ has to call super().__init__(name)"
        )
    place = plugin.registry, plugin.name
    if place in seen:
        raise DefinitionError(f"extension {name}: two {plugin.registry} plugins are named {plugin.name}")
    seen.add(place)


def _end_anyway(failed: bool) -> None:
    """End the process soon, even if a thread of some table does not: Python would wait for it."""

    def end() -> None:
        time.sleep(_EXIT_PATIENCE)
        os._exit(int(failed))

    threading.Thread(target=end, daemon=True).start()


__all__ = ["ServingExtension"]
