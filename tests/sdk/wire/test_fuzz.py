"""Send thousands of invalid messages to server and client.

Nothing crashes, hangs or grows, and the next valid request works.
"""

from __future__ import annotations

import socket
import threading
from struct import pack
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TApplicationException, TMessageType
from thrift.transport.TTransport import TMemoryBuffer

from osquery_sdk.errors import ConnectionFailed, DeadlineExceeded, ProtocolError, RemoteError
from osquery_sdk.wire.client import ManagerConnection
from osquery_sdk.wire.codec import Limits
from osquery_sdk.wire.gen import Extension, ExtensionManager
from osquery_sdk.wire.protocol import ExtensionInfo, Response, Status

from .support import (
    PING,
    PONG,
    call_bytes,
    connected,
    eventually,
    extension_exchanges,
    manager_exchanges,
    ping_works,
    receive,
    until_closed,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import ServerProcess

REQUESTS = [
    *(exchange.request for exchange in extension_exchanges()),
    *(bytes.fromhex(exchange["sent"]) for exchange in manager_exchanges()),
]
REPLIES = [
    *(exchange.reply for exchange in extension_exchanges()),
    *(bytes.fromhex(exchange["received"]) for exchange in manager_exchanges()),
]
HEADS = [
    b"\x80\x01\x00\x01",
    b"\x80\x01\x00\x02",
    b"\x80\x01\x00\x03",
    PING[:12],
    PING[:16],
    call_bytes("t")[:16],
]
NUMBERS = [pack(">i", n) for n in (-(2**31), -1, 0, 1, 2, 255, 65536, 2**20, 2**26 + 1, 2**31 - 1)]


@st.composite
def mutated(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """Draw a recorded message with random damage."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 5)):
            case 0:
                data[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case 1:
                data[at:at] = draw(st.binary(max_size=9))
            case 2:
                del data[at : at + draw(st.integers(1, 20))]
            case 3:
                data[at : at + 4] = draw(st.sampled_from(NUMBERS))
            case 4:
                data = data[:at]
            case _:
                data[at:at] = draw(st.sampled_from(originals))[:200]
    return bytes(data)


@st.composite
def nested(draw: st.DrawFn) -> bytes:
    """Draw a call with up to 3,000 containers in each other."""
    step = draw(st.sampled_from([b"\x0c\0\x05", b"\x0f\0\0\0\1", b"\x0d\x0d\0\0\0\1", b"\x0e\x0e\0\0\0\1"]))
    start = draw(st.sampled_from([b"\x0c\0\x09", b"\x0f\0\x09", b"\x0d\0\x09", b"\x0e\0\x09"]))
    return call_bytes("t")[:16] + start + step * draw(st.integers(1, 3000)) + draw(st.binary(max_size=9))


def messages(originals: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.one_of(
        mutated(originals),
        mutated(originals),
        st.builds(lambda head, body: head + body, st.sampled_from(HEADS), st.binary(max_size=60)),
        st.builds(
            lambda head, parts: head + b"".join(parts),
            st.sampled_from(HEADS),
            st.lists(
                st.sampled_from(
                    [*NUMBERS, b"\x0b\0\1", b"\x0c\0\0", b"\x0d\0\3\x0b\x0b", b"\x0f\0\2\x0d", b"\0"]
                )
            ),
        ),
        nested(),
        st.binary(max_size=200),
    )


def fuzzing(examples: int) -> settings:
    """Return settings without shrinking or a database: a failing example is reported as it was drawn."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def assert_replies(data: bytes) -> None:
    """Assert that the bytes are whole replies and exceptions, as Thrift reads them."""
    transport = TMemoryBuffer(data)
    protocol = TBinaryProtocol(transport, strictRead=True)
    while transport.cstringio_buf.tell() < len(data):
        word = protocol.readI32()
        # The name is an echo of the request, which may not be UTF-8.
        name = protocol.readBinary().decode("utf-8", "surrogateescape")
        protocol.readI32()
        kind = word & 0xFF
        assert kind in (TMessageType.REPLY, TMessageType.EXCEPTION)
        if kind == TMessageType.EXCEPTION:
            TApplicationException().read(protocol)
        else:
            result = getattr(ExtensionManager, f"{name}_result", None) or getattr(Extension, f"{name}_result")
            try:
                result().read(protocol)
            except UnicodeDecodeError:
                # An echo of keys that are not UTF-8, which Thrift for Python does not read.
                return


def send_and_hang_up(path: str, pieces: list[bytes], wait: bool) -> None:
    with connected(path, 10) as sock:
        try:
            for piece in pieces:
                sock.sendall(piece)
            if wait:
                # Send no more: a server that did not close now would wait for ever.
                sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        if wait:
            assert_replies(until_closed(sock))


def fuzz_server(process: ServerProcess, examples: int) -> None:
    for number in range(300):
        send_and_hang_up(process.path, [REQUESTS[number % len(REQUESTS)]], True)
    before = process.process.num_fds(), process.rss()

    with connected(process.path) as steady:

        @fuzzing(examples)
        @given(messages(REQUESTS), st.integers(0, 300), st.booleans())
        def run(data: bytes, cut: int, wait: bool) -> None:
            send_and_hang_up(process.path, [data[:cut], data[cut:]], wait)
            assert process.alive()
            # Ping on a connection that has been open all the time, and on a new one.
            steady.sendall(PING)
            assert receive(steady, len(PONG)) == PONG
            assert ping_works(process.path)

        run()
    assert process.process.num_threads() <= 8
    # The server may not have noticed the last closed connection yet.
    assert eventually(lambda: process.process.num_fds() <= before[0] + 1, 15)
    assert process.rss() - before[1] < 8 << 20


def test_two_thousand_bad_messages(serve_apart: Callable[..., ServerProcess]) -> None:
    fuzz_server(serve_apart(), 2000)


@pytest.mark.slow
def test_a_hundred_thousand_bad_messages(serve_apart: Callable[..., ServerProcess]) -> None:
    process = serve_apart()
    for _ in range(10):
        fuzz_server(process, 10_000)


def test_promises_of_large_messages_by_many_at_once(serve_apart: Callable[..., ServerProcess]) -> None:
    process = serve_apart(message_timeout=1.0)
    ping_works(process.path)
    before = process.rss()
    promise = call_bytes("t")[:16] + b"\x0b\0\1" + pack(">i", 63 << 20) + b"x" * 100
    socks = [connected(process.path) for _ in range(200)]
    try:
        for sock in socks:
            sock.sendall(promise)
        assert ping_works(process.path)
        assert process.rss() - before < 20 << 20
        for sock in socks:
            assert until_closed(sock) == b""
    finally:
        for sock in socks:
            sock.close()
    assert ping_works(process.path)


class Liar:
    """A server that answers every connection with its current `reply`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.reply = b""
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        self._listening.listen(8)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            sock, _ = self._listening.accept()
            with sock:
                try:
                    if not sock.recv(65536):
                        return
                    sock.sendall(self.reply)
                    sock.shutdown(socket.SHUT_WR)
                    until_closed(sock)
                except OSError:
                    pass

    def stop(self) -> None:
        connected(self.path).close()
        self._thread.join()
        self._listening.close()


CALLS: dict[str, Callable[[ManagerConnection], Any]] = {
    "ping": lambda c: c.ping(),
    "call": lambda c: c.call("table", "t", {}),
    "raw": lambda c: c.call_raw("table", "t", {}),
    "shutdown": lambda c: c.shutdown(),
    "extensions": lambda c: c.extensions(),
    "options": lambda c: c.options(),
    "registerExtension": lambda c: c.register_extension(ExtensionInfo("x"), {}),
    "deregisterExtension": lambda c: c.deregister_extension(1),
    "query": lambda c: c.query("select 1"),
    "getQueryColumns": lambda c: c.get_query_columns("select 1"),
}


def assert_sound(name: str, result: Any) -> None:
    """Assert that a decoded result has the type that the method promises."""
    if name in ("ping", "registerExtension", "deregisterExtension"):
        assert isinstance(result, Status)
        assert [type(value) for value in result] == [int, str, int]
    elif name in ("call", "query", "getQueryColumns"):
        assert isinstance(result, Response)
        pairs = [pair for row in result.rows for pair in row.items()]
        assert all(type(key) is str and type(value) is str for key, value in pairs)
    elif name == "raw":
        assert isinstance(result[0], Status)
        assert all(type(k) is str and type(v) is bytes for row in result[1] for k, v in row.items())
    elif name == "shutdown":
        assert result is None
    else:
        assert isinstance(result, dict)


def fuzz_client(path: str, examples: int) -> None:
    liar = Liar(path)
    heads = {
        name: pack(">I", 0x80010002) + pack(">i", len(wire)) + wire + pack(">i", 0)
        for name in CALLS
        for wire in [("call" if name == "raw" else name).encode()]
    }
    matching: dict[str, list[bytes]] = {
        name: [reply for reply in REPLIES if reply.startswith(head)] or [head + b"\0"]
        for name, head in heads.items()
    }

    @fuzzing(examples)
    @given(st.data(), st.sampled_from(sorted(CALLS)), st.booleans())
    def run(data: st.DataObject, name: str, large: bool) -> None:
        kind = data.draw(st.integers(0, 3))
        if kind == 0:
            liar.reply = data.draw(messages(REPLIES))
        elif kind == 1:
            liar.reply = heads[name] + data.draw(nested())[16:]
        else:
            liar.reply = data.draw(mutated(matching[name]))
        if large:
            # Large enough for the decoder in C, with the damage in the middle.
            row = b"\x0b\x0b\0\0\0\1\0\0\0\1k" + pack(">i", 90_000) + b"v" * 90_000
            status = b"\x0c\0\0\x0c\0\1\x08\0\1\0\0\0\0\x0b\0\2\0\0\0\2OK\x0a\0\3" + b"\0" * 8 + b"\0"
            liar.reply = heads[name] + status + b"\x0f\0\2\x0d\0\0\0\2" + row + liar.reply[20:]
        try:
            with ManagerConnection(path, timeout=10, limits=Limits(message=1 << 20)) as connection:
                assert_sound(name, CALLS[name](connection))
        except (ConnectionFailed, ProtocolError, RemoteError):
            pass
        except DeadlineExceeded as error:
            raise AssertionError("the client waited although the server had closed") from error

    try:
        run()
    finally:
        liar.stop()


def test_a_server_that_lies_to_the_client(path: str) -> None:
    fuzz_client(path, 400)


@pytest.mark.slow
def test_a_server_that_lies_to_the_client_for_long(directory: Path) -> None:
    for n in range(5):
        fuzz_client(str(directory / f"s{n}"), 10_000)
