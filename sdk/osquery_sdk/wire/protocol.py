"""Messages of osquery's extension protocol: requests, replies, and their bytes.

`METHODS` is the interface definition (osquery.thrift) as data, which server and client both read. Field
numbers and types are those of osquery 5's own definition.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from ..errors import ProtocolError
from ..vocabulary import FAILURE, SUCCESS
from .codec import (
    I32,
    I64,
    LIST_T,
    ROWS,
    STRING,
    STRING_MAP,
    STRUCT_T,
    Decoder,
    Limits,
    MapOf,
    Spec,
    StructOf,
    encode_rows,
    encode_rows_header,
    encode_string,
    encode_value,
    pack_field,
    pack_i32,
    pack_u32,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

CALL, REPLY, EXCEPTION, ONEWAY = 1, 2, 3, 4
_VERSION = 0x80010000
_SMALL = 4096
# Rows encoded at once, so that a large answer is never in memory a second time.
_BATCH = 500
_LONGEST_NAME = 128

# TApplicationException's type numbers
UNKNOWN_METHOD, INTERNAL_ERROR, PROTOCOL_ERROR = 1, 6, 7


class Status(NamedTuple):
    """osquery's `ExtensionStatus`. Code 0 is success; `uuid` identifies the extension that answers."""

    code: int = SUCCESS
    message: str = "OK"
    uuid: int = 0


_OK = Status()


class ExtensionInfo(NamedTuple):
    """The name and versions that an extension registers with."""

    name: str = ""
    version: str = ""
    sdk_version: str = ""
    min_sdk_version: str = ""


class OptionInfo(NamedTuple):
    """The value of one of osqueryd's flags."""

    value: str = ""
    default_value: str = ""
    type: str = ""


class EncodedRows(Protocol):
    """Rows that are encoded already, or piece by piece while earlier pieces are sent.

    To tell them from other rows, ask whether rows are a tuple or a list: from Python 3.12 on, `isinstance` of
    a protocol imports `inspect`.
    """

    @property
    def count(self) -> int:
        """Return the number of rows."""

    def chunks(self) -> Iterator[bytes]:
        """Yield the rows' encoding in order, without the list's header."""


class Response(NamedTuple):
    """osquery's `ExtensionResponse` as it was received: a status and rows of text."""

    status: Status = Status()
    rows: Sequence[dict[str, str]] = ()


class Reply(NamedTuple):
    """osquery's `ExtensionResponse` as it is to be sent; its rows may be encoded already."""

    status: Status = Status()
    rows: tuple[Mapping[str, str], ...] | list[dict[str, str]] | EncodedRows = ()

    @classmethod
    def failure(cls, message: str) -> Self:
        """Return a reply without rows that says what went wrong."""
        return cls(Status(FAILURE, message))


class ApplicationException(NamedTuple):
    """Thrift's own `TApplicationException`: the call itself failed."""

    message: str = ""
    type: int = 0


STATUS = StructOf(Status, (1, "code", I32), (2, "message", STRING), (3, "uuid", I64))


def _response(status: Status | None = None, rows: list[dict[str, str]] | tuple[()] = ()) -> Response:
    if status is None:
        raise ProtocolError("an answer without a status")
    return Response(status, rows)


RESPONSE = StructOf(_response, (1, "status", STATUS), (2, "rows", ROWS))
EXTENSION_INFO = StructOf(
    ExtensionInfo,
    (1, "name", STRING),
    (2, "version", STRING),
    (3, "sdk_version", STRING),
    (4, "min_sdk_version", STRING),
)
OPTION_INFO = StructOf(OptionInfo, (1, "value", STRING), (2, "default_value", STRING), (3, "type", STRING))
REGISTRY = MapOf(STRING, MapOf(STRING, ROWS))
APPLICATION_EXCEPTION = StructOf(ApplicationException, (1, "message", STRING), (2, "type", I32))


