"""Check the client with answers that are whole, broken, late, too large, or to another question."""

from __future__ import annotations

import time
from struct import pack
from typing import TYPE_CHECKING, Any

import pytest
from thrift.Thrift import TMessageType

from osquery_sdk.errors import ConnectionFailed, DeadlineExceeded, ProtocolError, RemoteError
from osquery_sdk.wire.client import ExtensionConnection
from osquery_sdk.wire.codec import Limits
from osquery_sdk.wire.gen import Extension, ttypes
from osquery_sdk.wire.protocol import Reply, Status, encode_exception

from .support import PING, PONG, call_bytes, oracle_write

if TYPE_CHECKING:
    from .conftest import Serve

SIZE = len(call_bytes("t", {}))


OK = ttypes.ExtensionStatus(0, "OK", 0)


def answer(rows: list[dict[str, bytes]] | None, status: Any = OK) -> bytes:
    """Return a reply to `call`, written by Thrift."""
    result = Extension.call_result(ttypes.ExtensionResponse(status, rows))
    return oracle_write("call", TMessageType.REPLY, 0, result)


LARGE = [{"k": b"v" * 1000}] * 200
NOTHING = oracle_write("call", TMessageType.REPLY, 0, Extension.call_result())
PONG_ALONE = oracle_write("ping", TMessageType.REPLY, 0, Extension.ping_result())


@pytest.mark.parametrize("raw", [False, True], ids=["text", "bytes"])
@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        (b"", ConnectionFailed, "closed the connection before it had answered"),
        (answer([])[:30], ConnectionFailed, "closed the connection before it had answered"),
        (answer(LARGE)[:-1], ConnectionFailed, "closed the connection before it had answered"),
        (answer(LARGE)[:100_000], ConnectionFailed, "closed the connection before it had answered"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ProtocolError, "not a message"),
        (PONG, ProtocolError, "answer to 'ping' where one to 'call' belongs"),
        (b"\x80\x01\x00\x01" + answer([])[4:], ProtocolError, "message of type 1 where a reply belongs"),
        (answer([], None), ProtocolError, "without a status"),
        (answer(LARGE, None), ProtocolError, "without a status"),
        (NOTHING, RemoteError, "call returned nothing"),
        (answer([]) + b"\0", ProtocolError, "bytes behind the answer"),
        (answer(LARGE) + PONG, ProtocolError, "bytes behind the answer"),
        (encode_exception("call", 0, "no such thing"), RemoteError, "^no such thing$"),
        (encode_exception("call", 0, ""), RemoteError, "^unknown error$"),
        (encode_exception("call", 0, "x") + b"\0", ProtocolError, "bytes behind the answer"),
        (answer(LARGE).replace(b"\x0f\0\2\x0d", b"\x0f\0\2\x08"), ProtocolError, "."),
        (answer([{}]).replace(b"\x0f\0\2\x0d", b"\x0f\0\2\x08"), ProtocolError, "."),
    ],
)
def test_invalid_answers(raw: bool, reply: bytes, error: type[Exception], message: str, replay: Any) -> None:
    with ExtensionConnection(replay(reply, SIZE), timeout=5) as extension:
        with pytest.raises(error, match=message):
            (extension.call_raw if raw else extension.call)("table", "t", {})
        if error in (ConnectionFailed, ProtocolError):
            # The rest of the answer may still arrive on such a connection, so it is not used again.
            with pytest.raises(ConnectionFailed):
                extension.ping()


def test_a_pong_without_a_status_is_an_error(replay: Any) -> None:
    with ExtensionConnection(replay(PONG_ALONE, len(PING))) as extension, pytest.raises(RemoteError):
        extension.ping()


@pytest.mark.parametrize(
    "rows", [None, [], [{}], [{"k": b""}], LARGE], ids=["none", "0", "empty", "1", "large"]
)
def test_sound_answers(rows: list[dict[str, bytes]] | None, replay: Any) -> None:
    with ExtensionConnection(replay(answer(rows), SIZE)) as extension:
        assert extension.call_raw("table", "t", {}) == (Status(), rows or [])
    with ExtensionConnection(replay(answer(rows), SIZE)) as extension:
        expected = [{k: v.decode() for k, v in row.items()} for row in rows or []]
        status, received = extension.call("table", "t", {})
        assert (status, list(received)) == (Status(), expected)


