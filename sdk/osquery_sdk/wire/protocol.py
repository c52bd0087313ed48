"""The messages of osquery's extension protocol: what is asked, what is answered, and their bytes.

`METHODS` is the interface definition (osquery.thrift) as data; server and client both read it. Field numbers and types
are those of osquery 5's own definition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from struct import unpack_from
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from ..errors import ProtocolError
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
    encode_field,
    encode_rows,
    encode_rows_header,
    encode_string,
    encode_value,
    pack_i32,
    pack_u32,
)

if TYPE_CHECKING:
    from collections.abc import Generator

CALL, REPLY, EXCEPTION, ONEWAY = 1, 2, 3, 4
_VERSION = 0x80010000

# TApplicationException's type numbers
UNKNOWN_METHOD, INVALID_MESSAGE_TYPE, INTERNAL_ERROR, PROTOCOL_ERROR = 1, 2, 6, 7


class Status(NamedTuple):
    """osquery's `ExtensionStatus`: code 0 is success; `uuid` identifies the extension that answers."""

    code: int = 0
    message: str = "OK"
    uuid: int = 0


class ExtensionInfo(NamedTuple):
    """What an extension says of itself when it registers."""

    name: str = ""
    version: str = ""
    sdk_version: str = ""
    min_sdk_version: str = ""


class OptionInfo(NamedTuple):
    """The value of one of osqueryd's flags."""

    value: str = ""
    default_value: str = ""
    type: str = ""


@runtime_checkable
class EncodedRows(Protocol):
    """Rows whose encoding is ready or can be made piece by piece while earlier pieces are being sent."""

    @property
    def count(self) -> int:
        """Number of rows."""

    def chunks(self) -> Iterator[bytes]:
        """The rows' encoding in order, without the list's header."""


class Response(NamedTuple):
    """osquery's `ExtensionResponse`: a status and rows of text."""

    status: Status = Status()
    rows: Sequence[Mapping[str, str]] | EncodedRows = ()


class ProtocolException(Exception):  # noqa: N818  it is Thrift's ExtensionException
    """Raised by a service to answer with the protocol's `ExtensionException`."""

    def __init__(self, code: int = 0, message: str = "", uuid: int = 0) -> None:
        """Take the exception's three fields."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.uuid = uuid


class ApplicationException(NamedTuple):
    """Thrift's own `TApplicationException`: the call itself failed."""

    message: str = ""
    type: int = 0


STATUS = StructOf(Status, (1, "code", I32), (2, "message", STRING), (3, "uuid", I64))
RESPONSE = StructOf(Response, (1, "status", STATUS), (2, "rows", ROWS))
EXTENSION_INFO = StructOf(
    ExtensionInfo, (1, "name", STRING), (2, "version", STRING), (3, "sdk_version", STRING), (4, "min_sdk_version", STRING)
)
OPTION_INFO = StructOf(OptionInfo, (1, "value", STRING), (2, "default_value", STRING), (3, "type", STRING))
REGISTRY = MapOf(STRING, MapOf(STRING, ROWS))
APPLICATION_EXCEPTION = StructOf(ApplicationException, (1, "message", STRING), (2, "type", I32))
EXTENSION_EXCEPTION = StructOf(ProtocolException, (1, "code", I32), (2, "message", STRING), (3, "uuid", I64))


class Method(NamedTuple):
    """One method of the two services: its name on the wire and in Python, its arguments and what it returns."""

    wire_name: str
    name: str
    arguments: tuple[tuple[str, Spec, Any], ...]
    """Name, type, and the value of an argument that was not sent."""
    result: Spec | None


_RPC = (
    Method("ping", "ping", (), STATUS),
    Method("call", "call", (("registry", STRING, ""), ("item", STRING, ""), ("request", STRING_MAP, {})), RESPONSE),
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
    method.wire_name: {number: (name, spec) for number, (name, spec, _) in enumerate(method.arguments, 1)} for method in _RPC
}


class Request(NamedTuple):
    """A call that was received: its method by wire name, its arguments in order."""

    name: str
    sequence: int
    arguments: tuple[Any, ...]


class Header(NamedTuple):
    """The head of any message."""

    name: str
    type: int
    sequence: int


class _UnknownMethod(ProtocolError):
    def __init__(self, header: Header) -> None:
        super().__init__(f"unknown method {header.name!r}")
        self.header = header


def read_header(decoder: Decoder) -> Generator[None, None, Header]:
    """A message's head; only the strict encoding is accepted, as osqueryd sends it."""
    word = yield from decoder.read_i32()
    if word & 0xFFFF0000 != _VERSION:
        raise ProtocolError("not a message of Thrift's strict binary protocol")
    name = yield from decoder.read_string()
    sequence = yield from decoder.read_i32()
    return Header(name, word & 0xFF, sequence)


