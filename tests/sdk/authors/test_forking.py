"""A process that an author's code forks never comes back into the SDK, and its parent does not notice."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from osquery_sdk.engine import Host
from osquery_sdk.wire.client import ManagerConnection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

PROGRAM = Path(__file__).with_name("forking.py")
# What a child does, and the status that it has to end with.
DOES = {
    "exits": 7,
    "exits_without": 0,
    "exits_with_text": 1,
    "raises": 1,
    "interrupts": 1,
    "comes_back": 0,
    "leaves": 5,
    "becomes": 6,
}


class Forking:
    """The extension that forks, as a process, at an embedded engine."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self.forked = folder / "forked"
        program = folder / "forking"
        program.write_text(
            f"#!/bin/sh\nexport PYTHONWARNINGS=ignore FORKED={self.forked} SPOOL={folder}/spool HOW=exits\n"
            f'exec {sys.executable} {PROGRAM} "$@"\n'
        )
        program.chmod(0o755)
        self.host = Host([program], on_line=self.lines.append, timeout=20, verbose=True)

    def __enter__(self) -> Self:
        self.host.__enter__()
        self.process = psutil.Process(self.host.processes[0].pid)
        (self.uuid,) = self.host.manager.extensions()
        return self

    def __exit__(self, *error: object) -> None:
        self.host.close()
        assert not self.process.is_running()
        assert self.alive() == set()

    def statuses(self, sql: str) -> list[str]:
        return [row["status"] for row in self.host.query(sql, timeout=20).rows]

    def children(self) -> dict[int, int]:
        """Exit status by number of those that the parent has seen end."""
        if not self.forked.exists():
            return {}
        return {int(pid): int(code) for pid, code in map(str.split, self.forked.read_text().splitlines())}

    def have_ended(self, count: int) -> None:
        """Wait until so many have ended."""
        end = time.monotonic() + 20
        while len(self.children()) < count:
            assert time.monotonic() < end, self.lines
            time.sleep(0.02)

    def alive(self) -> set[int]:
        return {
            pid
            for pid in self.children()
            if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"
        }

    def is_well(self) -> None:
        """Assert that no other process is left, and that the extension serves from the same socket."""
        assert [one for one in self.process.children(recursive=True) if one.status() != "zombie"] == []
        for _ in range(20):
            assert self.host.query("select square from quiet", timeout=5).rows == [{"square": "9"}]
        assert list(self.host.manager.extensions()) == [self.uuid]
        assert Path(self.host.manager.extension_socket(self.uuid)).is_socket()


@pytest.fixture(scope="module")
def forking() -> Iterator[Forking]:
    folder = Path(tempfile.mkdtemp(prefix="osq-"))
    try:
        with Forking(folder) as made:
            yield made
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("by", ["fork", "pty", "forkpty", "libc"])
@pytest.mark.parametrize("does", DOES)
def test_a_table(forking: Forking, by: str, does: str) -> None:
    assert forking.statuses(f"select status from forks where how = '{by} {does}'") == [str(DOES[does])]
    forking.is_well()


@pytest.mark.parametrize("does", [*DOES, "yields", "late"])
def test_a_generator(forking: Forking, does: str) -> None:
    """It ends with the first row that it yields, so that it forks no others."""
    started = time.monotonic()
    status = str(DOES.get(does, 0))
    assert forking.statuses(f"select status from fork_generators where how = 'fork {does}'") == [status] * 5
    assert time.monotonic() - started < 8
    forking.is_well()


@pytest.mark.parametrize("name", ["fork_loops", "fork_cached"])
@pytest.mark.parametrize("does", DOES)
def test_other_kinds_of_tables(forking: Forking, name: str, does: str) -> None:
    statuses = forking.statuses(f"select status from {name} where how = 'fork {does}'")
    if (name, does) == ("fork_loops", "comes_back"):
        assert statuses == ["1"]  # asyncio itself says to it that there is no event loop
    else:
        assert statuses == [str(DOES[does])]
    forking.is_well()


@pytest.mark.parametrize("does", DOES)
@pytest.mark.parametrize(
    "sql",
    ["insert into fork_written (how) values ('{}')", "update fork_written set how = '{}' where how = 'row'"],
)
def test_writes(forking: Forking, sql: str, does: str) -> None:
    forking.forked.unlink(missing_ok=True)
    forking.host.query(sql.format(does), timeout=20)
    assert list(forking.children().values()) == [DOES[does]]
    forking.is_well()


