"""Exchange messages with the kernel's packet filter over netlink, and take their attributes apart.

    message     length 4, type 2, flags 2, sequence 4, port 4, then family 1, version 1, resource 2
    attribute   length 2, type 2, value, filled up to 4 bytes; the value may be attributes again

Lengths are in the machine's order of bytes, the numbers in values in that of the network. Source: netlink(7),
and the kernel's include/uapi/linux/netfilter/nfnetlink.h.
"""

import errno
import os
from collections.abc import Callable, Iterator
from struct import pack, unpack_from
from typing import TYPE_CHECKING, TypeAlias

from kolide_kit.text import shown

if TYPE_CHECKING:
    from socket import socket

Attributes: TypeAlias = dict[int, bytes]

_AF_NETLINK, _NETLINK_NETFILTER = 16, 12
_NFTABLES = 10  # the subsystem, in the upper byte of a message's type
_REQUEST_DUMP = 0x301  # NLM_F_REQUEST, NLM_F_ROOT and NLM_F_MATCH
_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR: the rules changed while the kernel went through them
_ERROR, _DONE = 2, 3
_HEADER, _HEADER_SIZE = "=IHHII", 16
_GENERIC_SIZE = 4
_TYPE = 0x3FFF  # the two bits above say how a value is written
_TRIES = 5
_TIMEOUT = 5.0  # seconds; the kernel answers at once, or not at all
_BUFFER = 1 << 17


def dump(
    kind: int, check: Callable[[], None], *, family: int = 0, wanted: Attributes | None = None
) -> list[tuple[int, Attributes]]:
    """Return all objects that a request of nftables lists: the family, and the attributes of each.

    Raises OSError if the kernel has no such service, refuses this process, or has other rules at each try.
    """
    import socket

    body = pack("=BBH", family, 0, 0) + b"".join(_written(*each) for each in (wanted or {}).items())
    with socket.socket(_AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as netlink:
        netlink.settimeout(_TIMEOUT)
        for sequence in range(1, _TRIES + 1):
            size = _HEADER_SIZE + len(body)
            header = pack(_HEADER, size, _NFTABLES << 8 | kind, _REQUEST_DUMP, sequence, 0)
            netlink.sendto(header + body, (0, 0))
            found = []
            interrupted = False
            for flags, payload in _messages(netlink, sequence):
                check()
                interrupted = interrupted or bool(flags & _INTERRUPTED)
                if len(payload) >= _GENERIC_SIZE:
                    found.append((payload[0], parsed(payload[_GENERIC_SIZE:])))
            if not interrupted:
                return found
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def _messages(netlink: "socket", sequence: int) -> Iterator[tuple[int, bytes]]:
    """Yield flags and payload of each message of an answer; the last has no payload."""
    while True:
        data, _, cut, sender = netlink.recvmsg(_BUFFER)
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
            if answered != sequence:
                continue
            if kind == _ERROR or (kind == _DONE and len(payload) >= 4):
                (problem,) = unpack_from("=i", payload)
                if problem:
                    raise OSError(-problem, os.strerror(-problem))
            if kind == _DONE:
                yield flags, b""
                return
            if kind >> 8 == _NFTABLES:
                yield flags, payload


def parsed(data: bytes) -> Attributes:
    """Return the attributes in a value, by type; what is not whole ends them."""
    return dict(_attributes(data))


def parsed_list(data: bytes) -> list[bytes]:
    """Return the values of a list of attributes of one type."""
    return [value for _, value in _attributes(data)]


def number(values: Attributes, kind: int, *, default: int = 0, signed: bool = False) -> int:
    """Return an attribute that is a number of any size; the default if it is not there."""
    return int.from_bytes(values[kind], "big", signed=signed) if values.get(kind) else default


def text(values: Attributes, kind: int) -> str:
    """Return an attribute that is text; empty if it is not there."""
    return shown(values.get(kind, b"").partition(b"\0")[0])


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        size, kind = unpack_from("=HH", data, at)
        if size < 4 or at + size > len(data):
            return
        yield kind & _TYPE, data[at + 4 : at + size]
        at += (size + 3) & ~3


def _written(kind: int, value: bytes) -> bytes:
    return pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
