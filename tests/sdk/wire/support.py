"""Recordings, Thrift's own codec as an oracle, and services made of a function, for these tests."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TMessageType
from thrift.transport.TTransport import TMemoryBuffer

from osquery_sdk.wire.gen import Extension, ExtensionManager
from osquery_sdk.wire.protocol import ExtensionInfo, Reply, Request, Status
from osquery_sdk.wire.server import CallContext, Server

from ...support.paths import RECORDINGS

PING = bytes.fromhex("800100010000000470696e670000000000")
PONG = bytes.fromhex(
    "800100020000000470696e67000000000c0000080001000000000b0002000000024f4b0a000300000000000000000000"
)


class Exchange(NamedTuple):
    """A recorded request and its reply."""

    request: bytes
    reply: bytes


def _recorded() -> list[list[dict[str, Any]]]:
    queries = json.loads((RECORDINGS / "queries.json").read_bytes())["queries"]
    plugins = json.loads((RECORDINGS / "plugins.json").read_bytes())["exchanges"]
    return [*(query["exchanges"] for query in queries), [e for e in plugins if "received" in e]]


@cache
def extension_exchanges() -> tuple[Exchange, ...]:
    """Return every exchange between osqueryd and the recorded extensions, each different one once."""
    exchanges = (
        Exchange(bytes.fromhex(e["received"]), bytes.fromhex(e["sent"]))
        for recording in _recorded()
        for e in recording
    )
    return tuple(dict.fromkeys(exchanges))


@cache
def recorded_calls() -> tuple[tuple[dict[str, Any], bytes], ...]:
    """Return the calls that the recording describes in words, each with its bytes.

    In seven places, a call and the ping that came next have each other's bytes: they arrived at the same
    time, on different connections. They are swapped back here.
    """
    calls = []
    for exchanges in _recorded():
        for exchange, following in zip(exchanges, [*exchanges[1:], {}], strict=False):
            if "call" in exchange:
                swapped = bytes.fromhex(exchange["received"]) == PING
                data = following["received"] if swapped else exchange["received"]
                calls.append((exchange["call"], bytes.fromhex(data)))
    return tuple(calls)


@cache
def manager_exchanges() -> tuple[dict[str, Any], ...]:
    """Return the requests of a client to osqueryd with the replies, both decoded and as bytes."""
    exchanges: list[dict[str, Any]] = json.loads((RECORDINGS / "manager.json").read_bytes())["exchanges"]
    return tuple(exchanges)


def rows_of(answer: Any) -> list[dict[str, str]]:
    """Return the rows of a generated ExtensionResponse as text."""
    return [{k: v.decode("utf-8", "surrogateescape") for k, v in row.items()} for row in answer.response]


def oracle_read(data: bytes) -> tuple[str, int, int, Any]:
    """Read one message with Thrift and the generated code.

    Returns:
        Name, type, sequence number, and the arguments or the result.
    """
    transport = TMemoryBuffer(data)
    protocol = TBinaryProtocol(transport, strictRead=True)
    name, kind, sequence = protocol.readMessageBegin()
    suffix = "args" if kind == TMessageType.CALL else "result"
    struct = getattr(ExtensionManager, f"{name}_{suffix}", None) or getattr(Extension, f"{name}_{suffix}")
    value = struct()
    value.read(protocol)
    assert transport.cstringio_buf.tell() == len(data), "bytes left over"
    return name, kind, sequence, value


def oracle_write(name: str, kind: int, sequence: int, value: Any) -> bytes:
    """Return the message that Thrift writes."""
    transport = TMemoryBuffer()
    protocol = TBinaryProtocol(transport)
    protocol.writeMessageBegin(name, kind, sequence)
    value.write(protocol)
    protocol.writeMessageEnd()
    data: bytes = transport.getvalue()
    return data


def call_bytes(item: str, request: Mapping[str, str] = {}, *, sequence: int = 0) -> bytes:
    """Return a call of the table plugin `item`, written by Thrift."""
    arguments = Extension.call_args("table", item, dict(request))
    return oracle_write("call", TMessageType.CALL, sequence, arguments)


Call = Callable[[str, str, dict[str, str], CallContext], Reply]


class Service:
    """A service whose `call` is a function."""

    def __init__(self, call: Call | None = None) -> None:
        self._call = call or (lambda registry, item, request, context: Reply(Status(), [request]))
        self.shutdowns = 0

    def ping(self) -> Status:
        return Status()

    def call(self, registry: str, item: str, request: dict[str, str], context: CallContext) -> Reply:
        return self._call(registry, item, request, context)

    def shutdown(self) -> None:
        self.shutdowns += 1


class Manager(Service):
    """A manager that notes the arguments of the last request, and answers all but pings with `reply`."""

    def __init__(self) -> None:
        super().__init__(self._plugin)
        self.reply: Any = None
        self.arguments: Any = None

    def _answer(self, *arguments: Any) -> Any:
        self.arguments = arguments
        return self.reply

    def _plugin(self, registry: str, item: str, request: dict[str, str], context: CallContext) -> Reply:
        response: Reply = self._answer(registry, item, request)
        return response

    def extensions(self) -> Any:
        return self._answer()

    def options(self) -> Any:
        return self._answer()

    def register_extension(self, info: ExtensionInfo, registry: Mapping[str, Any]) -> Any:
        return self._answer(info, registry)

    def deregister_extension(self, uuid: int) -> Any:
        return self._answer(uuid)

    def query(self, sql: str) -> Any:
        return self._answer(sql)

    def get_query_columns(self, sql: str) -> Any:
        return self._answer(sql)


class Running(NamedTuple):
    """A server that runs in this process."""

    path: str
    server: Server
    errors: list[tuple[str, BaseException]]


def connected(path: str, timeout: float = 10) -> socket.socket:
    """Return a connected socket of the standard library."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(timeout)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


def receive(sock: socket.socket, size: int) -> bytes:
    """Receive exactly `size` bytes, or fewer if the stream ends before."""
    data = b""
    while len(data) < size and (piece := sock.recv(size - len(data))):
        data += piece
    return data


def until_closed(sock: socket.socket) -> bytes:
    """Receive until the other side closes."""
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def ask(path: str, request: bytes, size: int) -> bytes:
    """Send a request on a new connection, as osqueryd does, and return a reply of `size` bytes."""
    with connected(path) as sock:
        sock.sendall(request)
        return receive(sock, size)


def ping_works(path: str) -> bool:
    """Return whether the server answers a ping."""
    return ask(path, PING, len(PONG)) == PONG


def eventually(condition: Callable[[], bool], seconds: float = 5) -> bool:
    """Return whether the condition comes true within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def usual(request: Request) -> tuple[str, int, tuple[Any, ...]]:
    """Return a request as a tuple that compares by content."""
    return tuple(request)  # type: ignore[return-value]