def test_the_child_s_last_words_are_on_standard_error(forking: Forking) -> None:
    del forking.lines[:]
    forking.statuses(
        "select status from forks where how in ('fork raises', 'fork exits_with_text', 'fork interrupts')"
    )
    forking.is_well()
    said = [line for line in forking.lines if line.startswith("process ")]
    assert len(said) == 3
    assert any(line.endswith(": no room") for line in said)
    assert any(": ValueError: in the child (" in line and "forking.py, line " in line for line in said)
    assert any(": KeyboardInterrupt (" in line for line in said)


def test_python_s_own_processes_do_their_work(forking: Forking) -> None:
    rows = forking.host.query("select n, square from pools", timeout=60).rows
    assert [(int(row["n"]), int(row["square"])) for row in rows] == [(n, n * n) for n in range(12)]
    forking.is_well()


def test_a_child_that_is_told_to_end_ends(forking: Forking) -> None:
    """The extension's own handler of signals, which takes its time, is none of the child's."""
    (row,) = forking.host.query("select n, square from stubborn", timeout=60).rows
    assert (int(row["square"]), int(row["n"]) < 30) == (-15, True)
    forking.is_well()


@pytest.mark.parametrize("does", DOES)
def test_plugins(forking: Forking, does: str) -> None:
    manager = forking.host.manager
    forking.forked.unlink(missing_ok=True)
    assert manager.call("config", "conf", {"action": "genConfig"}).rows == [{"main": "{}"}]
    assert manager.call("logger", "logged", {"string": does, "category": "event"}).status == (0, "OK", 0)
    manager.call("logger", "shipped", {"init": "osqueryd"})
    manager.call("logger", "shipped", {"string": does, "category": "event"})
    forking.have_ended(3)
    assert list(forking.children().values()) == [7, DOES[does], DOES[does]]
    forking.is_well()


def test_a_life_from_its_start_to_its_end() -> None:
    """Plugins fork at their start and end, and a log forks: in the main thread, which cleans up."""
    folder = Path(tempfile.mkdtemp(prefix="osq-"))
    try:
        with Forking(folder) as forking:
            forking.have_ended(1)
            assert list(forking.children().values()) == [7]
            forking.is_well()
            forking.forked.unlink()
            forking.process.terminate()
            forking.process.wait(20)
            with ManagerConnection(forking.host.socket) as manager:
                assert manager.extensions() == {}
        # A line of the log, the end of the configuration plugin; nothing was delivered.
        assert list(forking.children().values()) == [7, 7]
        assert forking.lines == ["forking: stopped by SIGTERM; leaving"]
    finally:
        shutil.rmtree(folder)


def accepts(path: str) -> bool:
    """Return whether a process listens on a socket."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
        except ConnectionRefusedError:
            return False
        return True


def test_a_worker_does_not_stand_in_for_an_extension_that_was_killed(tmp_path: Path) -> None:
    """The child has no copy of the socket: a successor of the extension would wait for an answer there."""
    environment = {**os.environ, "FORKED": str(tmp_path / "forked"), "PYTHONWARNINGS": "ignore"}
    with Host(options={"extensions_interval": "600"}) as host:
        command = [sys.executable, PROGRAM, "--socket", host.socket]
        first = subprocess.Popen(command, env=environment)
        host.wait_for_extensions(1, timeout=20)
        (row,) = host.query("select n from workers").rows
        worker = psutil.Process(int(row["n"]))
        (uuid,) = host.manager.extensions()
        first.kill()
        first.wait()
        assert worker.is_running()
        # The child lets go of it as the first thing that it does, which may be after the parent's answer.
        end = time.monotonic() + 20
        while accepts(host.manager.extension_socket(uuid)):
            assert time.monotonic() < end
            time.sleep(0.02)
        second = subprocess.Popen(command, env=environment)
        end = time.monotonic() + 20
        while list(host.manager.extensions()) in ([uuid], []):
            assert time.monotonic() < end
            assert second.poll() is None
            time.sleep(0.02)
        assert worker.is_running()
        worker.kill()
        second.terminate()
        second.wait(20)


def test_the_command_line(tmp_path: Path) -> None:
    # Python itself warns of forks in programs with threads.
    environment = {**os.environ, "FORKED": str(tmp_path / "forked"), "PYTHONWARNINGS": "ignore"}

    def run(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, PROGRAM, *arguments], env=environment, capture_output=True, text=True, timeout=60
        )
        return done.returncode, done.stdout, done.stderr

    sql = "select status from forks where how in ('fork exits', 'fork comes_back') order by status"
    assert run("query", "--csv", sql) == (0, "status\n0\n7\n", "")
    code, out, said = run("tables", "--all")
    assert (code, out.count("quiet "), said) == (0, 2, "")


# Where the author's code calls the SDK


def script(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "script.py"
    path.write_text("import os, sys, time\nfrom pathlib import Path\n" + text)
    return subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("does", ["sys.exit(7)", "raise KeyError('x')", "pass"])
def test_a_host_s_own_process_forks(tmp_path: Path, does: str) -> None:
    """A child that leaves a host's `with`, or ends the program, removes nothing of its parent's."""
    done = script(
        tmp_path,
        f"""
