"""Ask the Linux kernel for the sockets in one state, over netlink.

For /proc/net/tcp the kernel walks its table of connections, which has room for as many as the machine could
ever have. This way it looks at listening sockets alone, however many connections there are. Source:
netlink(7), sock_diag(7), and the kernel's include/uapi/linux/inet_diag.h.
"""

from typing import NamedTuple

from ..reading.netlink import Netlink

_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY = 4, 20
_SOCKET_SIZE = 72


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
    from struct import pack

    # The 48 zero bytes are struct inet_diag_sockid, which would pick one socket by its addresses.
    body = pack("=BBBxI48x", family, protocol, 0, 1 << state)
    with Netlink(_NETLINK_SOCK_DIAG) as netlink:
        return [
            _parsed(payload)
            for kind, payload in netlink.list(_SOCK_DIAG_BY_FAMILY, body)
            if kind == _SOCK_DIAG_BY_FAMILY and len(payload) >= _SOCKET_SIZE
        ]


def _parsed(data: bytes) -> InetSocket:
    """Parse a struct inet_diag_msg: ports and addresses are in network order, numbers in the machine's."""
    from struct import unpack_from

    uid, inode = unpack_from("=II", data, 64)
    address = data[8:12] if data[0] == 2 else data[8:24]  # AF_INET is 2 everywhere
    return InetSocket(address, int.from_bytes(data[4:6], "big"), uid, inode)
