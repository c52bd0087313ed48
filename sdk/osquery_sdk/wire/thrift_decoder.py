"""Decode large answers with Thrift's decoder in C, into the structs generated from osquery.thrift."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.protocol.TProtocol import TProtocolException
from thrift.transport.TTransport import CReadableTransport, TTransportBase

from ..errors import ProtocolError, RemoteError
from .gen import Extension, ExtensionManager
from .protocol import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from .codec import Limits

_RESULTS = {
    "call": (Extension, "call_result"),
    "query": (ExtensionManager, "query_result"),
    "getQueryColumns": (ExtensionManager, "getQueryColumns_result"),
}


class _Source(TTransportBase, CReadableTransport):  # type: ignore[misc]
    """A transport for Thrift's decoder: bytes at hand, then those that `receive` brings."""

    def __init__(self, head: bytes, receive: Callable[[], bytes]) -> None:
        self._buffer = BytesIO(head)
        self._receive = receive
        self.failure: BaseException | None = None
        """The exception that `receive` raised: Thrift's decoder may raise another one on top of it."""

    @property
    def cstringio_buf(self) -> BytesIO:
        return self._buffer

    def cstringio_refill(self, partialread: bytes, reqlen: int) -> BytesIO:
        """Return the bytes of an item read so far and more, at least `reqlen` in all."""
        pieces = [partialread]
        size = len(partialread)
        while size < reqlen:
            try:
                piece = self._receive()
            except BaseException as error:
                self.failure = error
                raise
            pieces.append(piece)
            size += len(piece)
        self._buffer = BytesIO(b"".join(pieces))
        return self._buffer

    def read(self, size: int) -> bytes:
        """Read for Thrift's decoder in pure Python, which is used where its C module is missing."""
        data = self._buffer.read(size)
        if not data and size:
            self.cstringio_refill(b"", 1)
            data = self._buffer.read(size)
        return data

    def rest(self) -> bytes:
        """Return the bytes that were received and not read."""
        return self._buffer.read()

    def isOpen(self) -> bool:  # noqa: N802  Thrift's name
        return True


def read_response(
    method: str, head: bytes, receive: Callable[[], bytes], limits: Limits
) -> tuple[Status, list[dict[str, bytes]]]:
    """Decode a reply to `call`, `query` or `getQueryColumns`, from behind its message header to its end.

    Args:
        method: the method's name on the wire.
        head: the bytes behind the header that were received already.
        receive: returns more; raises at the end of the stream.
        limits: bounds of strings and containers.

    Returns:
        The status, and the rows with values as the bytes that were sent.

    Raises:
        ProtocolError: the reply cannot be decoded or is over a limit.
        RemoteError: the reply has no result.
    """
    service, name = _RESULTS[method]
    result = getattr(service, name)()
    source = _Source(head, receive)
    protocol = TBinaryProtocolAccelerated(
        source, string_length_limit=limits.string, container_length_limit=limits.elements
    )
    try:
        result.read(protocol)
    except (TProtocolException, EOFError, OverflowError, TypeError, ValueError, MemoryError) as error:
        if source.failure is not None:
            raise source.failure from source.failure.__cause__
        raise ProtocolError(
            f"answer to {method} cannot be decoded: {error or type(error).__name__}"
        ) from error
    answer = result.success
    if answer is None:
        raise RemoteError(f"{method} returned nothing", code=-1)
    status = answer.status
    if status is None:
        raise ProtocolError("an answer without a status")
    if source.rest():
        raise ProtocolError(f"bytes behind the answer to {method}")
    return Status(status.code or 0, status.message or "", status.uuid or 0), answer.response or []
