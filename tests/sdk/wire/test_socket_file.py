"""Check the socket's file: its owner and mode, what it may replace, and who may connect."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.errors import ConnectionFailed
from osquery_sdk.wire.client import ExtensionConnection
from osquery_sdk.wire.server import Server
from osquery_sdk.wire.socket_file import bind
from osquery_sdk.wire.transport import listen

from .support import PONG, Service, ping_works

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Serve


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_file_is_its_owners_alone(umask: int, path: str) -> None:
    before = os.umask(umask)
    try:
        listener = listen(path)
    finally:
        os.umask(before)
    try:
        info = os.lstat(path)
        assert stat.S_ISSOCK(info.st_mode)
        assert stat.S_IMODE(info.st_mode) == 0o600
        assert info.st_uid == os.geteuid()
    finally:
        listener.close()
    assert not os.path.lexists(path)


def test_it_listens_from_its_first_moment_on(directory: Path) -> None:
    """The file never refuses a connection: osqueryd's watcher deregisters an extension that does once."""
    target = str(directory / "s")
    refused = 0
    stop = threading.Event()

    def knock() -> None:
        nonlocal refused
        while not stop.is_set():
            with socket.socket(socket.AF_UNIX) as client:
                try:
                    client.connect(target)
                except FileNotFoundError:
                    pass
                except ConnectionRefusedError:
                    refused += 1

    thread = threading.Thread(target=knock)
    thread.start()
    try:
        for _ in range(300):
            # Remove the file first: the file of a closed listener refuses connections.
            listener = bind(target)
            (directory / "s").unlink()
            listener.close()
    finally:
        stop.set()
        thread.join()
    assert refused == 0
    assert list(directory.iterdir()) == []


def test_nobody_else_can_connect_even_for_a_moment(directory: Path) -> None:
    """The file has the mode 0600 from its first moment on."""
    target = str(directory / "s")
    modes = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            try:
                modes.add(stat.S_IMODE(os.lstat(target).st_mode))
            except FileNotFoundError:
                pass

    before = os.umask(0)
    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(200):
            listen(target).close()
    finally:
        stop.set()
        thread.join()
        os.umask(before)
    if sys.platform != "linux":
        pytest.skip("only Linux gives the file the socket's own mode")
    assert modes <= {0o600}


CONNECT = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sock = socket.socket(socket.AF_UNIX)
sock.settimeout(5)
sock.connect(sys.argv[1])
try:
    sock.sendall(bytes.fromhex("800100010000000470696e670000000000"))
    print(len(sock.recv(100)))
except (BrokenPipeError, ConnectionResetError):
    print(0)
