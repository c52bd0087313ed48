"""A frozen extension as a process: it stops on a signal, ends its children, and leaves no files."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import psutil
import pytest

from osquery_sdk.engine import Host

from .waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Frozen

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


class Running:
    """A frozen extension on an embedded engine, with a temporary folder of its own."""

    def __init__(self, program: Path, host: Host, temporary: Path) -> None:
        self.host = host
        self.temporary = temporary
        self.process = subprocess.Popen(
            [program, "--socket", host.socket, "--timeout", "20"],
            env={"PATH": "/usr/bin:/bin", "TMPDIR": str(temporary)},
            stderr=subprocess.PIPE,
            text=True,
        )
        until(lambda: host.manager.extensions() or self.process.poll() is not None)
        assert self.process.poll() is None
        host.wait_for_extensions(1)
        (row,) = host.query("select pid, parent, folder from small_process").rows
        self.serving = psutil.Process(int(row["pid"]))

    def unpacked(self) -> list[str]:
        return sorted(path.name for path in self.temporary.iterdir())

    def said(self) -> str:
        return self.process.communicate(timeout=10)[1]


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as made:
        yield made


def gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_sigterm_stops_it_cleanly(either: Frozen, host: Host, tmp_path: Path) -> None:
    running = Running(either.program, host, tmp_path)
    assert bool(running.unpacked()) == (either.facts["form"] == "one-file")
    running.process.terminate()
    assert running.said() == "small: stopped by SIGTERM; leaving\n"
    assert running.process.returncode == 0
    assert gone(running.serving)
    assert (running.unpacked(), host.manager.extensions()) == ([], {})


@pytest.mark.parametrize("count", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_sigterm_ends_it_at_any_moment_of_its_start(
    count: int, either: Frozen, host: Host, tmp_path: Path
) -> None:
    moments = Random(count)
    for _ in range(count):
        process = subprocess.Popen(
            [either.program, "--socket", host.socket],
            env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(moments.uniform(0, 0.3))
        process.terminate()
        said = process.communicate(timeout=10)[1]
        assert (process.returncode, said) in (
            (0, "small: stopped by SIGTERM; leaving\n"),
            (-signal.SIGTERM, ""),  # before it has begun
        )
        assert host.manager.extensions() == {}
    assert list(Path(host.socket).parent.glob("*.em.*")) == []
    if either.facts["form"] == "one-file":
        # What it has unpacked by then is removed by the next start.
        subprocess.run(
            [either.program, "version"], env={"TMPDIR": str(tmp_path)}, check=True, capture_output=True
        )
    assert list(tmp_path.iterdir()) == []


def test_the_folder_form_is_one_process(folder: Frozen, host: Host, tmp_path: Path) -> None:
    running = Running(folder.program, host, tmp_path)
    assert running.serving.pid == running.process.pid
    assert psutil.Process(running.process.pid).children() == []
    running.process.terminate()
    running.said()


def test_the_child_dies_with_what_was_started(onefile: Frozen, host: Host, tmp_path: Path) -> None:
    running = Running(onefile.program, host, tmp_path)
    assert running.serving.ppid() == running.process.pid
    running.process.kill()
    assert until(lambda: gone(running.serving)) < 2
    assert running.said() == "small: stopped by SIGTERM; leaving\n"
    assert (running.unpacked(), host.manager.extensions()) == ([], {})


def test_what_was_started_dies_with_its_child(onefile: Frozen, host: Host, tmp_path: Path) -> None:
    running = Running(onefile.program, host, tmp_path)
    running.serving.kill()
    running.said()
    assert running.process.returncode == -signal.SIGKILL
    assert running.unpacked() == []


def test_the_next_start_removes_what_killed_ones_have_left(
    onefile: Frozen, host: Host, tmp_path: Path
) -> None:
    running = Running(onefile.program, host, tmp_path)
    running.process.kill()
    running.serving.kill()
    running.said()
    assert len(running.unpacked()) == 1
    environment = {"TMPDIR": str(tmp_path)}
    done = subprocess.run([onefile.program, "version"], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "small version 1.2.3\n", "")
    assert running.unpacked() == []


def test_the_next_start_leaves_alone_what_is_in_use(onefile: Frozen, host: Host, tmp_path: Path) -> None:
    running = Running(onefile.program, host, tmp_path)
    before = running.unpacked()
    subprocess.run(
        [onefile.program, "version"], env={"TMPDIR": str(tmp_path)}, check=True, capture_output=True
    )
    assert running.unpacked() == before
    assert host.query("select count(*) as n from small_process").rows == [{"n": "1"}]
    running.process.terminate()
    running.said()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_start_ended_while_it_unpacks_is_cleared_up(
    number: signal.Signals, onefile: Frozen, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [onefile.program, "version"], env={"TMPDIR": str(tmp_path)}, stdout=subprocess.DEVNULL
    )
    until(lambda: any(tmp_path.iterdir()))
    process.send_signal(number)
    process.wait()
    time.sleep(0.3)
    subprocess.run(
        [onefile.program, "version"], env={"TMPDIR": str(tmp_path)}, check=True, capture_output=True
    )
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """A folder to mount something on, in a name space that a test makes."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        pytest.skip("mounting needs root")
    place = tmp_path / "mounted"
    place.mkdir()
    return place


@pytest.mark.parametrize(
    ("options", "says", "why"),
    [
        (
            "noexec,size=100m",
            "Failed to load Python shared library '{place}/_MEI",
            "which is mounted noexec: freeze it into a folder instead",
        ),
        ("size=10m", "Failed to extract ", r"where 0 MB are free of the (?P<takes>\d+) MB that it takes"),
    ],
)
def test_a_temporary_folder_that_cannot_be_used_is_told(
    onefile: Frozen, folder: Frozen, mounted: Path, options: str, says: str, why: str
) -> None:
    """By the program, as well as what it is made with can; and by the doctor, with what to do."""
    script = f"""
    mount -t tmpfs -o {options} none {mounted} && export TMPDIR={mounted} &&
        {onefile.program} version; code=$?
    {folder.program} version
    {sys.executable} -m osquery_sdk.cli.main doctor --no-start --socket {mounted}.em {onefile.program}
    exit $code
    """
    done = subprocess.run(
        ["unshare", "-m", "/bin/sh", "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 255
    assert says.format(place=mounted) in done.stderr.splitlines()[0]
    # The folder form unpacks nothing.
    said = done.stdout.splitlines()
    assert said[0] == "small version 1.2.3"
    at = next(i for i, line in enumerate(said) if "temporary folder" in line)
    told = re.search(rf"failed +temporary folder +it unpacks itself to {mounted}, {why}", said[at])
    assert told is not None, said[at]
    if "takes" in told.groupdict():
        # Much as the folder form has beside its program, which differs from one Python to the next.
        beside = sum(path.stat().st_size for path in (folder.program.parent / "_internal").rglob("*"))
        assert abs(int(told["takes"]) - beside / 1e6) < 2
    # What such a start had unpacked stays, in the way of the next one.
    assert ("rm -r " in said[at + 1]) == ("size=10m" in options)


def test_a_deferred_table_is_imported_when_it_is_first_queried(
    folder: Frozen, host: Host, tmp_path: Path
) -> None:
    running = Running(folder.program, host, tmp_path)
    has_late = "select has_late from small_process"
    assert host.query(has_late).rows == [{"has_late": "0"}]
    assert host.query("select name from small_late where hour = 23").rows == [{"name": "eleven"}]
    assert host.query(has_late).rows == [{"has_late": "1"}]
    running.process.terminate()
    assert running.said() == "small: stopped by SIGTERM; leaving\n"
