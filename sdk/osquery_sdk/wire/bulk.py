"""Large answers, decoded by Thrift's C-accelerated protocol into the structs generated from osquery.thrift."""

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
    "call": "call_result",
    "query": "query_result",
    "getQueryColumns": "getQueryColumns_result",
}


class _Source(TTransportBase, CReadableTransport):  # type: ignore[misc]
    """What Thrift's decoder reads from: bytes at hand, then whatever `receive` brings."""

    def __init__(self, head: bytes, receive: Callable[[], bytes]) -> None:
        self._buffer = BytesIO(head)
        self._receive = receive
        self.failure: BaseException | None = None
        """What `receive` raised: Thrift's decoder may raise something else on top of it."""

    @property
    def cstringio_buf(self) -> BytesIO:
        return self._buffer

    def cstringio_refill(self, partialread: bytes, reqlen: int) -> BytesIO:
        """The bytes read so far of an item, and more, up to `reqlen` at least."""
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
        """For Thrift's decoder in pure Python, where its C module is missing."""
        data = self._buffer.read(size)
        if not data and size:
            self.cstringio_refill(b"", 1)
            data = self._buffer.read(size)
        return data

    def rest(self) -> bytes:
        """What was received and not read."""
        return self._buffer.read()

    def isOpen(self) -> bool:  # noqa: N802  Thrift's name
        return True


def read_response(
    method: str, head: bytes, receive: Callable[[], bytes], limits: Limits
) -> tuple[Status, list[dict[str, bytes]]]:
    """The rest of a reply to `call`, `query` or `getQueryColumns`, after its message header.

    Args:
        method: the method's name on the wire.
        head: what has been received of the rest already.
        receive: brings more; raises at the end of the stream.
        limits: bounds of strings and containers.
    """
    service = Extension if method == "call" else ExtensionManager
    result = getattr(service, _RESULTS[method])()
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
