"""Ask the Linux kernel for the sockets in one state, over netlink.

For /proc/net/tcp the kernel walks its table of connections, which has room for as many as the machine could
ever have. This way it looks at listening sockets alone, however many connections there are. Source:
netlink(7), sock_diag(7), and the kernel's include/uapi/linux/inet_diag.h.
"""

import errno
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from socket import socket

_AF_NETLINK, _NETLINK_SOCK_DIAG = 16, 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x301  # NLM_F_REQUEST, NLM_F_ROOT and NLM_F_MATCH
_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR: the table changed while the kernel went through it
_ERROR, _DONE = 2, 3
_HEADER, _HEADER_SIZE = "=IHHII", 16  # length, type, flags, sequence, port
_SOCKET_SIZE = 72
_TRIES = 5
_TIMEOUT = 5.0  # seconds; the kernel answers at once, or not at all
_BUFFER = 1 << 16  # the kernel puts at most 32 kB into one message


class InetSocket(NamedTuple):
    """A socket of this process's network namespace; its local address has 4 or 16 bytes."""

    address: bytes
    port: int
    uid: int
    inode: int


def inet_sockets(family: int, protocol: int, state: int) -> list[InetSocket]:
    """Return the sockets of a family (AF_INET, AF_INET6) and protocol (IPPROTO_TCP, IPPROTO_UDP) in a state.

    States are those of tcp_states.h. Raises OSError if the kernel has no such service, or refuses this
    process.
    """
    import socket
    from struct import pack

    # The 48 zero bytes are struct inet_diag_sockid, which would pick one socket by its addresses.
    body = pack("=BBBxI48x", family, protocol, 0, 1 << state)
    with socket.socket(_AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as netlink:
        netlink.settimeout(_TIMEOUT)
        for sequence in range(1, _TRIES + 1):
            size = _HEADER_SIZE + len(body)
            header = pack(_HEADER, size, _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, sequence, 0)
            netlink.sendto(header + body, (0, 0))
            messages = list(_messages(netlink, sequence))
            if not any(flags & _INTERRUPTED for flags, _ in messages):
                return [_parsed(data) for _, data in messages if data]
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def _messages(netlink: "socket", sequence: int) -> Iterator[tuple[int, bytes]]:
    """Yield flags and payload of each message of an answer; the last has no payload."""
    from struct import unpack_from

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
            if kind == _SOCK_DIAG_BY_FAMILY and len(payload) >= _SOCKET_SIZE:
                yield flags, payload


def _parsed(data: bytes) -> InetSocket:
    """Parse a struct inet_diag_msg: ports and addresses are in network order, numbers in the machine's."""
    from struct import unpack_from

    uid, inode = unpack_from("=II", data, 64)
    address = data[8:12] if data[0] == 2 else data[8:24]  # AF_INET is 2 everywhere
    return InetSocket(address, int.from_bytes(data[4:6], "big"), uid, inode)
