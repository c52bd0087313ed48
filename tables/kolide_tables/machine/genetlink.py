"""Ask the Linux kernel over generic netlink: find a family by name, and list what it has.

Source: the kernel's Documentation/userspace-api/netlink/intro.rst and include/uapi/linux/genetlink.h.
"""

import errno
import os
import sys
from collections.abc import Iterator
from typing import Self

__all__ = ["Attributes", "Family", "attributes", "number"]

_AF_NETLINK, _NETLINK_GENERIC = 16, 16
_CONTROLLER, _GET_FAMILY, _FAMILY_ID, _FAMILY_NAME = 16, 3, 1, 2
_REQUEST, _ACK, _DUMP = 1, 4, 0x300
_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR: the list changed while the kernel went through it
_ERROR, _DONE = 2, 3
_HEADER, _HEADER_SIZE = "=IHHII", 16  # length, type, flags, sequence, port
_GENERIC_SIZE = 4  # command, version, two bytes that are not in use
_KIND = 0x3FFF  # the upper two bits of an attribute's kind are flags
_TRIES = 5
_TIMEOUT = 5.0
_BUFFER = 1 << 16
_MOST_MESSAGES = 10_000
_ORDER = sys.byteorder

Attributes = dict[int, bytes]


class Family:
    """A family of generic netlink, such as nl80211; a context that closes its socket.

    Raises OSError if the kernel has no such family, or refuses this process.
    """

    def __init__(self, name: str) -> None:
        """Open a socket, and ask for the family's number."""
        import socket

        flags = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._socket = socket.socket(_AF_NETLINK, flags, _NETLINK_GENERIC)
        self._sequence = 0
        try:
            self._socket.settimeout(_TIMEOUT)
            request = _attribute(_FAMILY_NAME, name.encode() + b"\0")
            answers = list(self._ask(_CONTROLLER, _GET_FAMILY, request, _REQUEST | _ACK))
            if not answers:
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
            self._number = number(attributes(answers[0][1]).get(_FAMILY_ID, b""))
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        """Return the family."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the socket."""
        self._socket.close()

    def list(self, command: int, request: Attributes | None = None) -> list[Attributes]:
        """Return the attributes of each element of a list that a command gets; raises OSError."""
        body = b"".join(_attribute(kind, value) for kind, value in (request or {}).items())
        for _ in range(_TRIES):
            answers = list(self._ask(self._number, command, body, _REQUEST | _DUMP))
            if not any(flags & _INTERRUPTED for flags, _ in answers):
                return [attributes(data) for _, data in answers if data]
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def _ask(self, family: int, command: int, body: bytes, flags: int) -> Iterator[tuple[int, bytes]]:
        from struct import pack

        self._sequence += 1
        size = _HEADER_SIZE + _GENERIC_SIZE + len(body)
        header = pack(_HEADER, size, family, flags, self._sequence, 0)
        self._socket.sendto(header + pack("=BBH", command, 1, 0) + body, (0, 0))
        return self._answers()

    def _answers(self) -> Iterator[tuple[int, bytes]]:
        """Yield the flags and the attributes of each message up to the end of the answer."""
        from struct import unpack_from

        for _ in range(_MOST_MESSAGES):
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
                if kind in (_ERROR, _DONE):
                    problem = unpack_from("=i", payload)[0] if len(payload) >= 4 else 0
                    if problem:
                        raise OSError(-problem, os.strerror(-problem))
                    yield flags, b""
                    return
                yield flags, payload[_GENERIC_SIZE:]


def attributes(data: bytes) -> Attributes:
    """Return the values of attributes by their kind; what is behind a broken one is left out."""
    values = {}
    at = 0
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 2], _ORDER)
        if size < 4 or at + size > len(data):
            break
        values[int.from_bytes(data[at + 2 : at + 4], _ORDER) & _KIND] = data[at + 4 : at + size]
        at += (size + 3) & ~3
    return values


def number(value: bytes, *, signed: bool = False) -> int:
    """Return a number in the machine's order of bytes."""
    return int.from_bytes(value, _ORDER, signed=signed)


def _attribute(kind: int, value: bytes) -> bytes:
    from struct import pack

    return pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)
