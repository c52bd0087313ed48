"""One autoloaded extension serves a real osqueryd all kinds of plugins, with osqueryd's default times."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from osquery_sdk.wire.client import ManagerConnection

from ..support.plugins import PROGRAM, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.osqueryd


class Daemon:
    """osqueryd with one autoloaded extension: a table and a plugin of each other kind, all named `all`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.chmod(0o755)
        (folder / "numbers").write_text("1 2 3")
        (folder / "conf.d").mkdir()
        (folder / "queries").mkdir()
        self.write(
            "10.json", {"schedule": {"numbers": {"query": "select n from plugin_numbers", "interval": 1}}}
        )
        plugins = [
            ["FolderConfig", {"name": "all", "folder": f"{folder}/conf.d", "poll": 0.2}],
            [
                "JsonLinesLogger",
                {"name": "all", "path": f"{folder}/results.log", "status": f"{folder}/status.log"},
            ],
            ["QueryFolder", {"name": "all", "folder": f"{folder}/queries"}],
        ]
        program = folder / "program.ext"
        program.write_text(
            f"#!{sys.executable}\nimport runpy\nrunpy.run_path({str(PROGRAM)!r}, run_name='__main__')\n"
        )
        program.chmod(0o755)
        (folder / "load").write_text(f"{program}\n")
        environment = {**os.environ, "PLUGINS": json.dumps(plugins), "NUMBERS": f"{folder}/numbers"}
        command = ["osqueryd", "--ephemeral", "--disable_database", "--disable_watchdog", "--force"]
        command += [
            f"--pidfile={folder}/pid",
            f"--extensions_socket={folder}/em",
            f"--extensions_autoload={folder}/load",
        ]
        command += ["--config_plugin=all", "--logger_plugin=all", "--distributed_plugin=all"]
        command += ["--disable_distributed=false", "--distributed_interval=1", "--verbose"]
        with (folder / "out").open("wb") as out:
            self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)

    def write(self, name: str, config: Any) -> None:
        temporary = self.folder / f"{name}.tmp"
        temporary.write_text(config if isinstance(config, str) else json.dumps(config))
        temporary.rename(self.folder / "conf.d" / name)

    def results(self) -> list[dict[str, Any]]:
        path = self.folder / "results.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def out(self) -> str:
        return (self.folder / "out").read_text(errors="replace")

    def query(self, sql: str) -> list[dict[str, str]]:
        with ManagerConnection(f"{self.folder}/em", timeout=20) as manager:
            answer = manager.query(sql)
        assert answer.status.code == 0, answer.status.message
        return [dict(row) for row in answer.rows]  # type: ignore[union-attr]

    def extension(self) -> psutil.Process:
        (found,) = (
            child
            for child in psutil.Process(self.process.pid).children(recursive=True)
            if "--socket" in child.cmdline()
        )
        return found

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    if shutil.which("osqueryd") is None:
        pytest.skip("no osqueryd on PATH")
    made = Daemon(tmp_path)
    yield made
    made.close()


def test_all_kinds_at_once(daemon: Daemon) -> None:
    started = time.monotonic()
    until(lambda: len(daemon.results()) >= 3)
    # Else osqueryd would have ended: it waits three seconds for the plugins that its flags name.
    assert time.monotonic() - started < 10
    assert [(r["name"], r["columns"]["n"], r["action"]) for r in daemon.results()[:3]] == [
        ("numbers", str(n), "added") for n in (1, 2, 3)
    ]
    rows = daemon.query(
        "select registry, name, active from osquery_registry where owner_uuid <> 0 order by registry"
    )
    assert [(row["registry"], row["name"]) for row in rows] == [
        ("config", "all"),
        ("distributed", "all"),
        ("logger", "all"),
        ("table", "plugin_numbers"),
    ]
    (info,) = daemon.query("select config_valid from osquery_info")
    assert info == {"config_valid": "1"}
    status = daemon.folder / "status.log"
    until(lambda: status.exists() and "Executing scheduled query numbers" in status.read_text())


def test_a_change_is_pushed_and_an_error_is_not(daemon: Daemon) -> None:
    until(lambda: len(daemon.results()) >= 3)
    daemon.write("20.yaml", "schedule:\n  pushed: {query: select 'new' as what, interval: 1}\n")
    until(lambda: any(r["name"] == "pushed" for r in daemon.results()))
    daemon.write("30.yaml", "schedule: [")
    until(lambda: "no YAML" in daemon.out())
    scheduled = {row["name"] for row in daemon.query("select name from osquery_schedule")}
    assert scheduled == {"numbers", "pushed"}
    for name in ("10.json", "20.yaml", "30.yaml"):
        (daemon.folder / "conf.d" / name).unlink()
    until(lambda: daemon.query("select name from osquery_schedule") == [])


def test_a_query_in_the_folder_is_answered(daemon: Daemon) -> None:
    for name, sql in (
        ("sum", "select sum(n) as total from plugin_numbers"),
        ("wrong", "select * from nosuch"),
    ):
        temporary = daemon.folder / "queries" / f".{name}"
        temporary.write_text(json.dumps({"query": sql}))
        temporary.rename(daemon.folder / "queries" / f"{name}.json")
    answers = [daemon.folder / "queries" / f"{name}.answer.json" for name in ("sum", "wrong")]
    until(lambda: all(path.exists() for path in answers))
    found, wrong = (json.loads(path.read_text()) for path in answers)
    assert (found["rows"], found["status"], found["message"]) == ([{"total": "6"}], 0, "")
    assert found["stats"]["wall_time_ms"] is not None
    assert (wrong["rows"], wrong["status"], wrong["message"]) == ([], 1, "no such table: nosuch")


def test_killed_between_two_results_it_is_started_again_and_logs_on(daemon: Daemon) -> None:
    until(lambda: len(daemon.results()) >= 3)
    daemon.extension().kill()
    (daemon.folder / "numbers").write_text(
        "1 2 3 4"
    )  # its own table is away as well, so that there is nothing to log
    until(lambda: any(r["columns"]["n"] == "4" for r in daemon.results()), 30)
    assert [r["columns"]["n"] for r in daemon.results()] == ["1", "2", "3", "4"]
    assert daemon.process.poll() is None


def test_osqueryd_ends_when_it_has_a_result_and_the_logger_was_killed(daemon: Daemon) -> None:
    """It takes a logger that does not answer for a full disk. All that was logged up to then is there."""
    daemon.write("20.json", {"schedule": {"clock": {"query": "select unix_time from time", "interval": 1}}})
    until(lambda: sum(r["name"] == "clock" for r in daemon.results()) >= 2)
    before = daemon.results()
    daemon.extension().kill()
    assert daemon.process.wait(30) == 78
    assert daemon.results()[: len(before)] == before
    assert "Error logging the results of query: clock" in daemon.out()
