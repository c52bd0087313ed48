"""Frozen extensions in a real osquery: autoloaded, watched, scheduled, killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from osquery_sdk import ConnectionFailed, DeadlineExceeded
from osquery_sdk.wire.client import ManagerConnection

from .waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Frozen

pytestmark = pytest.mark.osqueryd
INTERVAL = 1.0


class Daemon:
    """osqueryd with its watcher, which autoloads one program."""

    def __init__(self, directory: Path, program: Path, schedule: dict[str, str], *flags: str) -> None:
        path = shutil.which("osqueryd")
        if path is None:
            pytest.skip("no osqueryd on PATH")
        self.directory = directory
        self.socket = str(directory / "em")
        queries = {name: {"query": sql, "interval": 1, "snapshot": True} for name, sql in schedule.items()}
        (directory / "osquery.conf").write_text(json.dumps({"schedule": queries}))
        (directory / "extensions.load").write_text(f"{program}\n")
        (directory / "temporary").mkdir()
        command = [path, f"--config_path={directory}/osquery.conf", f"--pidfile={directory}/pid", "--force"]
        command += [
            f"--extensions_autoload={directory}/extensions.load",
            f"--extensions_socket={self.socket}",
        ]
        command += [
            f"--database_path={directory}/db",
            f"--logger_path={directory}",
            "--logger_plugin=filesystem",
        ]
        command += ["--extensions_timeout=10", f"--extensions_interval={INTERVAL:g}", "--verbose", *flags]
        with (directory / "said").open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env={"HOME": str(directory), "PATH": "/usr/bin:/bin", "TMPDIR": f"{directory}/temporary"},
            )

    def query(self, sql: str) -> list[dict[str, str]] | None:
        """Rows; None if it is not answered."""
        try:
            with ManagerConnection(self.socket, timeout=5) as manager:
                answer = manager.query(sql)
        except (ConnectionFailed, DeadlineExceeded):
            return None
        if answer.status.code:
            return None
        assert isinstance(answer.rows, (list, tuple))
        return [dict(row) for row in answer.rows]

    def worker(self) -> psutil.Process:
        for child in psutil.Process(self.process.pid).children():
            if child.name().startswith("osqueryd") and child.status() != psutil.STATUS_ZOMBIE:
                return child
        raise AssertionError("no worker")

    def extensions(self, name: str) -> list[psutil.Process]:
        """Processes of the frozen program that live."""
        found = []
        for one in psutil.process_iter(["cmdline", "status"]):
            line = one.info["cmdline"] or [""]
            if line[0].endswith(name) and self.socket in line and one.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(one)
        return found

    def close(self, name: str) -> None:
        if self.process.poll() is None:
            for child in psutil.Process(self.process.pid).children():
                child.kill()
            self.process.kill()
        self.process.wait()
        for one in self.extensions(name):
            one.kill()


SQL = "select pid, parent, folder from small_process"


@pytest.fixture
def daemon(either: Frozen, directory: Path) -> Iterator[Daemon]:
    schedule = {
        "modules": "select is_there from small_modules where name = 'json'",
        "process": "select folder <> '' as frozen from small_process",
    }
    made = Daemon(directory, either.program, schedule, "--enable_extensions_watchdog")
    try:
        until(lambda: made.query(SQL), 30)
        yield made
    finally:
        made.close(either.program.name)


def pid(daemon: Daemon) -> str:
    """The id of the process that answers; empty if none does."""
    rows = daemon.query(SQL)
    return rows[0]["pid"] if rows else ""


def logged(directory: Path) -> dict[str, Any]:
    """The newest snapshot of each scheduled query."""
    file = directory / "osqueryd.snapshots.log"
    lines = file.read_text().splitlines() if file.exists() else []
    return {entry["name"]: entry["snapshot"] for entry in map(json.loads, lines)}


def test_it_is_autoloaded_and_its_tables_are_scheduled(daemon: Daemon, either: Frozen) -> None:
    until(lambda: len(logged(daemon.directory)) == 2, 30)
    assert logged(daemon.directory) == {"modules": [{"is_there": "1"}], "process": [{"frozen": "1"}]}
    started = [one for one in daemon.extensions(either.program.name) if one.ppid() == daemon.process.pid]
    assert len(started) == 1
    # --enable_extensions_watchdog watches it; it is below every limit.
    time.sleep(2 * INTERVAL)
    assert started[0].is_running()


def test_killed_it_answers_again(daemon: Daemon, either: Frozen) -> None:
    before = pid(daemon)
    started = next(one for one in daemon.extensions(either.program.name) if one.ppid() == daemon.process.pid)
    started.kill()
    took = until(lambda: pid(daemon) not in ("", before), 30)
    print(f"killed, {either.facts['form']}: answers again after {took:.2f} s")
    assert took <= INTERVAL + 5  # of a busy machine; a second or two on one that is not
    live = [one for one in daemon.extensions(either.program.name) if one.ppid() == daemon.process.pid]
    assert len(live) == 1
    folders = [path for path in (daemon.directory / "temporary").iterdir() if path.name.startswith("_MEI")]
    assert len(folders) == (1 if either.facts["form"] == "one-file" else 0)


@pytest.mark.parametrize("either", ["folder", pytest.param("onefile", marks=pytest.mark.slow)], indirect=True)
def test_it_registers_with_a_new_worker(daemon: Daemon, either: Frozen) -> None:
    before = pid(daemon)
    old = daemon.worker()
    old.kill()
    old.wait(10)

    def there() -> bool:
        try:
            with ManagerConnection(daemon.socket, timeout=5) as manager:
                return manager.ping().code == 0
        except (ConnectionFailed, DeadlineExceeded):
            return False

    worker = until(there, 60)
    took = until(lambda: daemon.query(SQL), 30)
    print(
        f"worker killed, {either.facts['form']}: "
        f"its socket after {worker:.2f} s, registered {took:.2f} s later"
    )
    assert took <= 2
    assert pid(daemon) == before, "the same process serves on"


def test_it_goes_with_osqueryd(daemon: Daemon, either: Frozen) -> None:
    worker = daemon.worker()
    os.kill(daemon.process.pid, signal.SIGKILL)
    worker.kill()
    daemon.process.wait()
    took = until(lambda: not daemon.extensions(either.program.name), 30)
    print(f"osqueryd killed, {either.facts['form']}: gone after {took:.2f} s")
    assert took <= 5
    assert list((daemon.directory / "temporary").glob("_MEI*")) == []
    assert not list(daemon.directory.glob("em.*")), "its socket file"


def osqueryi(program: Path, directory: Path, name: str, sql: str) -> subprocess.CompletedProcess[str]:
    """Each statement's rows come as a JSON list of their own, and one that fails stops none."""
    path = shutil.which("osqueryi")
    if path is None:
        pytest.skip("no osqueryi on PATH")
    flags = ["--extension", str(program), f"--extensions_require={name}", "--json"]
    return subprocess.run(
        [path, *flags, f"--extensions_socket={directory}/em"],
        input=sql,
        env={"HOME": str(directory), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_osqueryi_takes_what_a_person_runs(either: Frozen, directory: Path) -> None:
    sql = "select is_there from small_modules where name = 'json';"
    done = osqueryi(either.link, directory, "small", sql)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [{"is_there": "1"}]


def lists_in(text: str) -> list[Any]:
    """JSON documents, one after the other."""
    decoder, found, rest = json.JSONDecoder(), [], text.lstrip()
    while rest:
        document, end = decoder.raw_decode(rest)
        found.append(document)
        rest = rest[end:].lstrip()
    return found


# What to ask of a bundled table that has to be told where to look; the others are read whole.
DOCUMENTS = {
    "csv": "a,b\n1,2\n",
    "ini": "[a]\nb=1\n",
    "json": '{"a": 1}',
    "jsonc": '{"a": 1} // one',
    "jsonl": '{"a": 1}\n',
    "plist": (
        '<?xml version="1.0"?><plist version="1.0"><dict><key>a</key><integer>1</integer></dict></plist>'
    ),
    "toml": "a = 1\n",
    "xml": "<a>1</a>",
    "yaml": "a: 1\n",
}


def test_every_bundled_table_answers_in_osqueryi(bundled: Path, directory: Path) -> None:
    """And one process serves them all."""
    listed = subprocess.run([bundled, "schema"], capture_output=True, text=True, check=True)
    statements = {"first": "select uuid from osquery_extensions where name = 'kolide_ext'"}
    for table in json.loads(listed.stdout):
        name = table["name"]
        file = Path("/etc/passwd")
        given = [column["name"] for column in table["columns"] if column["required"]]
        document = DOCUMENTS.get(name.removeprefix("kolide_"))
        if document is not None:
            file = directory / f"file.{name}"
            file.write_text(document)
            given = ["path"]
        where = " and ".join(f"{column} = '{file}'" for column in given)
        statements[name] = f"select * from {name}" + (f" where {where}" if where else "")
    statements["last"] = statements["first"]
    sql = "".join(f"select '{name}' as name;\n{sql};\n" for name, sql in statements.items())
    done = osqueryi(bundled.parents[1] / "kolide_ext", directory, "kolide_ext", sql)
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr, done.stderr
    lists = lists_in(done.stdout)
    answers = {names[0]["name"]: rows for names, rows in zip(lists[::2], lists[1::2], strict=True)}
    assert answers.keys() == statements.keys()
    assert answers["first"] == answers["last"] != []
    assert [name for name in DOCUMENTS if not answers.get(f"kolide_{name}", "not in this build")] == []


@pytest.mark.slow
def test_memory_of_all_bundled_tables(bundled: Path) -> None:
    report = json.loads((bundled.parents[1] / "kolide_ext.report.json").read_text())
    assert report["idle"] <= 24 << 20
    assert report["queried"] <= 60 << 20
    assert report["size"] <= 35 << 20