@pytest.mark.parametrize("count", [1, 3000])
def test_bytes_that_are_not_utf8(count: int, serve: Serve) -> None:
    running = serve(lambda *_: Reply(Status(), [{"k": "\udcff\udc00 \u00e9"}] * count))
    with ExtensionConnection(running.path) as extension:
        rows = extension.call("table", "t", {}).rows
        assert list(rows) == [{"k": "\udcff\ufffd \u00e9"}] * count
        assert extension.call_raw("table", "t", {})[1][-1] == {"k": b"\xff\xef\xbf\xbd \xc3\xa9"}


@pytest.mark.parametrize("size", [1, 7, 64])
def test_answers_in_pieces(size: int, replay: Any) -> None:
    rows = [{"k": b"value", "l": b""}] * 20
    reply = answer(rows)
    pieces = [reply[at : at + size] for at in range(0, len(reply), size)]
    for call in ("call", "call_raw"):
        with ExtensionConnection(replay(pieces, SIZE)) as extension:
            assert len(getattr(extension, call)("table", "t", {})[1]) == 20


@pytest.mark.parametrize("call", ["call", "call_raw"])
@pytest.mark.parametrize("head", [b"", answer([])[:25], answer(LARGE)[:90_000]], ids=["none", "some", "much"])
def test_an_answer_that_does_not_come_in_time(head: bytes, call: str, replay: Any) -> None:
    with ExtensionConnection(replay(head, SIZE, linger=2), timeout=5) as extension:
        start = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            getattr(extension, call)("table", "t", {}, timeout=0.2)
        assert 0.15 < time.monotonic() - start < 1


@pytest.mark.parametrize("call", ["call", "call_raw"])
def test_an_answer_that_never_ends(call: str, path: str) -> None:
    """The whole answer must arrive within the timeout, however steadily its bytes come."""
    import socket
    import threading

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()

        def drip() -> None:
            sock, _ = listening.accept()
            with sock:
                sock.recv(65536)
                try:
                    sock.sendall(answer([])[:-2][:-4] + pack(">i", 1_000_000))
                    while True:
                        sock.sendall(b"\x0b\x0b\0\0\0\0")
                        time.sleep(0.01)
                except OSError:
                    pass

        thread = threading.Thread(target=drip)
        thread.start()
        with ExtensionConnection(path, timeout=0.3) as extension:
            start = time.monotonic()
            with pytest.raises(DeadlineExceeded):
                getattr(extension, call)("table", "t", {})
            assert time.monotonic() - start < 1
        thread.join()


@pytest.mark.parametrize(
    "limits",
    [Limits(message=100_000), Limits(string=999), Limits(elements=199)],
    ids=["message", "string", "elements"],
)
@pytest.mark.parametrize("call", ["call", "call_raw"])
def test_answers_over_a_limit(limits: Limits, call: str, replay: Any) -> None:
    path = replay(answer(LARGE), SIZE)
    with ExtensionConnection(path, limits=limits) as extension, pytest.raises(ProtocolError):
        getattr(extension, call)("table", "t", {})


def test_a_request_that_is_not_read(path: str) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        with ExtensionConnection(path, timeout=0.3) as extension:
            start = time.monotonic()
            with pytest.raises(DeadlineExceeded, match="has not read"):
                extension.call("table", "t", {"k": "v" * 10_000_000})
            assert time.monotonic() - start < 1


def test_a_closed_connection_says_so(serve: Serve) -> None:
    extension = ExtensionConnection(serve().path)
    extension.close()
    extension.close()
    with pytest.raises(ConnectionFailed):
        extension.ping()


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_no_time_left(seconds: float, serve: Serve) -> None:
    with ExtensionConnection(serve().path) as extension, pytest.raises(DeadlineExceeded):
        extension.ping(timeout=seconds)