class Method(NamedTuple):
    """One method of the two services: its name on the wire and in Python, its arguments and its result."""

    wire_name: str
    name: str
    arguments: tuple[tuple[str, Spec, Any], ...]
    """Name, type, and the value of an argument that was not sent."""
    result: Spec | None


_RPC = (
    Method("ping", "ping", (), STATUS),
    Method(
        "call",
        "call",
        (("registry", STRING, ""), ("item", STRING, ""), ("request", STRING_MAP, {})),
        RESPONSE,
    ),
    Method("shutdown", "shutdown", (), None),
    Method("extensions", "extensions", (), MapOf(I64, EXTENSION_INFO)),
    Method("options", "options", (), MapOf(STRING, OPTION_INFO)),
    Method(
        "registerExtension",
        "register_extension",
        (("info", EXTENSION_INFO, ExtensionInfo()), ("registry", REGISTRY, {})),
        STATUS,
    ),
    Method("deregisterExtension", "deregister_extension", (("uuid", I64, 0),), STATUS),
    Method("query", "query", (("sql", STRING, ""),), RESPONSE),
    Method("getQueryColumns", "get_query_columns", (("sql", STRING, ""),), RESPONSE),
)
METHODS: Mapping[str, Method] = {method.wire_name: method for method in _RPC}
_ARGUMENT_FIELDS = {
    method.wire_name: {number: (name, spec) for number, (name, spec, _) in enumerate(method.arguments, 1)}
    for method in _RPC
}


class Request(NamedTuple):
    """A call that was received: its method by wire name, its arguments in order."""

    name: str
    sequence: int
    arguments: tuple[Any, ...]


class Header(NamedTuple):
    """The head of a message: method, message type and sequence number."""

    name: str
    type: int
    sequence: int


class _UnknownMethod(ProtocolError):
    def __init__(self, header: Header) -> None:
        super().__init__(f"unknown method {header.name!r}")
        self.header = header


def read_header(decoder: Decoder) -> Generator[None, None, Header]:
    """Read a message's head; only the strict encoding is accepted, which osqueryd sends."""
    word = yield from decoder.read_i32()
    if word & 0xFFFF0000 != _VERSION:
        raise ProtocolError("not a message of Thrift's strict binary protocol")
    name = yield from decoder.read_string(_LONGEST_NAME)
    sequence = yield from decoder.read_i32()
    return Header(name, word & 0xFF, sequence)


class RequestReader:
    """Turn the bytes of one connection into requests.

    After a `ProtocolError` send `answer_to_error` and close the connection: nothing else can be read from it.
    """

    __slots__ = ("_decoder", "_heads", "_parser", "began")

    def __init__(self, limits: Limits) -> None:
        """Take the limits for each message."""
        self.began = monotonic()
        """Time at which the current message began, by `time.monotonic()`."""
        self._decoder = Decoder(limits)
        self._heads: list[Header] = []
        self._parser = _parse(self._decoder, self._heads)

    @property
    def pending(self) -> bool:
        """Return whether a message has begun to arrive and is not complete."""
        return len(self._decoder.buffer) > 0

    def feed(self, data: bytes) -> Request | None:
        """Add bytes; return the next request once it is complete."""
        self._decoder.feed(data)
        return self._advance()

    def next(self) -> Request | None:
        """Go on with the bytes that came after the last request."""
        self.began = monotonic()
        return self._advance()

    def _advance(self) -> Request | None:
        try:
            next(self._parser)
        except StopIteration as done:
            request: Request = done.value
            self._decoder.start_message()
            self._heads.clear()
            self._parser = _parse(self._decoder, self._heads)
            return request
        return None

    def answer_to_error(self, error: ProtocolError) -> bytes | None:
        """Return the bytes to send before closing; None if the message's head was not read."""
        if not self._heads:
            return None
        (head,) = self._heads
        kind = UNKNOWN_METHOD if isinstance(error, _UnknownMethod) else PROTOCOL_ERROR
        return encode_exception(head.name, head.sequence, str(error), kind)


