"""An extension under a real osqueryd: it leaves with the daemon, stops on SIGTERM, and leaves no socket behind."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from osquery_sdk import ConnectionFailed
from osquery_sdk.wire.client import ManagerConnection

pytestmark = pytest.mark.osqueryd


def until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait for a condition; returns the seconds it took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, f"not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - start


@pytest.fixture
def osqueryd(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    path = shutil.which("osqueryd")
    if path is None:
        pytest.skip("no osqueryd on PATH")
    socket = str(tmp_path / "em")
    (tmp_path / "empty.conf").write_text("{}")
    flags = ["--ephemeral", "--disable_database", "--disable_watchdog", "--force", "--disable_logging"]
    flags += [
        f"--config_path={tmp_path}/empty.conf",
        f"--pidfile={tmp_path}/pid",
        f"--extensions_socket={socket}",
    ]
    process = subprocess.Popen([path, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(Path(socket).exists, 20)
    yield process, socket
    process.kill()
    process.wait()


@pytest.fixture
def extension(osqueryd: tuple[subprocess.Popen[bytes], str]) -> Iterator[subprocess.Popen[bytes]]:
    _, socket = osqueryd
    process = subprocess.Popen(
        [sys.executable, "-m", "kolide_ext", "--socket", socket], stderr=subprocess.DEVNULL
    )
    until(lambda: registered(socket), 10)
    yield process
    process.kill()
    process.wait()


def registered(socket: str) -> bool:
    try:
        with ManagerConnection(socket) as manager:
            return any(info.name == "kolide_ext" for info in manager.extensions().values())
    except ConnectionFailed:
        return False


def sockets(socket: str) -> list[str]:
    return sorted(p.name for p in Path(socket).parent.glob("em.*"))


def test_sigterm_deregisters_and_removes_the_socket(osqueryd, extension):
    _, socket = osqueryd
    assert len(sockets(socket)) == 1
    extension.send_signal(signal.SIGTERM)
    assert extension.wait(5) == 0
    assert not registered(socket)
    assert sockets(socket) == []


def test_it_leaves_when_osqueryd_is_killed(osqueryd, extension):
    daemon, socket = osqueryd
    daemon.kill()
    daemon.wait()
    assert extension.wait(10) == 0
    assert sockets(socket) == []


def test_a_killed_extension_is_succeeded_at_once(osqueryd, extension):
    _, socket = osqueryd
    extension.kill()
    extension.wait()
    successor = subprocess.Popen(
        [sys.executable, "-m", "kolide_ext", "--socket", socket], stderr=subprocess.DEVNULL
    )
    try:

        def answers() -> bool:
            with ManagerConnection(socket) as manager:
                return manager.query("select count(*) from kolide_process_details").status.code == 0

        assert until(answers, 5) < 5
    finally:
        successor.terminate()
        assert successor.wait(5) == 0