"""


def test_another_user_is_refused_by_name_not_only_by_mode(
    as_root: None, serve: Serve, directory: Path
) -> None:
    running = serve()
    directory.chmod(0o755)
    os.chmod(running.path, 0o777)  # noqa: PTH101
    command = [sys.executable, "-c", CONNECT, running.path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr
    # The program itself works: as the right user it gets its pong.
    same = [sys.executable, "-c", CONNECT.replace("os.setuid(65534)", "pass"), running.path]
    assert subprocess.run(same, capture_output=True, text=True, timeout=20).stdout.strip() == str(len(PONG))
    assert ping_works(running.path)


def plant_file(target: Path) -> None:
    target.write_text("precious")


def plant_directory(target: Path) -> None:
    target.mkdir()


def plant_dangling_link(target: Path) -> None:
    target.symlink_to(target.parent / "nowhere")


def plant_link_to_file(target: Path) -> None:
    (target.parent / "victim").write_text("precious")
    target.symlink_to(target.parent / "victim")


def plant_link_to_dead_socket(target: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(target.parent / "dead"))
    target.symlink_to(target.parent / "dead")


def plant_fifo(target: Path) -> None:
    os.mkfifo(target)


@pytest.mark.parametrize(
    "plant",
    [
        plant_file,
        plant_directory,
        plant_dangling_link,
        plant_link_to_file,
        plant_link_to_dead_socket,
        plant_fifo,
    ],
)
def test_anything_but_a_socket_is_never_touched(plant: Callable[[Path], None], directory: Path) -> None:
    target = directory / "s"
    plant(target)
    before = {item.name: item.lstat() for item in directory.iterdir()}
    with pytest.raises(ConnectionFailed, match="not a socket is in the way"):
        listen(str(target))
    after = {item.name: item.lstat() for item in directory.iterdir()}
    assert {name: (s.st_ino, s.st_mode, s.st_mtime_ns) for name, s in after.items()} == {
        name: (s.st_ino, s.st_mode, s.st_mtime_ns) for name, s in before.items()
    }


def test_a_dead_socket_is_taken_over(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen()
    server = Server(Service(), listen(path))
    server.start()
    try:
        assert ping_works(path)
    finally:
        server.stop()


def test_a_live_socket_is_not_taken_over(serve: Serve) -> None:
    running = serve()
    with pytest.raises(ConnectionFailed, match="in use"):
        listen(running.path)
    assert running.server.intact()
    assert ping_works(running.path)


def test_a_live_socket_whose_queue_is_full_is_not_taken_over(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as live, socket.socket(socket.AF_UNIX) as first:
        live.bind(path)
        live.listen(0)
        first.connect(path)
        with pytest.raises(ConnectionFailed, match="in use"):
            listen(path)


def test_a_file_that_was_removed_or_replaced_is_noticed(serve: Serve) -> None:
    running = serve()
    assert running.server.intact()
    os.rename(running.path, running.path + ".away")  # noqa: PTH104
    assert not running.server.intact()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(running.path)
        assert not running.server.intact()
        running.server.stop()
        # The file of another process stays.
        assert os.path.lexists(running.path)
    os.unlink(running.path)  # noqa: PTH108
    os.unlink(running.path + ".away")  # noqa: PTH108


def test_a_stopped_server_is_not_intact(serve: Serve) -> None:
    running = serve()
    running.server.stop()
    assert not running.server.intact()
    assert not os.path.lexists(running.path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x" * 200, "longer than 107 bytes: .*choose a shorter"),
        ("\u00e9" * 60, "longer than 107 bytes"),
        ("missing/s", "No such file or directory"),
        ("a\0b", r"null character: '.*/a.x00b'; choose another --socket"),
    ],
)
def test_impossible_paths(name: str, message: str, directory: Path) -> None:
    with pytest.raises(ConnectionFailed, match=message):
        listen(f"{directory}/{name}")


def test_the_longest_path(directory: Path) -> None:
    target = str(directory / "x")
    target += "x" * (107 - len(target))
    server = Server(Service(), listen(target))
    server.start()
    try:
        assert ping_works(target)
    finally:
        server.stop()


def test_a_directory_that_may_not_be_written(as_root: None, directory: Path) -> None:
    directory.chmod(0o755)
    code = (
        "import os, sys\n"
        "from osquery_sdk.errors import ConnectionFailed\n"
        "from osquery_sdk.wire.transport import listen\n"
        "import osquery_sdk.wire.unix\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: listen(sys.argv[1])\n"
        "except ConnectionFailed as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"{directory}/s"], capture_output=True, text=True, timeout=20
    )
    assert done.stdout.strip() == f"cannot listen on {directory}/s: Permission denied", done.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody", "No such file or directory"),
        ("x" * 200, "AF_UNIX path too long"),
        ("dead", "Connection refused"),
        ("file", "Connection refused"),
        ("a\0b", "null byte|No such file"),
    ],
)
def test_connecting_where_nothing_listens(name: str, message: str, directory: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(directory / "dead"))
    (directory / "file").touch()
    with pytest.raises(ConnectionFailed, match=message):
        ExtensionConnection(f"{directory}/{name}", timeout=0.5)


def test_connecting_waits_for_its_turn_and_not_longer(path: str) -> None:
    import time

    with socket.socket(socket.AF_UNIX) as live:
        live.bind(path)
        live.listen(0)
        queued = [ExtensionConnection(path, timeout=1)]
        start = time.monotonic()
        with pytest.raises(ConnectionFailed, match="timed out"):
            ExtensionConnection(path, timeout=0.2)
        assert 0.15 < time.monotonic() - start < 1
        timer = threading.Timer(0.1, live.accept()[0].close)
        timer.start()
        with ExtensionConnection(path, timeout=5):
            pass
        timer.join()
        queued[0].close()


def test_no_descriptor_left_to_listen_with(path: str) -> None:
    """A failure halfway leaves neither descriptors nor a file."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
    for spare in range(1, 6):
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + spare, hard))
        fillers = []
        try:
            while True:
                fillers.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        for fd in fillers[: spare - 1]:
            os.close(fd)
        try:
            if spare < 5:
                with pytest.raises(ConnectionFailed, match="Too many open files"):
                    listen(path)
            else:
                listen(path).close()
            assert not os.path.lexists(path)
        finally:
            for fd in fillers[spare - 1 :]:
                os.close(fd)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
