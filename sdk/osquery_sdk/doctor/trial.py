"""Starts an extension as osqueryd does, against a manager of the doctor's own, and sees what it registers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from osquery_sdk.engine.folder import short_folder
from osquery_sdk.errors import WireError
from osquery_sdk.leftovers import TemporaryFolder, kill_group, start_process, wait_for_end
from osquery_sdk.signals import has_ended
from osquery_sdk.wire.protocol import ExtensionInfo, OptionInfo, Reply, Status
from osquery_sdk.wire.server import Server, ServerOptions
from osquery_sdk.wire.transport import listen

from .processes import rss_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from osquery_sdk.wire.service import CallContext

_UUID = 4711
_STOP_WITHIN = 5.0
_LAST_BYTES = 2000


class Trial(NamedTuple):
    """What became of an extension that was started."""

    info: ExtensionInfo | None
    """How it introduced itself; None if it did not register."""
    tables: tuple[str, ...]
    seconds: float
    """From start to registration, or to when it had ended."""
    rss: int
    """Resident memory in bytes once it had registered; 0 if it is not known."""
    avoids_taken: bool
    """It asks which names are taken, and leaves those tables out, instead of being refused as a whole."""
    problem: str
    """Why it did not register."""


class _Registrar:
    """A manager that takes one registration and has no tables."""

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
    """Start a program, wait until it has registered, and end it again with all that it started.

    Args:
        path: of the program.
        options: osqueryd's flags, for extensions that ask.
        patience: seconds that it may take.
        search: its PATH; that of this process unless given.
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
            return _run([str(path)], address, Path(folder), registrar, options, patience, search)
        finally:
            server.stop()


def _run(
    command: list[str],
    address: str,
    folder: Path,
    registrar: _Registrar,
    options: Mapping[str, str],
    patience: float,
    search: str,
) -> Trial:
    timeout, interval = options.get("extensions_timeout", "3"), options.get("extensions_interval", "3")
    arguments = ["--socket", address, "--timeout", timeout, "--interval", interval]
    # A frozen program that starts itself must not take this process for its first half.
    environment = {**os.environ, "OSQUERY_EXTENSIONS": "true", "PYINSTALLER_RESET_ENVIRONMENT": "1"}
    # Nothing that it leaves there stays: one that has no room to unpack itself leaves what it had unpacked.
    environment |= {"TMPDIR": str(folder)}
    if search:
        environment["PATH"] = search
    said = folder / "stderr"
    start = time.monotonic()
    with said.open("wb") as log:
        try:
            process = start_process(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=environment,
            )
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
            problem = f"it ended {_how(process.wait())}{_last_line(said)}"
        else:
            problem = f"it did not register within {patience:g} s{_last_line(said)}"
    finally:
        _end(process)
    return Trial(info, tables, seconds, rss, registrar.asked_for_names, problem)


def _how(status: int) -> str:
    if status < 0:
        return f"by {signal.Signals(-status).name}"
    return f"with exit status {status}"


def _last_line(said: Path) -> str:
    lines = said.read_bytes()[-_LAST_BYTES:].decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {last}" if last else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    wait_for_end(process, _STOP_WITHIN)
    kill_group(process)  # its children, if any are left
    process.wait()


__all__ = ["Trial", "start_once"]
