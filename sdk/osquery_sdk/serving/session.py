"""Registers an extension at a manager, keeps it registered, and deregisters it at the end.

osqueryd forgets extensions. It drops one whose ping was lost, and a worker that the watcher has restarted
knows none. So a session checks once a second that it is still registered and that its socket file is still
its own, and registers again if not. It ends when it is stopped, or when osqueryd has gone.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from kolide_kit.author_code import SameProcess, describe, end_if_forked, pass_on_interrupt, trace

from ..errors import (
    ConnectionFailed,
    ManagerUnavailable,
    OsquerySdkError,
    RegistrationError,
    WireError,
    WireTimeout,
)
from ..plugins.base import attempt
from ..wire.client import ExtensionConnection, ManagerConnection
from ..wire.protocol import ExtensionInfo
from ..wire.server import Server, ServerOptions
from ..wire.transport import listen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..plugins.base import Plugin
    from ..tables.table import Table
    from ..wire.protocol import Request, Response, Status
    from ..wire.service import Service

_SDK_VERSION = "5.0.0"
_SHORTEST_LOOK, _LONGEST_LOOK = 0.1, 1.0
_RETRY = 0.05
_AWAY_PERIOD = 0.2
_GONE_AFTER = 3.0
# A watcher restarts its worker after 3 s, or up to 60 s later (--watchdog_max_delay) if it ends too often.
_RESTARTED_WITHIN = 90.0
_LOOK_TIMEOUT = 2.0
_CALL_TIMEOUT = 10.0
_LINK_TIMEOUT = 60.0
_STOP_PATIENCE = 2.0
_STALE_AFTER = 0.25
_SERVER_OPTIONS = ServerOptions(stop_timeout=2.0)
_CONFLICT = "conflicts with another item of the same name"
_DUPLICATE = "Duplicate extension registered"


class Session:
    """An extension's stay with a manager.

    Args:
        name: the extension's name.
        version: the extension's version.
        tables: the tables by name.
        others: the plugins that are not tables; their `start` is called after each registration, their `stop`
            at the end.
        service: answers osqueryd's calls.
        socket: the path of the manager's socket.
        stop: ends the session once it is set.
        log: gets each line of the log.
    """

    def __init__(
        self,
        name: str,
        version: str,
        tables: Mapping[str, Table],
        others: Sequence[Plugin],
        service: Service,
        *,
        socket: str,
        stop: threading.Event,
        log: Callable[[str], None],
    ) -> None:
        """Set up; nothing is sent yet."""
        self._pid = os.getpid()
        self._others = others
        self._info = ExtensionInfo(name, version, _SDK_VERSION, _SDK_VERSION)
        self._tables = tables
        self._service = service
        self._socket = socket
        self._stop = stop
        self._log = log
        self._server: Server | None = None
        self._uuid = 0
        self._watcher = 0
        self._parent = os.getppid() if "OSQUERY_EXTENSION" in os.environ else 0
        self._refused: set[str] = set()
        self._left_out: set[str] = set()
        self._suspects: dict[int, float] = {}

    # -- begin

    def register(self, timeout: float) -> bool:
        """Register, and serve from then on; return False if `stop` was set first.

        Args:
            timeout: seconds to wait for the manager, and for another extension of this name to go.

        Raises:
            ManagerUnavailable: no manager answered in time.
            RegistrationError: the manager refused; the text says why and what to do.
        """
        end = time.monotonic() + timeout
        while not self._stop.is_set():
            patience = min(max(end - time.monotonic(), 1.0), _CALL_TIMEOUT)
            try:
                with ManagerConnection(self._socket, timeout=patience) as manager:
                    problem = self._try(manager)
                if problem is None:
                    return True
            except WireError as error:
                problem = ManagerUnavailable(
                    f"no extension manager at {self._socket} within {timeout:g} s ({error}); {_advice(error)}"
                )
                problem.__cause__ = error
                if _is_no_address(error):
                    raise problem from error
            if time.monotonic() >= end:
                raise problem
            self._stop.wait(_RETRY)
        return False

    def _try(self, manager: ManagerConnection) -> RegistrationError | None:
        """Register once; return the problem if it may pass with time, else None."""
        for uuid, known in manager.extensions().items():
            if known.name == self._info.name and not self._cleared(manager, uuid):
                return self._duplicate()
        tables = self._free_tables(manager) if self._tables or not self._others else {}
        others = self._free_others(manager) if self._others else []
        if self._others and not tables and not others:
            raise RegistrationError(
                f"osquery or other extensions have plugins of all names of {self._info.name} already: "
                "rename yours"
            )
        broadcast: dict[str, dict[str, Sequence[Mapping[str, str]]]] = {} if others else {"table": {}}
        served: list[Table | Plugin] = [*tables.values(), *others]
        for plugin in served:
            broadcast.setdefault(plugin.registry, {})[plugin.name] = self._routes(plugin)
        # Asked before the registration: a table that counts statements must not count this one.
        watcher = _watcher_of(manager)
        status = manager.register_extension(self._info, broadcast, timeout=_CALL_TIMEOUT)
        if status.code == 0 and status.uuid:
            self._watcher = watcher
            self._serve(manager, status.uuid)
            return None
        if status.message == _DUPLICATE:
            return self._duplicate()
        refused = _conflicting(status)
        if refused in tables:
            # Another extension was quicker; or osqueryd failed to attach a table, and hides its name.
            self._refused.add(refused)
            return self._try(manager)
        raise RegistrationError(f"osqueryd refused {self._info.name}: {status.message or 'no reason given'}")

    def _routes(self, plugin: Table | Plugin) -> Sequence[Mapping[str, str]]:
        try:
            with SameProcess():
                return plugin.routes()
        except BaseException as error:
            pass_on_interrupt(error)
            raise RegistrationError(
                f"{self._info.name}: {plugin.name} cannot list its routes: {describe(error, OsquerySdkError)}"
            ) from error

    def _duplicate(self) -> RegistrationError:
        return RegistrationError(
            f"osqueryd refused {self._info.name}: {_DUPLICATE}; an extension of this name is running: "
            "stop it, or choose another name"
        )

    def _cleared(self, manager: ManagerConnection, uuid: int) -> bool:
        """Deregister another extension of this name if its process has gone; return True if it had.

        Its socket has to be dead twice: an extension listens only a moment after it has registered.
        """
        try:
            with ExtensionConnection(f"{self._socket}.{uuid}", timeout=1.0) as other:
                other.ping()
        except ConnectionFailed as error:
            if isinstance(error.__cause__, (ConnectionRefusedError, FileNotFoundError)):
                dead_since = self._suspects.setdefault(uuid, time.monotonic())
                if time.monotonic() - dead_since >= _STALE_AFTER:
                    return manager.deregister_extension(uuid).code == 0
                return False
        except WireError:
            pass
        self._suspects.pop(uuid, None)
        return False

    def _free_tables(self, manager: ManagerConnection) -> dict[str, Table]:
        """Return the tables whose names are free.

        If one name is taken, osqueryd refuses all of the tables, and keeps the names that it attached before
        that one until it is restarted. `sqlite_temp_master` has those names too, `osquery_registry` does not.
        """
        answer = manager.query("select name from sqlite_temp_master")
        if answer.status.code:
            raise RegistrationError(f"osqueryd does not say which tables it has: {answer.status.message}")
        taken = {row.get("name", "").lower() for row in answer.rows}
        free = {
            name: table
            for name, table in self._tables.items()
            if name.lower() not in taken and name not in self._refused
        }
        for name, table in self._tables.items():
            table.counters.is_taken = name not in free
        for name in sorted(self._tables.keys() - free.keys() - self._left_out):
            self._left_out.add(name)
            why = "osquery or another extension has a table of that name"
            if name.lower() not in taken:
                why = (
                    "osqueryd holds that name since an extension with an invalid table was refused; "
                    "restart osqueryd"
                )
            self._log(f"{self._info.name}: left out {name}: {why}")
        if self._tables and not free and not self._others:
            raise RegistrationError(
                f"osquery or other extensions have tables of all names of {self._info.name} already: "
                "rename yours"
            )
        return free

    def _free_others(self, manager: ManagerConnection) -> list[Plugin]:
        """Return the plugins other than tables whose names are free."""
        answer = manager.query("select registry, name from osquery_registry where registry <> 'table'")
        # If the statement fails, osqueryd's own refusal names the plugin.
        taken = {(row.get("registry"), row.get("name")) for row in answer.rows}
        for plugin in self._others:
            place = f"{plugin.registry} plugin {plugin.name}"
            if (plugin.registry, plugin.name) in taken and place not in self._left_out:
                self._left_out.add(place)
                self._log(
                    f"{self._info.name}: left out {place}: osquery or another extension has one of that name"
                )
        return [plugin for plugin in self._others if (plugin.registry, plugin.name) not in taken]

    def _call_osqueryd(self, registry: str, item: str, request: Mapping[str, str]) -> Response:
        with ManagerConnection(self._socket, timeout=_LINK_TIMEOUT) as manager:
            return manager.call(registry, item, request)

    def _serve(self, manager: ManagerConnection, uuid: int) -> None:
        """Listen at once, because statements can use the tables from osqueryd's reply on."""
        try:
            listener = listen(f"{self._socket}.{uuid}")
        except ConnectionFailed as error:
            manager.deregister_extension(uuid)
            raise RegistrationError(str(error)) from error
        server = Server(
            self._service, listener, options=_SERVER_OPTIONS, is_quick=_is_quick, on_error=self._on_error
        )
        server.start()
        former, self._server, self._uuid = self._server, server, uuid
        if former is not None:
            _stop_soon(former)
        for plugin in self._others:
            attempt(plugin, plugin.start, self._call_osqueryd, self._log)

    def _on_error(self, message: str, error: BaseException) -> None:
        self._log(f"{self._info.name}: {message}\n{trace(error)}")

    # -- stay

    def stay(self, interval: float) -> bool:
        """Keep the extension registered until `stop` is set; return False if osqueryd has gone instead.

        Args:
            interval: seconds between two checks of the registration; values over 1 count as 1.

        Raises:
            RegistrationError: osqueryd refused the extension when it registered again.
        """
        period = pause = max(_SHORTEST_LOOK, min(_LONGEST_LOOK, interval))
        seen = time.monotonic()
        while not self._stop.wait(pause):
            pause = period
            try:
                if not self._known():
                    self._log(f"{self._info.name}: no longer registered; registering again")
                    self._deregister()
                    self.register(_GONE_AFTER)
            except WireTimeout:
                pass  # osqueryd is there, and too busy to answer
            except (WireError, ManagerUnavailable):
                if self._gone(time.monotonic() - seen):
                    return False
                pause = min(period, _AWAY_PERIOD)
                continue
            seen = time.monotonic()
        return True

    def _known(self) -> bool:
        """Return True if osqueryd has this registration and the socket file is still the server's own."""
        assert self._server is not None
        with ManagerConnection(self._socket, timeout=_LOOK_TIMEOUT) as manager:
            return self._is_listed(manager) and self._server.intact()

    def _is_listed(self, manager: ManagerConnection) -> bool:
        known = manager.extensions().get(self._uuid)
        # A restarted worker may have given the number to another extension.
        return known is not None and known.name == self._info.name

    def _gone(self, seconds: float) -> bool:
        """Return True if osqueryd, which has not answered for some seconds, will not come back."""
        if self._parent and os.getppid() != self._parent:
            # osqueryd started this process, and starts another one if it comes back.
            return True
        return seconds > (_RESTARTED_WITHIN if _is_alive(self._watcher) else _GONE_AFTER)

    # -- end

    def leave(self, *, gone: bool = False) -> None:
        """Deregister, stop serving, and remove the socket file.

        Args:
            gone: osqueryd has gone, so that the calls that still run have no one to answer.
        """
        end_if_forked(self._pid, sys.exception())
        server = self._server
        if server is None:
            return
        if gone:
            _stop_soon(server).join(0.5)
        else:
            # In this order no statement finds tables without a socket behind them.
            self._deregister()
            server.stop()
        self._stop_others()

    def _stop_others(self) -> None:
        """Stop the plugins, all at the same time: each may have work to finish."""
        threads = [
            threading.Thread(target=attempt, args=(plugin, plugin.stop), daemon=True)
            for plugin in self._others
        ]
        for thread in threads:
            thread.start()
        end = time.monotonic() + _STOP_PATIENCE
        for thread in threads:
            thread.join(max(end - time.monotonic(), 0))

    def _deregister(self) -> None:
        try:
            # While a statement reads a table of this extension, osqueryd does not answer.
            with ManagerConnection(self._socket, timeout=1.0) as manager:
                if self._is_listed(manager):
                    manager.deregister_extension(self._uuid)
        except WireError:
            pass


