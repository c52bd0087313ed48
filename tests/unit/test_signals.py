"""SIGTERM stops a program wherever it finds the main thread."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

# The main thread is within Event.wait nearly all the time, where it has the lock that Event.set takes.
PROGRAM = """
import os, signal, threading, time
from osquery_sdk.signals import on_stop_signals

event = threading.Event()
told = []

def act(name):
    told.append(name)
    event.set()

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


def test_a_signal_comes_through_while_the_event_is_waited_for() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "100 100\n", "")
