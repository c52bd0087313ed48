"""A real osqueryd and an extension that calls `sys.exit` in every call both go on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from osquery_sdk import ConnectionFailed, DeadlineExceeded
from osquery_sdk.wire.client import ManagerConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.osqueryd

PROGRAM = Path(__file__).with_name("faulty.py")


class Daemon:
    """osqueryd with the extension, which has its configuration, loggers and distributed queries."""

    def __init__(self, osqueryd: str, folder: Path) -> None:
        self.folder = folder
        folder.chmod(0o755)
        program = folder / "faulty.ext"
        program.write_text(f'#!/bin/sh\nFOLDER={folder} exec {sys.executable} {PROGRAM} "$@"\n')
        program.chmod(0o755)
        (folder / "load").write_text(f"{program}\n")
        command = [
            osqueryd,
            "--ephemeral",
            "--disable_database",
            "--disable_watchdog",
            "--force",
            "--verbose",
        ]
        command += [
            f"--pidfile={folder}/pid",
            f"--extensions_socket={folder}/em",
            f"--extensions_autoload={folder}/load",
        ]
        command += [
            "--config_plugin=faulty",
            "--config_refresh=2",
            "--logger_plugin=faulty,undecided,shipped",
        ]
        command += ["--distributed_plugin=faulty", "--disable_distributed=false", "--distributed_interval=1"]
        command += ["--extensions_timeout=20", "--logger_min_status=0", "--allow_unsafe"]
        with (folder / "out").open("wb") as out:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=out, env={**os.environ, "HOME": str(folder)}
            )

    def said(self) -> str:
        return (self.folder / "out").read_text(errors="replace")

    def query(self, sql: str) -> tuple[str, list[dict[str, str]]]:
        """The error, and the rows."""
        with ManagerConnection(f"{self.folder}/em", timeout=20) as manager:
            answer = manager.query(sql)
        assert isinstance(answer.rows, list)
        return "" if answer.status.code == 0 else answer.status.message, answer.rows

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + 40
        while not condition():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < end, self.said()
            time.sleep(0.1)

    def is_serving(self) -> bool:
        try:
            return self.query("select n from sound")[0] == ""
        except (ConnectionFailed, DeadlineExceeded):
            return False

    def shipped(self) -> list[str]:
        path = self.folder / "shipped"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [line["name"] for line in lines if "name" in line]

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    osqueryd = shutil.which("osqueryd")
    if osqueryd is None:
        pytest.skip("no osqueryd on PATH")
    folder = Path(tempfile.mkdtemp(prefix="osq-"))
    made = Daemon(osqueryd, folder)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder)


def test_nothing_ends_osqueryd(daemon: Daemon) -> None:
    daemon.until(daemon.is_serving)
    _, [before] = daemon.query("select n from sound")
    assert daemon.query("select * from faulty")[0] == "faulty: SystemExit: no table"
    # Results, snapshots, the status log, a configuration that is asked for again, and distributed queries.
    texts = (
        "disk full",
        "no features",
        "no beginning",
        "no configuration",
        "no work",
        "not ready",
        "KeyboardInterrupt",
    )
    daemon.until(lambda: all(text in daemon.said() for text in texts))
    daemon.until(lambda: daemon.said().count("SystemExit: no configuration") >= 3)
    _, served = daemon.query("select name, query from osquery_schedule where name in ('numbers', 'shot')")
    assert sorted(row["name"] for row in served) == ["numbers", "shot"]
    _, calls = daemon.query("select n from sound")
    assert calls == [before], "the extension was started anew"
    # What could not be delivered all the time is not lost.
    (daemon.folder / "ready").touch()
    daemon.until(lambda: {"numbers", "shot"} <= set(daemon.shipped()))
    assert daemon.process.poll() is None
