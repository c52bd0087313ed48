"""Start an extension as osqueryd does, with the doctor as its manager, and note what it registers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kolide_kit.processes import TemporaryFolder, kill_group, start_process, wait_for_end
from kolide_kit.signals import has_ended

from ..engine.folder import short_folder
from ..errors import WireError
from ..wire.protocol import ExtensionInfo, OptionInfo, Reply, Status
from ..wire.server import Server, ServerOptions
from ..wire.transport import listen
from .processes import rss_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..wire.service import CallContext

_UUID = 4711
_STOP_WITHIN = 5.0
_LAST_BYTES = 2000


class Trial(NamedTuple):
    """The result of starting an extension once."""

    info: ExtensionInfo | None
    """The name and version that it registered; None if it did not register."""
    tables: tuple[str, ...]
    seconds: float
    """The time from its start to its registration or end."""
    rss: int
    """Resident memory in bytes once it had registered; 0 if it is not known."""
    avoids_taken: bool
    """True if it asked which names are taken: it leaves those tables out instead of being refused."""
    problem: str
    """The reason why it did not register; empty if it did."""


class _Registrar:
    """An extension manager that takes one registration and has no tables."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = {name: OptionInfo(value, value, "string") for name, value in options.items()}
        self.info: ExtensionInfo | None = None
        self.tables: tuple[str, ...] = ()
        self.asked_for_names = False
        self.registered = threading.Event()
        self.at = 0.0

    def ping(self) -> Status:
        return Status(0, "pong")

    def call(self, registry: str, item: str, request: dict[str, str], context: CallContext) -> Reply:
        return Reply.failure("no such plugin")

    def shutdown(self) -> None:
        pass

    def extensions(self) -> dict[int, ExtensionInfo]:
        return {} if self.info is None else {_UUID: self.info}

    def options(self) -> dict[str, OptionInfo]:
        return self._options

    def register_extension(
        self, info: ExtensionInfo, registry: Mapping[str, Mapping[str, Sequence[Mapping[str, str]]]]
    ) -> Status:
        self.at = time.monotonic()
        self.info, self.tables = info, tuple(registry.get("table", ()))
        self.registered.set()
        return Status(0, "OK", _UUID)

    def deregister_extension(self, uuid: int) -> Status:
        self.info = None
        return Status()

    def query(self, sql: str) -> Reply:
        self.asked_for_names |= "sqlite_temp_master" in sql
        return Reply(Status(), ())

    def get_query_columns(self, sql: str) -> Reply:
        return Reply(Status(), ())


def start_once(path: Path, *, options: Mapping[str, str], patience: float, search: str = "") -> Trial:
    """Start a program, wait until it has registered, and end it with every process that it started.

    Args:
        path: of the program.
        options: osqueryd's flags, for extensions that ask for them.
        patience: the seconds to wait for the registration.
        search: its PATH; this process's unless given.
    """
    with TemporaryFolder("osq-", short_folder()) as folder:
        address = f"\\\\.\\pipe\\osq-doctor-{os.getpid()}" if sys.platform == "win32" else f"{folder}/em"
        registrar = _Registrar(options)
        try:
            server = Server(registrar, listen(address), options=ServerOptions(stop_timeout=1.0))
        except WireError as error:
            return Trial(None, (), 0.0, 0, False, f"the doctor cannot listen for it: {error}")
        server.start()
        try:
            return _run(path, address, Path(folder), registrar, options, patience, search)
        finally:
            server.stop()


def _run(
    program: Path,
    address: str,
    folder: Path,
    registrar: _Registrar,
    options: Mapping[str, str],
    patience: float,
    search: str,
) -> Trial:
    timeout, interval = options.get("extensions_timeout", "3"), options.get("extensions_interval", "3")
    command = [str(program), "--socket", address, "--timeout", timeout, "--interval", interval]
    # If the doctor itself is a frozen program, a frozen extension would take it for its own bootloader.
    environment = {**os.environ, "OSQUERY_EXTENSIONS": "true", "PYINSTALLER_RESET_ENVIRONMENT": "1"}
    # A one-file program that finds no room leaves what it had unpacked. Here it goes with the folder.
    environment |= {"TMPDIR": str(folder)}
    if search:
        environment["PATH"] = search
    errors = folder / "stderr"
    start = time.monotonic()
    with errors.open("wb") as log:
        try:
            streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": log}
            process = start_process(command, env=environment, **streams)
        except OSError as error:
            return Trial(None, (), 0.0, 0, False, f"it cannot be executed: {error.strerror or error}")
    try:
        while not registrar.registered.wait(0.02):
            if has_ended(process) or time.monotonic() - start > patience:
                break
        seconds = time.monotonic() - start
        info, tables, rss, problem = registrar.info, registrar.tables, 0, ""
        if info is not None:
            seconds = registrar.at - start
            rss = rss_of(process.pid)
        elif has_ended(process):
            kill_group(process)
            status = process.wait()
            end = f"by {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"
            problem = f"it ended {end}{_last_line(errors)}"
        else:
            problem = f"it did not register within {patience:g} s{_last_line(errors)}"
    finally:
        _end(process)
    return Trial(info, tables, seconds, rss, registrar.asked_for_names, problem)


def _last_line(errors: Path) -> str:
    lines = errors.read_bytes()[-_LAST_BYTES:].decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {last}" if last else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    wait_for_end(process, _STOP_WITHIN)
    kill_group(process)  # its children, if any are left
    process.wait()