from osquery_sdk import Column, Extension, Row, table
from osquery_sdk.engine import Host
class R(Row):
    n: int = Column("n")
@table("t", rows=R)
def t(query):
    "x"
    return [R(n=1)]
print("once")  # waits in a buffer that the child has too
extension = Extension("e", version="1", plugins=[t])
with Host([{str(PROGRAM)!r}, extension.start]) as host:
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        time.sleep(0.5)
        print(
            os.waitstatus_to_exitcode(status),
            host.query("select n from t").rows,
            host.query("select n from quiet").rows,
        )
    else:
        {does}
print("after")
""",
    )
    expected = {"sys.exit(7)": 7, "raise KeyError('x')": 1, "pass": 0}[does]
    assert done.stdout == f"once\n{expected} [{{'n': '1'}}] [{{'n': '3'}}]\nafter\n"
    assert done.returncode == 0


def test_a_host_that_nobody_closes(tmp_path: Path) -> None:
    """The end of a child's interpreter leaves the folder with the parent's socket alone."""
    done = script(
        tmp_path,
        """
from osquery_sdk.engine import Host
host = Host()
host.__enter__()
if not os.fork():
    sys.exit(7)
status = os.waitstatus_to_exitcode(os.wait()[1])
print(status, Path(host.socket).is_socket(), host.query("select 1 as one").rows)
folder = Path(host.socket).parent
host.close()
print(folder.exists())
""",
    )
    assert (done.returncode, done.stdout) == (0, "7 True [{'one': '1'}]\nFalse\n")


def test_a_child_may_have_an_extension_of_its_own(tmp_path: Path) -> None:
    """A host that starts after the fork belongs to the child, so that a program can become a daemon."""
    done = script(
        tmp_path,
        """
from osquery_sdk import Column, Extension, Row, table
from osquery_sdk.engine import Host
class R(Row):
    n: int = Column("n")
@table("t", rows=R)
def t(query):
    "x"
    yield R(n=1)
    yield R(n=2)
extension = Extension("e", version="1", plugins=[t])
host = Host([extension.start])
if os.fork():
    os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
with host:
    print(host.query("select n from t").rows, flush=True)
""",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[{'n': '1'}, {'n': '2'}]\n", "")


def test_python_s_log_in_a_child(tmp_path: Path) -> None:
    """A record of a child is not sent, and does not wait for the thread that sends."""
    done = script(
        tmp_path,
        """
import logging
from osquery_sdk import Extension
from osquery_sdk.engine import Host
from osquery_sdk.serving.status_log import StatusLogHandler
extension = Extension("e", version="1", plugins=[])
handler = StatusLogHandler(extension)
logging.getLogger().addHandler(handler)
logging.warning("before")
started = time.monotonic()
if os.fork():
    status = os.waitstatus_to_exitcode(os.wait()[1])
    print(status, time.monotonic() - started < 1.5)
    os._exit(0)
for _ in range(2000):
    logging.warning("in the child")
sys.exit(3)
""",
    )
    assert done.stdout == "3 True\n" or done.stdout == ""
    assert done.returncode == 0


def test_the_folder_of_a_one_file_program_outlives_its_children(tmp_path: Path) -> None:
    folder = tmp_path / "_MEI000000aabbcc"
    folder.mkdir()
    done = script(
        tmp_path,
        f"""
sys._MEIPASS = {str(folder)!r}
from osquery_sdk.serving.onefile import begin
begin()
if not os.fork():
    sys.exit(4)
status = os.waitstatus_to_exitcode(os.wait()[1])
print(status, Path({str(folder)!r}).is_dir(), flush=True)
os._exit(0)
""",
    )
    assert (done.returncode, done.stdout) == (0, "4 True\n")
