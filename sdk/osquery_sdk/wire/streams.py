"""Interfaces between the protocol and the transports: client's stream, server's connection, listener.

`unix.py` implements them for Unix stream sockets, `pipes.py` for Windows named pipes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .protocol import RequestReader


class Stream(Protocol):
    """A client's end of a connection."""

    def receive(self, timeout: float) -> bytes:
        """Wait for bytes and return them; empty at the end of the stream.

        Raises:
            WireTimeout: nothing came within `timeout` seconds.
            ConnectionFailed: the connection broke.
        """

    def send(self, data: bytes, timeout: float) -> None:
        """Send all of `data`.

        Raises:
            WireTimeout: the other side made no progress for `timeout` seconds.
            ConnectionFailed: the connection broke.
        """

    def close(self) -> None:
        """Close; closing twice is harmless."""


class Connection(Protocol):
    """A server's end of a connection. One thread at a time works on it."""

    reader: RequestReader | None
    """Set while a message has begun to arrive and is not complete."""

    def receive(self) -> bytes | None:
        """Return what has arrived: empty at the end of the stream, None if nothing is there yet."""

    def send(self, data: bytes, timeout: float) -> None:
        """Send all of `data`; raises as `Stream.send`."""

    def hung_up(self) -> bool:
        """Return whether the other side can read no more. Safe from any thread."""

    def abort(self) -> None:
        """Make the thread that works on the connection fail. Safe from any thread."""

    def close(self) -> None:
        """Close; closing twice is harmless."""


class Listener(Protocol):
    """A listening socket and its parked connections, which wait for their next message.

    Every method is thread-safe.
    """

    @property
    def address(self) -> str:
        """The socket's path or the pipe's name."""

    def wait(self, spin: float = 0.0) -> Connection | None:
        """Block until a connection, new or parked, may have bytes to read; return it, or None once closed.

        Args:
            spin: seconds for which it may poll before it sleeps.
        """

    def park(self, connection: Connection) -> None:
        """Take a connection back. `wait` returns it when it has something to read or was closed."""

    def evict(self, older_than: float | None = None) -> int:
        """Close parked connections.

        Args:
            older_than: close those with an incomplete message that began before this `time.monotonic()`. If
                None, close the one that was parked longest ago.

        Returns:
            Number of connections that were closed.
        """

    def intact(self) -> bool:
        """Return whether the address still leads here: the socket file was neither removed nor replaced."""

    def close(self) -> None:
        """Stop listening, remove the socket file, close parked connections and end every `wait`."""
