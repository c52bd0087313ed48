"""A stop signal at any moment leaves no folder and no process of the program behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

# The main thread is within Event.wait nearly all the time, where it has the lock that Event.set takes.
PROGRAM = """
import os, signal, threading, time
from kolide_kit.signals import on_stop_signals

event = threading.Event()
told = []

def act(name):
    told.append(name)
    event.set()

signal.signal(signal.SIGINT, signal.default_int_handler)
on_stop_signals(act)

def send():
    for number in range(200):
        before = len(told)
        os.kill(os.getpid(), signal.SIGTERM if number % 2 else signal.SIGINT)
        while len(told) == before:
            time.sleep(0.0001)
        event.clear()

sender = threading.Thread(target=send, daemon=True)
sender.start()
while sender.is_alive():
    event.wait(0)
print(told.count("SIGTERM"), told.count("SIGINT"))
"""
# Folders and programs come and go all the time, in the main thread and beside it; the programs want to live
# on.
BUSY = """
import os, signal, subprocess, sys, threading
from pathlib import Path
from kolide_kit.atomic import replace_file, work_folder
from kolide_kit.processes import TemporaryFolder, kill_group, run_process, start_process
from kolide_kit.signals import ending_cleanly

output = Path(os.environ["TMPDIR"], "output")

def work(number):
    while True:
        with TemporaryFolder("osq-") as folder:
            Path(folder, "file").write_text("x")
            process = start_process(["/bin/sh", "-c", "trap '' TERM INT HUP; sleep 600 & sleep 600"])
            replace_file(Path(folder, "file"), b"y" * 100_000)
            kill_group(process)
            process.wait()
        with work_folder(output.with_name(f"output{number}") / "below", ".new-") as folder:
            Path(folder, "file").write_text("x")
        run_process(["/bin/sleep", "0.01"], timeout=5)

with ending_cleanly():
    threading.excepthook = lambda arguments: None  # its folder goes while it works
    threading.Thread(target=work, args=(1,), daemon=True).start()
    print("ready", flush=True)
    work(0)
"""
FORKED = """
import os, signal, sys, time
from pathlib import Path
from kolide_kit.processes import TemporaryFolder, start_process
from kolide_kit.signals import ending_cleanly

with ending_cleanly(), TemporaryFolder("osq-") as folder:
    process = start_process(["/bin/sleep", "600"])
    child = os.fork()
    if child == 0:
        time.sleep(600)
        os._exit(0)
    time.sleep(0.2)
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), Path(folder).is_dir(), process.poll())
    process.kill()
    process.wait()
"""


@pytest.fixture
def temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="osq-", dir="/tmp") as folder:
        yield Path(folder)


def started_by(folder: Path) -> list[psutil.Process]:
    """The processes that have this temporary folder."""
    found = []
    for one in psutil.process_iter():
        try:
            if one.environ().get("TMPDIR") == str(folder) and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
        except (psutil.Error, OSError):
            continue
    return found


def defaults() -> None:
    """The signals as a terminal's shell starts programs, whatever started the tests."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def test_a_signal_comes_through_while_the_event_is_waited_for() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "100 100\n", "")


@pytest.mark.parametrize("count", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_nothing_is_left_wherever_the_signal_comes(count: int, temporary: Path, tmp_path: Path) -> None:
    said = tmp_path / "said"
    chance = random.Random(count)
    for _ in range(count):
        number = chance.choice((signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
        with (
            said.open("wb") as errors,
            subprocess.Popen(
                [sys.executable, "-c", BUSY],
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "TMPDIR": str(temporary)},
                preexec_fn=defaults,  # noqa: PLW1509
            ) as process,
        ):
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0, 0.3))
            process.send_signal(number)
            # As a terminal does that is closed: more of them while it ends.
            process.send_signal(signal.SIGHUP)
            process.send_signal(number)
            code = process.wait(20)
        # What was killed may need a moment to be gone.
        end = time.monotonic() + 5
        while (left := started_by(temporary)) and time.monotonic() < end:
            time.sleep(0.05)
        for one in left:
            one.kill()
        assert ([one.cmdline() for one in left], list(temporary.iterdir())) == ([], [])
        assert (code in (-number, -signal.SIGHUP), said.read_text()) == (True, "")


def test_a_forked_child_is_ended_and_undoes_nothing(temporary: Path) -> None:
    done = subprocess.run(
        # Python 3.12 warns of a fork in a process of several threads.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "-15 True None\n", "")


# The kernel may give a signal to any thread. Here the thread that gets it is not the main one.
WAITING = """
import signal, socket, threading, time
from kolide_kit.signals import ending_cleanly

ours, theirs = socket.socketpair()

def send():
    theirs.recv(1)
    time.sleep(0.1)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    time.sleep(60)

with ending_cleanly():
    threading.Thread(target=send, daemon=True).start()
    ours.send(b"x")
    ours.recv(1)
"""


def test_a_signal_in_another_thread_ends_a_main_thread_that_waits() -> None:
    done = subprocess.run([sys.executable, "-c", WAITING], capture_output=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGTERM, b"")
