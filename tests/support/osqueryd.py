"""Run a real osqueryd, or the embedded engine in its place, as a process, and extensions with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from osquery_sdk import ConnectionFailed, DeadlineExceeded, WireError
from osquery_sdk.wire.client import ManagerConnection

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

PROGRAM = Path(__file__).with_name("osqueryd_program.py")
ENGINE = Path(__file__).with_name("osqueryd_engine.py")


def until(condition: Callable[[], object], seconds: float = 20.0) -> float:
    """Wait for a condition, and return the seconds that it took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, f"not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - start


class SqlFailed(Exception):
    """A statement failed. The text is the manager's."""


class Manager:
    """An extension manager in a process: osqueryd, or the engine. Its end takes its children along."""

    def __init__(self, command: list[str], directory: Path) -> None:
        """Start it, and wait until it serves."""
        self.directory = directory
        self.socket = str(directory / "em")
        self._log = directory / "manager.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, "HOME": str(directory)}
            )
        self._extensions: list[subprocess.Popen[str]] = []
        until(lambda: self.is_serving() or self.process.poll() is not None)
        assert self.process.poll() is None, self._log.read_text()

    @classmethod
    def osqueryd(cls, directory: Path, *flags: str, watched: bool = False) -> Self:
        """An osqueryd with its own files. Without osqueryd the test is skipped."""
        path = shutil.which("osqueryd")
        if path is None:
            pytest.skip("no osqueryd on PATH")
        (directory / "osquery.conf").write_text("{}")
        command = [path, "--ephemeral", "--disable_database", "--disable_logging", "--force"]
        command += [f"--config_path={directory}/osquery.conf", f"--pidfile={directory}/pid"]
        command += [
            f"--extensions_socket={directory}/em",
            *([] if watched else ["--disable_watchdog"]),
            *flags,
        ]
        return cls(command, directory)

    @classmethod
    def engine(cls, directory: Path) -> Self:
        """The embedded engine as a program."""
        return cls([sys.executable, str(ENGINE), f"{directory}/em"], directory)

    def is_serving(self) -> bool:
        try:
            self.extensions()
        except (ConnectionFailed, DeadlineExceeded):
            return False
        return True

    def extensions(self) -> dict[str, int]:
        """Return the uuids of extensions by name."""
        with ManagerConnection(self.socket) as manager:
            return {info.name: uuid for uuid, info in manager.extensions().items()}

    def has(self, name: str) -> bool:
        """Return True if an extension is registered, and its tables can be read."""
        try:
            uuid = self.extensions().get(name)
        except (ConnectionFailed, DeadlineExceeded):
            return False
        return uuid is not None and Path(f"{self.socket}.{uuid}").exists()

    def query(self, sql: str) -> list[dict[str, str]]:
        with ManagerConnection(self.socket, timeout=60) as manager:
            answer = manager.query(sql)
        if answer.status.code:
            raise SqlFailed(answer.status.message)
        return [dict(row) for row in answer.rows]  # type: ignore[union-attr]

    def query_meanwhile(self, sql: str) -> threading.Thread:
        """Run a statement in the background, and ignore its outcome."""

        def run() -> None:
            try:
                self.query(sql)
            except (SqlFailed, WireError, DeadlineExceeded):
                pass

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def sockets(self) -> list[str]:
        """Return the extensions' socket files."""
        return sorted(path.name for path in self.directory.glob("em.*"))

    def start(
        self, name: str = "life", *arguments: str, wait: bool = True, **environment: str
    ) -> subprocess.Popen[str]:
        """Start `program.py`; the environment sets its name and tables."""
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), "--socket", self.socket, *arguments],
            env={**os.environ, "NAME": name, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._extensions.append(process)
        if wait:
            until(lambda: self.has(name) or process.poll() is not None)
            assert process.poll() is None, process.communicate()
        return process

    def worker(self) -> psutil.Process | None:
        """Return the process id of osqueryd's worker under a watcher."""
        for child in psutil.Process(self.process.pid).children():
            if child.name().startswith("osqueryd") and child.status() != psutil.STATUS_ZOMBIE:
                return child
        return None

    def kill(self) -> None:
        """Send SIGKILL to all processes of osqueryd at once, so that none can deregister."""
        worker = self.worker() if self.process.poll() is None else None
        self.process.kill()
        if worker is not None:
            worker.kill()
        self.process.wait()

    def close(self) -> None:
        children = psutil.Process(self.process.pid).children() if self.process.poll() is None else []
        self.kill()
        for child in children:
            if child.is_running():
                child.kill()
        for process in self._extensions:
            process.kill()
            process.wait()
            if process.stderr is not None:
                process.stderr.close()


def ended(process: subprocess.Popen[str], seconds: float = 20.0) -> tuple[int, str]:
    """Wait for an extension's end; return its exit code and standard error."""
    _, said = process.communicate(timeout=seconds)
    return process.returncode, said
