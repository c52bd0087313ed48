"""List the objects of the kernel's packet filter over netlink.

A message's payload begins with family 1, version 1 and resource 2; attributes follow. The numbers in values
are in the order of bytes of the network. Source: the kernel's include/uapi/linux/netfilter/nfnetlink.h.
"""

from collections.abc import Callable, Iterator
from struct import pack

from kolide_kit.text import shown

from ..reading.netlink import Attributes, Netlink, attributes, written

_NETLINK_NETFILTER = 12
_NFTABLES = 10  # the subsystem, in the upper byte of a message's type
_GENERIC_SIZE = 4


def dump(
    kind: int, check: Callable[[], None], *, family: int = 0, wanted: Attributes | None = None
) -> Iterator[tuple[int, Attributes]]:
    """Return all objects that a request of nftables lists: the family, and the attributes of each.

    Raises OSError if the kernel has no such service, refuses this process, or has other rules at each try.
    """
    body = pack("=BBH", family, 0, 0) + written(wanted or {})
    with Netlink(_NETLINK_NETFILTER) as netlink:
        messages = netlink.list(_NFTABLES << 8 | kind, body, check)
    return (
        (payload[0], parsed(payload[_GENERIC_SIZE:]))
        for answered, payload in messages
        if answered >> 8 == _NFTABLES and len(payload) >= _GENERIC_SIZE
    )


def parsed(data: bytes) -> Attributes:
    """Return the attributes in a value, by type; what is not whole ends them."""
    return dict(attributes(data))


def parsed_list(data: bytes) -> list[bytes]:
    """Return the values of a list of attributes of one type."""
    return [value for _, value in attributes(data)]


def number(values: Attributes, kind: int, *, default: int = 0, signed: bool = False) -> int:
    """Return an attribute that is a number of any size; the default if it is not there."""
    return int.from_bytes(values[kind], "big", signed=signed) if values.get(kind) else default


def text(values: Attributes, kind: int) -> str:
    """Return an attribute that is text; empty if it is not there."""
    return shown(values.get(kind, b"").partition(b"\0")[0])
