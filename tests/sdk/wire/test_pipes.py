"""Run server and client over named pipes, on a stand-in for Windows."""

from __future__ import annotations

import gc
import importlib
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import osquery_sdk.wire
from osquery_sdk.errors import ConnectionFailed, DeadlineExceeded
from osquery_sdk.wire import client as client_module
from osquery_sdk.wire.client import ExtensionConnection
from osquery_sdk.wire.protocol import Reply, Status
from osquery_sdk.wire.server import Server, ServerOptions

from .fake_windows import CONSTANTS, Event, Windows
from .support import PING, PONG, Call, Service, call_bytes, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = r"\\.\pipe\osquery.em.77"
FUNCTIONS = [name for name in dir(Windows) if name[0].isupper() and name != "OwnerOnly"]


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[Windows]:
    """A stand-in for Windows; fails the test if a handle is still open at its end."""
    machine = Windows()
    helpers = machine.module(
        "osquery_sdk.wire.windows", "OwnerOnly", "create_event", "disconnect", "set_event"
    )
    monkeypatch.setitem(sys.modules, "_winapi", machine.module("_winapi", *FUNCTIONS, *CONSTANTS))
    monkeypatch.setitem(sys.modules, "osquery_sdk.wire.windows", helpers)
    monkeypatch.delitem(sys.modules, "osquery_sdk.wire.pipes", raising=False)
    yield machine
    gc.collect()
    left = [thing for thing in machine.handles.values() if not (isinstance(thing, Event) and thing.manual)]
    assert left == []
    assert not any(security.valid for security in machine.security)


