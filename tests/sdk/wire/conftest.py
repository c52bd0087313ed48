"""Start servers in this process or in others, and fail a test that leaves descriptors or threads behind."""

from __future__ import annotations

import gc
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from osquery_sdk.wire.server import Server, ServerOptions
from osquery_sdk.wire.transport import listen

from .support import Call, Running, Service, eventually, receive

if TYPE_CHECKING:
    from osquery_sdk.wire.protocol import Request

Serve = Callable[..., Running]


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves a descriptor or a thread of a server behind."""
    process = psutil.Process()
    before = process.num_fds()
    yield

    def clean() -> bool:
        if process.num_fds() <= before and not server_threads():
            return True
        gc.collect()
        return False

    assert eventually(clean, 10), f"{process.num_fds() - before} descriptors, threads {server_threads()}"


def server_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("extension")]


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory whose path is short enough for sockets."""
    path = tempfile.mkdtemp(prefix="wire")
    yield Path(path)
    shutil.rmtree(path)


@pytest.fixture
def path(directory: Path) -> str:
    """The path of a socket that does not exist yet."""
    return str(directory / "s")


@pytest.fixture
def serve(directory: Path) -> Iterator[Serve]:
    """Start servers, and stop them at the end of the test."""
    servers: list[Server] = []

    def start(
        call: Call | None = None,
        *,
        service: Any = None,
        options: ServerOptions | None = None,
        is_quick: Callable[[Request], bool] | None = None,
        max_connections: int = 512,
    ) -> Running:
        errors: list[tuple[str, BaseException]] = []
        listener = listen(str(directory / f"s{len(servers)}"), max_connections=max_connections)
        server = Server(
            service or Service(call),
            listener,
            options=options,
            is_quick=is_quick,
            on_error=lambda message, error: errors.append((message, error)),
        )
        servers.append(server)
        server.start()
        return Running(server.address, server, errors)

    yield start
    for server in servers:
        server.stop()


class ServerProcess:
    """A server in a process of its own."""

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        self.path = path
        script = Path(__file__).parent / "serving.py"
        self._popen = subprocess.Popen(
            [sys.executable, "-W", "error", str(script), path, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline()
        assert line == b"ready\n", self._popen.stderr.read() if self._popen.stderr else ""
        self.process = psutil.Process(self._popen.pid)

    def alive(self) -> bool:
        return self._popen.poll() is None

    def rss(self) -> int:
        """Return the resident memory in bytes."""
        return int(self.process.memory_info().rss)

    def stop(self) -> str:
        """End the process by closing its standard input; return its standard error."""
        _, errors = self._popen.communicate(timeout=20)
        assert self._popen.returncode == 0, (self._popen.returncode, errors.decode())
        return errors.decode()


@pytest.fixture
def serve_apart(directory: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Start servers in their own processes, and end them; fail the test if one crashed or wrote an error."""
    started: list[ServerProcess] = []

    def start(**options: Any) -> ServerProcess:
        started.append(ServerProcess(str(directory / f"p{len(started)}"), options))
        return started[-1]

    yield start
    for process in started:
        assert process.stop() == ""


@pytest.fixture
def as_root() -> None:
    """Skip a test that has to become another user unless it is run as root."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become another user")


class Peer:
    """The other side of one connection, made of plain sockets: reads a request, then sends given bytes."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        self._listening.listen(8)

    def answer(self, pieces: list[bytes], size: int, *, linger: float = 0) -> None:
        """Serve one connection, and keep it open for `linger` seconds after the last piece."""
        sock, _ = self._listening.accept()
        with sock:
            receive(sock, size)
            try:
                for piece in pieces:
                    sock.sendall(piece)
                if linger:
                    sock.settimeout(linger)
                    sock.recv(1)
            except OSError:
                pass

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def replay(directory: Path) -> Iterator[Callable[..., str]]:
    """Start servers that answer one connection with given bytes; each call returns the path of one."""
    peers: list[tuple[Peer, threading.Thread]] = []

    def start(reply: bytes | list[bytes], size: int, *, linger: float = 0) -> str:
        peer = Peer(str(directory / f"r{len(peers)}"))
        pieces = [reply] if isinstance(reply, bytes) else reply
        thread = threading.Thread(target=peer.answer, args=(pieces, size), kwargs={"linger": linger})
        thread.start()
        peers.append((peer, thread))
        return peer.path

    yield start
    for peer, thread in peers:
        thread.join(10)
        peer.close()
        assert not thread.is_alive()
