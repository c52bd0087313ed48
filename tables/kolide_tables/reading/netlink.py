"""Exchange messages with the Linux kernel over netlink, and take their attributes apart.

    message     length 4, type 2, flags 2, sequence 4, port 4, then a payload
    attribute   length 2, type 2, value, filled up to 4 bytes; the value may be attributes again

Lengths are in the machine's order of bytes. Source: netlink(7), and the kernel's
Documentation/userspace-api/netlink/intro.rst.
"""

import errno
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Self, TypeAlias

if TYPE_CHECKING:
    from kolide_kit.packed import PackedBytes

Attributes: TypeAlias = dict[int, bytes]

_AF_NETLINK = 16
_REQUEST, _ACK, _DUMP = 1, 4, 0x300
_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR: what is listed changed while the kernel went through it
_ERROR, _DONE = 2, 3
_HEADER, _HEADER_SIZE = "=IHHII", 16
_PACKED, _PACKED_SIZE = "=HI", 6  # before a message that is kept: its kind, and the length of its payload
_KIND = 0x3FFF  # the two bits above say how a value is written
_TRIES = 5
_TIMEOUT = 5.0  # seconds; the kernel answers at once, or not at all
_MOST_DATAGRAMS = 10_000
_BUFFER = 1 << 17  # the kernel puts at most 32 kB into one message


class Message(NamedTuple):
    """A message of the kernel."""

    kind: int
    payload: bytes


class Netlink:
    """A connection to one of the kernel's services, such as NETLINK_GENERIC; a context that closes it.

    Its methods raise OSError if the kernel has no such service, or refuses this process.
    """

    def __init__(self, protocol: int) -> None:
        """Open the socket."""
        import socket

        self._socket = socket.socket(_AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.settimeout(_TIMEOUT)
        self._sequence = 0

    def __enter__(self) -> Self:
        """Return the connection."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the socket."""
        self._socket.close()

    def ask(self, kind: int, body: bytes) -> list[Message]:
        """Return the answer to a request for one thing."""
        return [message for _, message in self._exchange(kind, _REQUEST | _ACK, body)]

    def list(self, kind: int, body: bytes, check: Callable[[], None] = lambda: None) -> Iterator[Message]:
        """Return the messages of a list; `check` is called for each.

        Raises OSError also if what is listed changes at each try.
        """
        from struct import pack

        from kolide_kit.packed import PackedBytes

        for _ in range(_TRIES):
            # All are here before the first one is read, so a list may be long.
            packed = PackedBytes()
            interrupted = False
            for flags, message in self._exchange(kind, _REQUEST | _DUMP, body):
                check()
                interrupted = interrupted or bool(flags & _INTERRUPTED)
                packed.add(pack(_PACKED, message.kind, len(message.payload)) + message.payload)
            if not interrupted:
                return _unpacked(packed)
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def _exchange(self, kind: int, flags: int, body: bytes) -> Iterator[tuple[int, Message]]:
        """Send a request, and yield flags and message of its answer; the last message is empty."""
        from struct import pack, unpack_from

        self._sequence += 1
        size = _HEADER_SIZE + len(body)
        self._socket.sendto(pack(_HEADER, size, kind, flags, self._sequence, 0) + body, (0, 0))
        for _ in range(_MOST_DATAGRAMS):
            data, _, cut, sender = self._socket.recvmsg(_BUFFER)
            if cut or not data:
                raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
            if sender[0] != 0:  # only the kernel has port 0
                continue
            at = 0
            while at + _HEADER_SIZE <= len(data):
                size, kind, flags, answered, _ = unpack_from(_HEADER, data, at)
                if size < _HEADER_SIZE:
                    raise OSError(errno.EBADMSG, os.strerror(errno.EBADMSG))
                payload = data[at + _HEADER_SIZE : at + size]
                at += (size + 3) & ~3
                if answered != self._sequence:
                    continue
                if kind in (_ERROR, _DONE):  # an error of 0 acknowledges a request
                    problem = unpack_from("=i", payload)[0] if len(payload) >= 4 else 0
                    if problem:
                        raise OSError(-problem, os.strerror(-problem))
                    yield flags, Message(kind, b"")
                    return
                yield flags, Message(kind, payload)
        raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))


def _unpacked(packed: "PackedBytes") -> Iterator[Message]:
    from struct import unpack_from

    data = b""
    for piece in packed.pieces():
        data += piece
        at = 0
        while at + _PACKED_SIZE <= len(data):
            kind, size = unpack_from(_PACKED, data, at)
            end = at + _PACKED_SIZE + size
            if end > len(data):
                break
            yield Message(kind, data[at + _PACKED_SIZE : end])
            at = end
        data = data[at:]


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the kinds and values of attributes; what is not whole ends them."""
    from struct import unpack_from

    at = 0
    while at + 4 <= len(data):
        size, kind = unpack_from("=HH", data, at)
        if size < 4 or at + size > len(data):
            return
        yield kind & _KIND, data[at + 4 : at + size]
        at += (size + 3) & ~3


def written(values: Attributes) -> bytes:
    """Return attributes as bytes."""
    from struct import pack

    return b"".join(
        pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4) for kind, value in values.items()
    )
