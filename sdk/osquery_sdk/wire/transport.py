"""What server and client ask of a transport, and the choice of the one this system has.

On POSIX systems osqueryd speaks over Unix stream sockets (`unix.py`), on Windows over named pipes (`pipes.py`).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .protocol import RequestReader


class Stream(Protocol):
    """A client's end of a connection."""

    def receive(self, timeout: float) -> bytes:
        """Wait for bytes; empty at the end of the stream.

        Raises:
            WireTimeout: nothing came within `timeout` seconds.
            ConnectionFailed: the connection broke.
        """

    def send(self, data: bytes, timeout: float) -> None:
        """Send all of `data`; `timeout` is for each time the other side makes no progress. Raises as `receive`."""

    def close(self) -> None:
        """Close; closing twice is harmless."""


class Connection(Protocol):
    """A server's end of a connection. One thread at a time works on it."""

    reader: RequestReader | None
    """Set while a message has begun to arrive and is not complete."""

    def receive(self) -> bytes | None:
        """What has arrived: empty at the end of the stream, None if nothing is there yet."""

    def send(self, data: bytes, timeout: float) -> None:
        """Send all of `data`; raises ConnectionFailed, or WireTimeout without progress for `timeout` seconds."""

    def hung_up(self) -> bool:
        """The other side can read no more. Safe from any thread."""

    def abort(self) -> None:
        """Make whoever works on the connection fail. Safe from any thread."""

    def close(self) -> None:
        """Close; closing twice is harmless."""


class Listener(Protocol):
    """A listening socket together with the connections that wait for their next message. Every method is thread-safe."""

    @property
    def address(self) -> str:
        """The socket's path or the pipe's name."""

    def wait(self, spin: float = 0.0) -> Connection | None:
        """Block until a connection, new or parked, may have something to read; None once closed.

        Args:
            spin: seconds for which it may look again and again before it sleeps.
        """

    def park(self, connection: Connection) -> None:
        """Give a connection back, to be returned by `wait` when it has something to read or was closed."""

    def evict(self, older_than: float | None = None) -> int:
        """Close parked connections.

        Args:
            older_than: those whose message began before this `time.monotonic()` and is not complete; None for the one
                parked longest, whatever its state.

        Returns:
            How many were closed.
        """

    def intact(self) -> bool:
        """The address still leads here: nobody removed or replaced the socket file."""

    def close(self) -> None:
        """Stop listening, remove the socket file, close what is parked and end every `wait`."""


def listen(address: str, *, max_connections: int = 512) -> Listener:
    """Listen at `address`, for the owner of this process and root alone.

    Args:
        address: path of the socket, or name of the pipe.
        max_connections: how many may be open without a call in progress, at most; beyond it the one silent longest is
            closed. It is lowered to half of the descriptors that this process may have, or to what the system can wait for.

    Raises:
        ConnectionFailed: the address cannot be listened on; the text says why.
    """
    if sys.platform == "win32":
        from .pipes import PipeListener

        return PipeListener(address, max_connections=max_connections)
    else:  # noqa: RET505  type checkers leave out a branch for another system, but not what follows
        from .unix import UnixListener

        return UnixListener(address, max_connections=max_connections)


def connect(address: str, *, timeout: float) -> Stream:
    """Connect to `address` within `timeout` seconds.

    Raises:
        ConnectionFailed: nobody listens there, or this user may not connect.
    """
    if sys.platform == "win32":
        from .pipes import PipeStream

        return PipeStream(address, timeout)
    else:  # noqa: RET505  as above
        from .unix import UnixStream

        return UnixStream(address, timeout)
