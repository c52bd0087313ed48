"""Ask the Linux kernel over generic netlink: find a family by name, and list what it has.

A message's payload begins with command 1, version 1 and two bytes that are not in use; attributes follow.
Source: the kernel's Documentation/userspace-api/netlink/intro.rst and include/uapi/linux/genetlink.h.
"""

import errno
import os
import sys
from typing import Self

from ..reading import netlink
from ..reading.netlink import Attributes, Netlink

__all__ = ["Attributes", "Family", "attributes", "number"]

_NETLINK_GENERIC = 16
_CONTROLLER, _GET_FAMILY, _FAMILY_ID, _FAMILY_NAME = 16, 3, 1, 2
_GENERIC_SIZE = 4


class Family:
    """A family of generic netlink, such as nl80211; a context that closes its socket.

    Raises OSError if the kernel has no such family, or refuses this process.
    """

    def __init__(self, name: str) -> None:
        """Open a socket, and ask for the family's number."""
        self._netlink = Netlink(_NETLINK_GENERIC)
        try:
            request = _request(_GET_FAMILY, {_FAMILY_NAME: name.encode() + b"\0"})
            answers = self._netlink.ask(_CONTROLLER, request)
            if not answers:
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
            self._number = number(attributes(answers[0].payload[_GENERIC_SIZE:]).get(_FAMILY_ID, b""))
        except BaseException:
            self._netlink.__exit__()
            raise

    def __enter__(self) -> Self:
        """Return the family."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the socket."""
        self._netlink.__exit__(*error)

    def list(self, command: int, request: Attributes | None = None) -> list[Attributes]:
        """Return the attributes of each element of a list that a command gets; raises OSError."""
        answers = self._netlink.list(self._number, _request(command, request or {}))
        return [attributes(payload[_GENERIC_SIZE:]) for _, payload in answers if payload]


def attributes(data: bytes) -> Attributes:
    """Return the values of attributes by their kind; what is behind a broken one is left out."""
    return dict(netlink.attributes(data))


def number(value: bytes, *, signed: bool = False) -> int:
    """Return a number in the machine's order of bytes."""
    return int.from_bytes(value, sys.byteorder, signed=signed)


def _request(command: int, values: Attributes) -> bytes:
    from struct import pack

    return pack("=BBH", command, 1, 0) + netlink.written(values)