@pytest.fixture
def pipes(windows: Windows, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module `pipes`, imported as if this were Windows."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "win32")
        module: Any = importlib.import_module("osquery_sdk.wire.pipes")
    monkeypatch.setattr(
        client_module, "connect", lambda address, *, timeout: module.PipeStream(address, timeout)
    )
    monkeypatch.delattr(osquery_sdk.wire, "pipes", raising=False)
    monkeypatch.setitem(sys.modules, "osquery_sdk.wire.pipes", module)
    return module


@pytest.fixture
def serve(pipes: Any) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(
        call: Call | None = None, *, options: ServerOptions | None = None, max_connections: int = 512
    ) -> Server:
        listener = pipes.PipeListener(NAME, max_connections=max_connections)
        servers.append(Server(Service(call), listener, options=options))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def pong(stream: Any) -> bool:
    stream.send(PING, 5)
    return bool(stream.receive(5) == PONG)


def test_a_server_and_its_callers(serve: Callable[..., Server]) -> None:
    server = serve()
    assert server.intact()
    assert server.address == NAME
    for n in range(20):
        with ExtensionConnection(NAME) as extension:
            assert extension.ping().code == 0
            for _ in range(3):
                assert extension.call("table", "t", {"n": str(n)}).rows == [{"n": str(n)}]
    server.stop()
    assert not server.intact()
    with pytest.raises(ConnectionFailed, match="error 2"):
        ExtensionConnection(NAME, timeout=0.2)


def test_many_callers_at_once(serve: Callable[..., Server]) -> None:
    serve()
    results: list[Any] = []

    def run(n: int) -> None:
        with ExtensionConnection(NAME) as extension:
            for i in range(20):
                results.append(extension.call("table", "t", {"n": f"{n}.{i}"}).rows)
                assert extension.ping().code == 0

    threads = [threading.Thread(target=run, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(rows[0]["n"] for rows in results) == sorted(
        f"{n}.{i}" for n in range(12) for i in range(20)
    )


@pytest.mark.parametrize("size", [100, 70_000, 3_000_000])
def test_messages_of_any_size_both_ways(size: int, serve: Callable[..., Server]) -> None:
    serve()
    with ExtensionConnection(NAME) as extension:
        assert extension.call("table", "t", {"k": "v" * size}).rows == [{"k": "v" * size}]


def test_a_message_byte_by_byte(serve: Callable[..., Server], pipes: Any) -> None:
    serve()
    stream = pipes.PipeStream(NAME, 1)
    for byte in PING:
        stream.send(bytes([byte]), 1)
    assert stream.receive(5) == PONG
    stream.close()
    stream.close()


def test_the_name_cannot_be_taken_twice(serve: Callable[..., Server], pipes: Any, windows: Windows) -> None:
    serve()
    with pytest.raises(ConnectionFailed, match="another process has a pipe of this name"):
        pipes.PipeListener(NAME, max_connections=1)
    # The refused listener has closed its handles as well.
    assert sum(security.valid for security in windows.security) == 1


def test_the_name_is_kept_when_there_is_no_room(serve: Callable[..., Server], windows: Windows) -> None:
    server = serve()
    with ExtensionConnection(NAME) as extension:
        assert extension.ping().code == 0
        windows.instances_allowed = 0
        with ExtensionConnection(NAME, timeout=2) as refused, pytest.raises(ConnectionFailed):
            refused.ping()
        assert extension.ping().code == 0
        windows.instances_allowed = 100
    with ExtensionConnection(NAME) as extension:
        assert extension.ping().code == 0
    assert server.intact()


def test_callers_that_come_and_go(serve: Callable[..., Server], pipes: Any) -> None:
    serve()
    for sent in (b"", PING[:5], PING, call_bytes("t"), call_bytes("t")[:30]):
        for _ in range(10):
            stream = pipes.PipeStream(NAME, 5)
            if sent:
                stream.send(sent, 5)
            stream.close()
    with ExtensionConnection(NAME) as extension:
        assert extension.ping().code == 0


def test_pings_while_a_call_sleeps(serve: Callable[..., Server]) -> None:
    opened = threading.Event()

    def call(registry: str, item: str, request: dict[str, str], context: Any) -> Reply:
        assert item != "wait" or opened.wait(20)
        return Reply(Status(), [request])

    serve(call)

    def wait() -> None:
        with ExtensionConnection(NAME, timeout=20) as extension:
            extension.call("table", "wait", {})

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        with ExtensionConnection(NAME) as extension:
            start = time.monotonic()
            assert extension.ping().code == 0
            assert time.monotonic() - start < 0.5
    opened.set()
    for thread in threads:
        thread.join(20)


def test_a_caller_that_hangs_up_cancels_its_call(serve: Callable[..., Server], pipes: Any) -> None:
    contexts: list[Any] = []

    def call(registry: str, item: str, request: dict[str, str], context: Any) -> Reply:
        contexts.append(context)
        assert eventually(lambda: context.cancelled)
        return Reply(Status(), [])

    serve(call)
    stream = pipes.PipeStream(NAME, 5)
    stream.send(call_bytes("t"), 5)
    assert eventually(lambda: len(contexts) == 1)
    assert not contexts[0].cancelled
    stream.close()
    assert eventually(lambda: contexts[0].cancelled)


def test_a_caller_that_does_not_read_is_dropped(serve: Callable[..., Server], pipes: Any) -> None:
    server = serve(
        lambda registry, item, request, context: Reply(Status(), [{"v": "x" * 1_000_000}]),
        options=ServerOptions(send_timeout=0.2),
    )
    stream = pipes.PipeStream(NAME, 5)
    stream.send(call_bytes("t"), 5)
    assert eventually(lambda: bool(server.running))
    assert eventually(lambda: not server.running, 2)
    stream.close()


def test_a_message_must_be_complete_in_time(serve: Callable[..., Server], pipes: Any) -> None:
    serve(options=ServerOptions(message_timeout=0.2))
    stream, silent = pipes.PipeStream(NAME, 5), pipes.PipeStream(NAME, 5)
    stream.send(PING[:9], 5)
    assert stream.receive(3) == b""
    assert pong(silent)
    stream.close()
    silent.close()


def test_connections_that_never_speak_give_way(serve: Callable[..., Server], pipes: Any) -> None:
    serve(max_connections=5)
    silent = [pipes.PipeStream(NAME, 5) for _ in range(12)]
    assert pong(silent[-1])
    assert silent[0].receive(3) == b""
    for stream in silent:
        stream.close()


def test_the_system_limits_the_number_of_connections(serve: Callable[..., Server], pipes: Any) -> None:
    serve()
    silent = [pipes.PipeStream(NAME, 5) for _ in range(100)]
    with ExtensionConnection(NAME) as extension:
        assert extension.ping().code == 0
    for stream in silent:
        stream.close()


def test_stop_cuts_off_what_runs(serve: Callable[..., Server], pipes: Any) -> None:
    server = serve(
        lambda registry, item, request, context: Reply(Status(), [{"v": "x" * 1_000_000}]),
        options=ServerOptions(stop_timeout=0.2, send_timeout=20),
    )
    stream = pipes.PipeStream(NAME, 5)
    stream.send(call_bytes("t"), 5)
    assert eventually(lambda: bool(server.running))
    start = time.monotonic()
    server.stop()
    assert time.monotonic() - start < 2
    stream.close()


def test_the_client_waits_no_longer_than_its_timeout(pipes: Any) -> None:
    listener = pipes.PipeListener(NAME, max_connections=5)
    try:
        first = ExtensionConnection(NAME, timeout=1)
        start = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            first.ping(timeout=0.2)
        assert 0.15 < time.monotonic() - start < 1
        start = time.monotonic()
        with pytest.raises(ConnectionFailed, match="timed out"):
            ExtensionConnection(NAME, timeout=0.2)
        assert 0.15 < time.monotonic() - start < 1
        with pytest.raises(ConnectionFailed, match="is closed"):
            first.ping()
    finally:
        listener.close()
        listener.close()


def test_the_client_does_not_wait_for_ever_to_be_read(pipes: Any) -> None:
    listener = pipes.PipeListener(NAME, max_connections=5)
    try:
        with ExtensionConnection(NAME, timeout=0.2) as extension, pytest.raises(DeadlineExceeded):
            extension.call("table", "t", {"k": "v" * 1_000_000})
    finally:
        listener.close()


@pytest.mark.slow
def test_types_hold_on_windows() -> None:
    """mypy finds no error in the code that only Windows runs."""
    pytest.importorskip("mypy")
    modules = [f"osquery_sdk.wire.{name}" for name in ("pipes", "windows", "transport")]
    command = [sys.executable, "-m", "mypy", "--platform", "win32", *(a for m in modules for a in ("-m", m))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
