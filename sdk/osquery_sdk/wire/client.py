"""The calling side: one connection to an extension or to an extension manager."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from ..errors import ConnectionFailed, ProtocolError, RemoteError, WireTimeout
from .codec import ANSWER_LIMITS, Decoder, Limits
from .protocol import (
    APPLICATION_EXCEPTION,
    EXCEPTION,
    METHODS,
    REPLY,
    RESPONSE,
    ExtensionInfo,
    OptionInfo,
    Response,
    Status,
    encode_call,
    read_header,
)
from .transport import connect

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from .streams import Stream

_SMALL_ANSWER = 64 << 10


class ExtensionConnection:
    """One connection for calls to an extension. Not thread-safe; a context manager.

    Every method raises ConnectionFailed, WireTimeout, ProtocolError, or RemoteError for a Thrift exception.
    After any of the first three the connection is closed.
    """

    def __init__(self, address: str, *, timeout: float = 10.0, limits: Limits = ANSWER_LIMITS) -> None:
        """Connect to the socket at `address`.

        Args:
            address: path of the socket, or name of the pipe.
            timeout: seconds for connecting, and for each call without a timeout of its own.
            limits: bounds on the size of an answer.
        """
        self._address = address
        self._timeout = timeout
        self._limits = limits
        self._stream: Stream = connect(address, timeout=timeout)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection; closing twice is harmless."""
        self._stream.close()

    def ping(self, *, timeout: float | None = None) -> Status:
        """Ask whether the other side is alive."""
        return Status(*self._exchange("ping", (), timeout))

    def call(
        self, registry: str, item: str, request: Mapping[str, str], *, timeout: float | None = None
    ) -> Response:
        """Call a plugin. Rows are text, with surrogate escapes for bytes that are not UTF-8."""
        return Response(*self._exchange("call", (registry, item, request), timeout))

    def call_raw(
        self, registry: str, item: str, request: Mapping[str, str], *, timeout: float | None = None
    ) -> tuple[Status, list[dict[str, bytes]]]:
        """Call a plugin; the values of the rows are the bytes that were sent. Quicker for large answers."""
        status, rows = self._exchange("call", (registry, item, request), timeout, raw=True)
        return status, rows

    def shutdown(self, *, timeout: float | None = None) -> None:
        """Ask the extension to stop."""
        self._exchange("shutdown", (), timeout)

    def _exchange(
        self, name: str, arguments: Sequence[Any], timeout: float | None, *, raw: bool = False
    ) -> Any:
        """Send a request and read its reply; a broken connection is closed."""
        seconds = self._timeout if timeout is None else timeout
        try:
            return self._exchange_on_stream(name, arguments, seconds, raw=raw)
        except (ConnectionFailed, WireTimeout, ProtocolError):
            self.close()
            raise

    def _exchange_on_stream(self, name: str, arguments: Sequence[Any], timeout: float, *, raw: bool) -> Any:
        method = METHODS[name]
        answer = _Answer(self._stream, self._address, self._limits, timeout)
        self._stream.send(encode_call(method, arguments), timeout)
        header = answer.read(read_header(answer.decoder))
        if header.name != name:
            raise ProtocolError(f"answer to {header.name!r} where one to {name!r} belongs")
        if header.type == EXCEPTION:
            problem = answer.read_last(answer.decoder.read(APPLICATION_EXCEPTION))
            raise RemoteError(problem.message or "unknown error", code=-1)
        if header.type != REPLY:
            raise ProtocolError(f"message of type {header.type} where a reply belongs")
        buffer = answer.decoder.buffer
        if method.result is RESPONSE and (raw or len(buffer) >= _SMALL_ANSWER):
            from .thrift_decoder import read_response

            head = bytes(buffer[answer.decoder.position :])
            status, rows = read_response(name, head, answer.receive, self._limits)
            if raw:
                return status, rows
            return status, [{k: v.decode("utf-8", "surrogateescape") for k, v in row.items()} for row in rows]
        fields = {} if method.result is None else {0: ("success", method.result)}
        result = answer.read_last(answer.decoder.read_fields(fields))
        if method.result is not None and "success" not in result:
            raise RemoteError(f"{name} returned nothing", code=-1)
        return result.get("success")


class _Answer:
    """The bytes of one answer, as they arrive."""

    __slots__ = ("_address", "_end", "_left", "_stream", "_timeout", "decoder")

    def __init__(self, stream: Stream, address: str, limits: Limits, timeout: float) -> None:
        self._stream = stream
        self._address = address
        self._timeout = timeout
        self._end = time.monotonic() + timeout
        self._left = limits.message
        self.decoder = Decoder(limits)

    def receive(self) -> bytes:
        """Return some more bytes."""
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise WireTimeout(f"no whole answer from {self._address} within {self._timeout:g} s")
        data = self._stream.receive(seconds)
        if not data:
            raise ConnectionFailed(f"{self._address} closed the connection before it had answered")
        self._left -= len(data)
        if self._left < 0:
            raise ProtocolError("answer over the limit of bytes")
        return data

    def read(self, reading: Generator[None, None, Any]) -> Any:
        """Run one of the decoder's methods to its end."""
        while True:
            try:
                next(reading)
            except StopIteration as done:
                return done.value
            self.decoder.feed(self.receive())

    def read_last(self, reading: Generator[None, None, Any]) -> Any:
        """Run the method that reads the end of the answer; raises ProtocolError if bytes follow."""
        result = self.read(reading)
        if self.decoder.rest:
            raise ProtocolError(f"bytes behind the answer of {self._address}")
        return result


class ManagerConnection(ExtensionConnection):
    """One connection to osqueryd's extension manager, or to a stand-in."""

    def extensions(self, *, timeout: float | None = None) -> dict[int, ExtensionInfo]:
        """Return the registered extensions by their uuid."""
        result: dict[int, ExtensionInfo] = self._exchange("extensions", (), timeout)
        return result

    def options(self, *, timeout: float | None = None) -> dict[str, OptionInfo]:
        """Return osqueryd's flags by name."""
        result: dict[str, OptionInfo] = self._exchange("options", (), timeout)
        return result

    def register_extension(
        self,
        info: ExtensionInfo,
        registry: Mapping[str, Mapping[str, Sequence[Mapping[str, str]]]],
        *,
        timeout: float | None = None,
    ) -> Status:
        """Register plugins: registry, plugin name, route rows. The status has the new extension's uuid."""
        return Status(*self._exchange("registerExtension", (info, registry), timeout))

    def deregister_extension(self, uuid: int, *, timeout: float | None = None) -> Status:
        """Remove an extension and its plugins."""
        return Status(*self._exchange("deregisterExtension", (uuid,), timeout))

    def query(self, sql: str, *, timeout: float | None = None) -> Response:
        """Run SQL and return rows of text. If the statement fails, the status has its error."""
        return Response(*self._exchange("query", (sql,), timeout))

    def get_query_columns(self, sql: str, *, timeout: float | None = None) -> Response:
        """Return the columns that a query would have: rows of one entry each, name to type."""
        return Response(*self._exchange("getQueryColumns", (sql,), timeout))