def _parse(decoder: Decoder, heads: list[Header]) -> Generator[None, None, Request]:
    """Read one request; put its head into `heads` first.

    This is not a method: a generator would hold on to the reader, and the megabytes of a broken connection
    would wait for the garbage collector.
    """
    header = yield from read_header(decoder)
    heads.append(header)
    if header.type not in (CALL, ONEWAY):
        raise ProtocolError(f"message of type {header.type} where a call belongs")
    method = METHODS.get(header.name)
    if method is None:
        raise _UnknownMethod(header)
    fields = yield from decoder.read_fields(_ARGUMENT_FIELDS[header.name])
    arguments = tuple(
        fields[name] if name in fields else _own(default) for name, _, default in method.arguments
    )
    return Request(header.name, header.sequence, arguments)


def _own(default: Any) -> Any:
    """Return the default of an argument, as a copy if a service could change it."""
    return default.copy() if isinstance(default, dict) else default


def _head(kind: int, name: str, sequence: int) -> bytes:
    return pack_u32(_VERSION | kind) + encode_string(name) + pack_i32(sequence)


def encode_exception(name: str, sequence: int, message: str, kind: int = INTERNAL_ERROR) -> bytes:
    """Return a reply that says that the call itself failed, in the form of Thrift's own servers."""
    out = [_head(EXCEPTION, name, sequence)]
    encode_value(APPLICATION_EXCEPTION, ApplicationException(message, kind), out)
    return b"".join(out)


def _answer_head(name: str, sequence: int, status: Status) -> bytes:
    """Return the bytes of a reply up to its rows."""
    out = [_head(REPLY, name, sequence), pack_field(STRUCT_T, 0), pack_field(STRUCT_T, 1)]
    encode_value(STATUS, status, out)
    out.append(pack_field(LIST_T, 2))
    return b"".join(out)


_OK_ANSWER_HEAD = _answer_head("call", 0, _OK)
# The stop bytes of the response and of the result travel with the last rows: a small answer is one write.
_ANSWER_END = b"\0\0"


def encode_reply(request: Request, result: Any) -> Iterator[bytes]:
    """Return the pieces of the reply to `request`; only a large answer has more than one."""
    name, sequence, _ = request
    spec = METHODS[name].result
    if spec is RESPONSE:
        return _encode_answer(name, sequence, result)
    out = [_head(REPLY, name, sequence)]
    if spec is not None:
        out.append(pack_field(spec.ttype, 0))
        encode_value(spec, result, out)
    out.append(b"\0")
    return iter((b"".join(out),))


def _encode_answer(name: str, sequence: int, reply: Reply) -> Iterator[bytes]:
    status, rows = reply
    if name == "call" and not sequence and status == _OK:
        head = _OK_ANSWER_HEAD
    else:
        head = _answer_head(name, sequence, status)
    if not isinstance(rows, (tuple, list)):
        head += encode_rows_header(rows.count)
        if rows.count <= 1:
            return iter((b"".join((head, *rows.chunks(), _ANSWER_END)),))
        return _pieces(head, rows.chunks())
    count = len(rows)
    head += encode_rows_header(count)
    if count <= _BATCH:
        return iter((b"".join((head, *encode_rows(rows), _ANSWER_END)),))
    return _pieces(head, (b"".join(encode_rows(rows[at : at + _BATCH])) for at in range(0, count, _BATCH)))


def _pieces(pending: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield pieces to write at once: large chunks as they are, small ones joined."""
    for chunk in chunks:
        if len(pending) > _SMALL:
            yield pending
            pending = chunk
        else:
            pending += chunk
    yield pending + _ANSWER_END


def encode_call(method: Method, arguments: Sequence[Any]) -> bytes:
    """Return a request with sequence number 0, which osquery's own clients send."""
    out = [_head(CALL, method.wire_name, 0)]
    for number, ((_, spec, _), value) in enumerate(zip(method.arguments, arguments, strict=True), 1):
        out.append(pack_field(spec.ttype, number))
        encode_value(spec, value, out)
    out.append(b"\0")
    return b"".join(out)
