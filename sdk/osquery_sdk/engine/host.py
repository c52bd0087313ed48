"""Run a manager and extensions together, for the length of a `with` statement."""

from __future__ import annotations

import glob
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from kolide_kit.author_code import end_if_forked
from kolide_kit.processes import TemporaryFolder
from kolide_kit.signals import stop_handler

from ..errors import LaunchError
from .folder import short_folder
from .launch import ExtensionProcess
from .manager.remote import answers_ping

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

    from .manager.manager import Manager
    from .sql.engine import Engine
    from .sql.statements import ResultSet, TypedResult
    from .trace import Observer

InProcess: TypeAlias = Callable[[str], Callable[[], None]]
"""Starts an extension in this process without blocking.

It gets the socket's path, and returns a function to stop it.
"""


class Host:
    """Runs a manager on a socket, and extensions with it.

    ::

        with Host(["./my_extension.py"]) as host:
            print(host.query("select * from my_table").rows)

    Args:
        extensions: files (see `launch.command_line`), or callables that start an extension in this process.
        socket: path to listen on; by default in a temporary folder that only this user may enter.
        timeout: seconds in which all extensions have to register and answer their first ping.
        options: values of osqueryd's flags.
        observer: called with a `TableCall` after each call into a table.
        verbose: start the extensions with `--verbose`.
        respawn: start an extension again when it ends.
        on_line: gets each line that an extension writes to standard output or error.
    """

    def __init__(
        self,
        extensions: Iterable[str | os.PathLike[str] | InProcess] = (),
        *,
        socket: str | None = None,
        timeout: float = 10.0,
        options: Mapping[str, str] | None = None,
        observer: Observer | None = None,
        verbose: bool = False,
        respawn: bool = False,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        """Set up; nothing starts before `__enter__`."""
        self._pid = 0
        self._wanted = list(extensions)
        self._given_socket = socket
        self._timeout = timeout
        self._options = dict(options or {})
        self._observer = observer
        self._verbose = verbose
        self._respawn = respawn
        self._on_line = on_line
        self._listens = False
        self._directory: TemporaryFolder | None = None
        self._manager: Manager | None = None
        self._stops: list[Callable[[], None]] = []
        self.processes: list[ExtensionProcess] = []

    def __enter__(self) -> Self:
        """Start, and wait until every extension serves.

        Raises:
            LaunchError: an extension did not start, ended, or did not register in time.
            ConnectionFailed: listening on the socket failed.
            ImportError: APSW is not installed.
        """
        from .needs import apsw_needed

        with apsw_needed():  # here, so that a program without APSW can import every public name
            from .manager.manager import Manager

        self._pid = os.getpid()
        socket = self._given_socket
        if socket is None:
            self._directory = TemporaryFolder("osquery-", short_folder())
            socket = str(Path(self._directory.name) / "osquery.em")
        try:
            self._manager = Manager(socket, options=self._options, observer=self._observer)
            with stop_handler() as handler:
                self._manager.start()
                self._listens = True
                handler.undo.append(self._remove_sockets)
            for extension in self._wanted:
                self.launch(extension, wait=False)
            self.wait_for_extensions(len(self._wanted))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        self.close()

    @property
    def manager(self) -> Manager:
        """The manager, between `__enter__` and `close`."""
        if self._manager is None:
            raise RuntimeError("the host has not been started; use it in a `with` statement")
        return self._manager

    @property
    def engine(self) -> Engine:
        """The manager's engine."""
        return self.manager.engine

    @property
    def socket(self) -> str:
        """The path that the manager listens on."""
        return self.manager.socket

    @property
    def observer(self) -> Observer | None:
        """Gets a `TableCall` after each call into a table; None for no observer."""
        return self._observer

    @observer.setter
    def observer(self, observer: Observer | None) -> None:
        self._observer = observer
        if self._manager is not None:
            self._manager.engine.observer = observer

    def query(self, sql: str, *, timeout: float | None = None) -> ResultSet:
        """Run SQL; see `Engine.query`. The keys of a row are in the order of the columns."""
        return self.engine.query(sql, timeout=timeout, in_order=True)

    def query_typed(self, sql: str, *, timeout: float | None = None) -> TypedResult:
        """Run SQL, and return values instead of texts; see `Engine.query`."""
        return self.engine.query_typed(sql, timeout=timeout)

    def tables(self) -> list[str]:
        """Return the names of the tables, the engine's own included."""
        rows = self.query("select name from osquery_registry where registry = 'table'").rows
        return sorted(row["name"] for row in rows)

    def columns(self, table: str) -> list[tuple[str, str]]:
        """Return name and type of a table's columns, also of hidden ones and aliases.

        An unknown table has none.
        """
        quoted = table.replace("'", "''")
        rows = self.query(f"select name, type from pragma_table_xinfo('{quoted}')").rows  # noqa: S608  quoted
        return [(row["name"], row["type"]) for row in rows]

    def launch(self, extension: str | os.PathLike[str] | InProcess, *, wait: bool = True) -> None:
        """Start one more extension.

        Raises:
            LaunchError: the extension did not start or, with `wait`, did not register in time.
        """
        known = len(self.manager.extensions())
        if callable(extension):
            self._stops.append(extension(self.socket))
        else:
            flags = self.manager.flags
            arguments = [
                *(["--verbose"] if self._verbose else []),
                *("--socket", self.socket),
                *("--timeout", flags["extensions_timeout"]),
                *("--interval", flags["extensions_interval"]),
            ]
            process = ExtensionProcess(extension, arguments, respawn=self._respawn, on_line=self._on_line)
            self.processes.append(process)
        if wait:
            self.wait_for_extensions(known + 1)

    def wait_for_extensions(self, count: int, *, timeout: float | None = None) -> None:
        """Wait until at least `count` extensions are registered and answer; others may have started them.

        Raises:
            LaunchError: the time is over, or an extension that this host started has ended.
        """
        seconds = self._timeout if timeout is None else timeout
        end = time.monotonic() + seconds
        serving: set[int] = set()
        while len(serving) < count:
            for process in self.processes:
                if process.exit_status is not None and not self._respawn:
                    raise LaunchError(f"{process.describe_exit()} (before it had registered)")
            if time.monotonic() >= end:
                last_lines = "; ".join(
                    f"{process.path} said last: {process.last_lines[-1]}"
                    if process.last_lines
                    else process.path
                    for process in self.processes
                )
                raise LaunchError(
                    f"{len(serving)} of {count} extensions registered within {seconds:g} s"
                    + (f" ({last_lines})" if last_lines else "")
                )
            self.manager.wait_for_extensions(count, timeout=0.1)
            for uuid in self.manager.extensions():
                if uuid not in serving and answers_ping(self.manager.extension_socket(uuid), timeout=1.0):
                    serving.add(uuid)
            if len(serving) < count:
                time.sleep(0.01)

    def close(self) -> None:
        """Stop the extensions and the manager, and remove the sockets. Closing twice is harmless."""
        if self._pid:
            end_if_forked(self._pid, sys.exception())
        manager = self._manager
        was_told = manager is not None and bool(manager.extensions())
        if manager is not None:
            manager.stop()
        for stop in self._stops:
            stop()
        self._stops.clear()
        for process in self.processes:
            process.stop(was_told=was_told)
        self.processes.clear()
        if manager is not None and self._listens:
            # A manager that does not listen found the sockets of another one, which stay.
            self._remove_sockets()
            with suppress(ValueError):
                stop_handler().undo.remove(self._remove_sockets)
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def _remove_sockets(self) -> None:
        """Remove the sockets of the manager and of extensions, which may have been killed.

        Windows has pipes, not files.
        """
        manager = self._manager
        if manager is None or os.name == "nt":
            return
        socket = Path(manager.socket)
        for stale in (socket, *socket.parent.glob(f"{glob.escape(socket.name)}.*")):
            stale.unlink(missing_ok=True)