class RequestReader:
    """Turns the bytes of one connection into requests.

    After a `ProtocolError` the connection can only be closed, but for `answer_to_error`.
    """

    __slots__ = ("_decoder", "_header", "_parser")

    def __init__(self, limits: Limits) -> None:
        """Take the limits for each message."""
        self._decoder = Decoder(limits)
        self._header: Header | None = None
        self._parser = self._parse()

    @property
    def pending(self) -> bool:
        """A message has begun to arrive and is not complete."""
        return len(self._decoder.buffer) > 0

    def feed(self, data: bytes) -> Request | None:
        """Add bytes (none: to go on with what came behind the last request); the next request once it is complete."""
        self._decoder.feed(data)
        try:
            next(self._parser)
        except StopIteration as done:
            request: Request = done.value
            self._decoder.start_message()
            self._header = None
            self._parser = self._parse()
            return request
        return None

    def _parse(self) -> Generator[None, None, Request]:
        decoder = self._decoder
        header = yield from read_header(decoder)
        self._header = header
        if header.type not in (CALL, ONEWAY):
            raise ProtocolError(f"message of type {header.type} where a call belongs")
        method = METHODS.get(header.name)
        if method is None:
            raise _UnknownMethod(header)
        fields = yield from decoder.read_fields(_ARGUMENT_FIELDS[header.name])
        arguments = tuple(fields.get(name, default) for name, _, default in method.arguments)
        return Request(header.name, header.sequence, arguments)

    def answer_to_error(self, error: ProtocolError) -> bytes | None:
        """What to send before the connection is closed, where the message's head told whom to answer."""
        if self._header is None:
            return None
        kind = UNKNOWN_METHOD if isinstance(error, _UnknownMethod) else PROTOCOL_ERROR
        return encode_exception(self._header.name, self._header.sequence, str(error), kind)


def _head(kind: int, name: str, sequence: int) -> bytes:
    return pack_u32(_VERSION | kind) + encode_string(name) + pack_i32(sequence)


def encode_exception(name: str, sequence: int, message: str, kind: int = INTERNAL_ERROR) -> bytes:
    """A reply that the call itself failed, as Thrift's own servers send it."""
    out = [_head(EXCEPTION, name, sequence)]
    encode_value(APPLICATION_EXCEPTION, ApplicationException(message, kind), out)
    return b"".join(out)


def encode_extension_exception(name: str, sequence: int, exception: ProtocolException) -> bytes:
    """A reply with the protocol's own exception, field 1 of the result."""
    out = [_head(REPLY, name, sequence), encode_field(STRUCT_T, 1)]
    encode_value(EXTENSION_EXCEPTION, exception, out)
    out.append(b"\0")
    return b"".join(out)


def encode_reply(request: Request, result: Any) -> Iterator[bytes]:
    """The reply to `request` in pieces; only a large answer has more than one."""
    head = _head(REPLY, request.name, request.sequence)
    spec = METHODS[request.name].result
    if spec is None:
        yield head + b"\0"
        return
    out = [head, encode_field(spec.ttype, 0)]
    if spec is not RESPONSE:
        encode_value(spec, result, out)
        out.append(b"\0")
        yield b"".join(out)
        return
    status, rows = result
    out.append(encode_field(STRUCT_T, 1))
    encode_value(STATUS, status, out)
    out.append(encode_field(LIST_T, 2))
    if isinstance(rows, Sequence):
        out.append(encode_rows_header(len(rows)))
        out.extend(encode_rows(rows))
    else:
        out.append(encode_rows_header(rows.count))
        previous = b""
        for chunk in rows.chunks():
            out.append(previous)
            if previous:
                yield b"".join(out)
                out.clear()
            previous = chunk
        out.append(previous)
    # The ends of the response and of the result travel with the last rows: a small answer is one write.
    out.append(b"\0\0")
    yield b"".join(out)


def encode_call(method: Method, arguments: Sequence[Any]) -> bytes:
    """A request, with sequence number 0 as osquery's own clients send it."""
    out = [_head(CALL, method.wire_name, 0)]
    for number, ((_, spec, _), value) in enumerate(zip(method.arguments, arguments, strict=True), 1):
        out.append(encode_field(spec.ttype, number))
        encode_value(spec, value, out)
    out.append(b"\0")
    return b"".join(out)


def message_type(data: bytes) -> int:
    """The type in the first four bytes of a message."""
    return int(unpack_from(">I", data)[0]) & 0xFF