def _is_quick(request: Request) -> bool:
    """Return True for a call that asks only for a table's columns.

    osqueryd makes such calls within other statements, which must not wait.
    """
    return request.name == "call" and bool(request.arguments[2].get("action") == "columns")


def _stop_soon(server: Server) -> threading.Thread:
    """Stop a server without waiting for its running calls."""
    thread = threading.Thread(target=server.stop, name="extension-stop", daemon=True)
    thread.start()
    return thread


def _conflicting(status: Status) -> str:
    """Return the name that a refusal says is taken; empty if it refuses for another reason."""
    before, conflict, _ = status.message.partition(f" {_CONFLICT}")
    return before.rpartition(" ")[2] if conflict else ""


def _watcher_of(manager: ManagerConnection) -> int:
    """Return the process that restarts osqueryd's worker; 0 if there is none, or it cannot be seen."""
    if sys.platform == "win32":
        return 0  # Windows has no signal 0 to test for a process
    try:
        answer = manager.query("select watcher from osquery_info")
    except WireError:
        return 0
    watcher = answer.rows[0].get("watcher", "") if answer.rows else ""
    return int(watcher) if watcher.isdecimal() and _is_alive(int(watcher)) else 0


def _is_alive(pid: int) -> bool:
    if pid <= 0 or sys.platform == "win32":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # the process lives, and belongs to another user
    return True


def _is_no_address(error: BaseException) -> bool:
    """Return True if the system cannot use the path for a socket at all, as when it is too long."""
    cause = error.__cause__
    if isinstance(cause, TimeoutError):
        return False  # it has no errno either
    return isinstance(cause, ValueError) or (isinstance(cause, OSError) and cause.errno is None)


def _advice(error: BaseException) -> str:
    if _is_no_address(error):
        return "give another --socket"
    if isinstance(error.__cause__, PermissionError):
        return "run it as root, or as the user that osqueryd runs as"
    return "is osqueryd running with this socket?"
