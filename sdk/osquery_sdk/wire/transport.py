"""Listen at and connect to a socket, with the transport that this system has.

osqueryd speaks over Unix stream sockets on POSIX systems (`unix.py`) and over named pipes on Windows
(`pipes.py`).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .streams import Listener, Stream


def listen(address: str, *, max_connections: int = 512) -> Listener:
    """Listen at `address`, for the owner of this process and root alone.

    Args:
        address: path of the socket, or name of the pipe.
        max_connections: how many connections may be open without a call in progress. Beyond it, the one that
            has been silent longest is closed. It is lowered to half of the descriptors that this process may
            have, or to the number that the system can wait for.

    Raises:
        ConnectionFailed: the address cannot be listened on; the text says why.
    """
    if sys.platform == "win32":
        from .pipes import PipeListener

        return PipeListener(address, max_connections=max_connections)
    else:  # noqa: RET505  type checkers leave out a branch for another system, but not the lines after it
        from .unix import UnixListener

        return UnixListener(address, max_connections=max_connections)


def connect(address: str, *, timeout: float) -> Stream:
    """Connect to `address` within `timeout` seconds.

    Raises:
        ConnectionFailed: nothing listens there, or this user may not connect.
    """
    if sys.platform == "win32":
        from .pipes import PipeStream

        return PipeStream(address, timeout)
    else:  # noqa: RET505  as above
        from .unix import UnixStream

        return UnixStream(address, timeout)
