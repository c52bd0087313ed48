"""Listen and connect on Windows named pipes. Threads wait on a listener one after another.

All input and output is overlapped, so every wait has its timeout. The project's own tests do not run on
Windows: they run this module's logic against a stand-in for the functions of Windows that it calls.

No other process can take the pipe's name. The first instance must be the first of that name, one instance
always waits for the next client, and only this user, administrators and the system may open it, from this
machine alone.
"""

from __future__ import annotations

import _winapi
import sys
import threading
import time
from typing import TYPE_CHECKING

from ..errors import ConnectionFailed, WireTimeout

if TYPE_CHECKING:
    from .protocol import RequestReader
    from .streams import Connection

assert sys.platform == "win32"

from .windows import OwnerOnly, create_event, disconnect, set_event  # noqa: E402  Windows alone has these

_BUFFER = 64 << 10
_PIPE_REJECT_REMOTE_CLIENTS = 8
# SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION: the server can see who its client is, but not act for it.
_IDENTIFICATION = 0x00100000 | 0x00010000
# WaitForMultipleObjects takes 64 handles: two are the listener's own, and one is Python's for Ctrl-C.
_MOST_CONNECTIONS = 60
_NEVER = 0x7FFFFFFF


def _milliseconds(seconds: float) -> int:
    return min(max(int(seconds * 1000), 0), _NEVER)


def _transferred(overlapped: _winapi.Overlapped, error: int, timeout: float) -> int | None:
    """Wait for an operation; return the bytes that it moved, or None if it took over `timeout` seconds."""
    if error == _winapi.ERROR_IO_PENDING:
        done = _winapi.WaitForMultipleObjects([overlapped.event], False, _milliseconds(timeout))
        if done == _winapi.WAIT_TIMEOUT:
            overlapped.cancel()
    # If it ended just before it was cancelled, it counts.
    count, error = overlapped.GetOverlappedResult(True)
    return None if error == _winapi.ERROR_OPERATION_ABORTED else count


def _send(handle: int, data: bytes, timeout: float) -> None:
    """Send all of `data`; `timeout` is in seconds without progress."""
    at = 0
    try:
        while at < len(data):
            overlapped, error = _winapi.WriteFile(handle, data[at : at + _BUFFER], overlapped=True)
            count = _transferred(overlapped, error, timeout)
            if count is None:
                raise WireTimeout(f"the other side has not read for {timeout:g} s")
            at += count
    except OSError as error:
        raise ConnectionFailed(f"connection broke while sending: {error.strerror or error}") from error


class PipeConnection:
    """The server's end of a pipe to one client."""

    __slots__ = ("_armed", "_handle", "reader")

    def __init__(self, handle: int) -> None:
        """Take the handle of a connected instance."""
        self._handle: int | None = handle
        self._armed: _winapi.Overlapped | None = None
        self.reader: RequestReader | None = None

    def receive(self) -> bytes | None:
        """See `Connection`."""
        if self._handle is None:
            return b""
        try:
            available = int(_winapi.PeekNamedPipe(self._handle)[0])
            if not available:
                return None
            overlapped, _ = _winapi.ReadFile(self._handle, min(available, _BUFFER), overlapped=True)
            overlapped.GetOverlappedResult(True)
            return bytes(overlapped.getbuffer() or b"")
        except OSError:
            return b""

    def send(self, data: bytes, timeout: float) -> None:
        """See `Connection`."""
        if self._handle is None:
            raise ConnectionFailed("connection is closed")
        _send(self._handle, data, timeout)

    def hung_up(self) -> bool:
        """See `Connection`."""
        try:
            return self._handle is None or not _winapi.PeekNamedPipe(self._handle)
        except OSError:
            return True

    def abort(self) -> None:
        """See `Connection`."""
        if self._handle is not None:
            disconnect(self._handle)

    def arm(self) -> None:
        """Begin to watch for bytes, by a read of no bytes that ends when some have come; raises OSError."""
        assert self._handle is not None
        self._armed, _ = _winapi.ReadFile(self._handle, 0, overlapped=True)

    @property
    def event(self) -> int:
        """Handle of the event that is set when an armed connection has bytes, or the client closed it."""
        assert self._armed is not None
        return self._armed.event

    def close(self) -> None:
        """See `Connection`."""
        self.reader = None
        handle, self._handle = self._handle, None
        armed, self._armed = self._armed, None
        if handle is None:
            return
        if armed is not None:
            _abandon(armed)
        _winapi.CloseHandle(handle)


def _abandon(overlapped: _winapi.Overlapped) -> None:
    """Cancel an operation, and wait until the system no longer uses its buffer."""
    try:
        overlapped.cancel()
        overlapped.GetOverlappedResult(True)
    except OSError:
        pass


class PipeListener:
    """Listens on a named pipe, and keeps the connections that have sent nothing yet."""

    def __init__(self, name: str, *, max_connections: int) -> None:
        r"""Create the first instance of the pipe, such as `\\.\pipe\osquery.em.1234`; see `listen`."""
        self._name = name
        self._max_connections = min(max_connections, _MOST_CONNECTIONS)
        self._lock = threading.Lock()
        # Held by the thread that waits on the handles; others wait for it. Never taken while `_lock` is held.
        self._turn = threading.Lock()
        # In the order in which they were parked.
        self._parked: dict[PipeConnection, None] = {}
        self._doomed: list[PipeConnection] = []
        self._waiting = False
        self._closed = False
        self._parked_first = False
        try:
            self._security = OwnerOnly()
        except OSError as error:
            raise self._refused(error) from error
        try:
            self._changed = create_event()
            try:
                self._accept_at(self._instance(_winapi.FILE_FLAG_FIRST_PIPE_INSTANCE))
            except OSError:
                _winapi.CloseHandle(self._changed)
                raise
        except OSError as error:
            self._security.close()
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> ConnectionFailed:
        taken = isinstance(error, PermissionError)
        reason = "another process has a pipe of this name" if taken else (error.strerror or str(error))
        return ConnectionFailed(f"cannot listen on {self._name}: {reason}")

    @property
    def address(self) -> str:
        """See `Listener`."""
        return self._name

    def _instance(self, flags: int) -> int:
        return _winapi.CreateNamedPipe(
            self._name,
            _winapi.PIPE_ACCESS_DUPLEX | _winapi.FILE_FLAG_OVERLAPPED | flags,
            _winapi.PIPE_WAIT | _PIPE_REJECT_REMOTE_CLIENTS,
            _winapi.PIPE_UNLIMITED_INSTANCES,
            _BUFFER,
            _BUFFER,
            0,
            self._security.address,
        )

    def _accept_at(self, handle: int) -> None:
        """Offer this instance to the next client."""
        self._handle = handle
        while True:
            try:
                self._accepting = _winapi.ConnectNamedPipe(handle, overlapped=True)
            except OSError as error:
                if error.winerror != _winapi.ERROR_NO_DATA:
                    raise
                # A client connected and left again before this call.
                disconnect(handle)
            else:
                return

    def wait(self, spin: float = 0.0) -> PipeConnection | None:
        """See `Listener`; it never polls."""
        with self._turn:
            while True:
                with self._lock:
                    doomed, self._doomed = self._doomed, []
                    parked = list(self._parked)
                    closed = self._closed
                    self._waiting = not closed
                # No thread waits for these now, so they can be closed.
                for connection in doomed:
                    connection.close()
                if closed:
                    return None
                ready = self._next(parked)
                with self._lock:
                    self._waiting = False
                    if isinstance(ready, PipeConnection) and ready in self._parked:
                        del self._parked[ready]
                        return ready
                if ready is self and (accepted := self._accept()) is not None:
                    return accepted

    def _next(self, parked: list[PipeConnection]) -> PipeConnection | PipeListener | None:
        """Wait, and return a connection with bytes, or the listener itself for a new client.

        None means that the connections to watch have changed.
        """
        # Windows reports the first handle that is set. New clients and parked connections go first in turn,
        # so that neither kind keeps the other waiting.
        sources: list[PipeConnection | PipeListener]
        sources = [*parked, self] if self._parked_first else [self, *parked]
        events = [source.event for source in sources]
        index = _winapi.WaitForMultipleObjects([self._changed, *events], False, _winapi.INFINITE)
        index -= _winapi.WAIT_OBJECT_0
        if index == 0:
            return None
        self._parked_first = sources[index - 1] is self
        return sources[index - 1]

    @property
    def event(self) -> int:
        """Handle of the event that is set when a client has connected."""
        return self._accepting.event

    def _accept(self) -> PipeConnection | None:
        """Return the client that has connected, and offer another instance to the next one."""
        handle = self._handle
        try:
            self._accepting.GetOverlappedResult(True)
            following = self._instance(0)
        except OSError:
            # The client has left, or no other instance can be made. Offer this one again, to keep the name.
            disconnect(handle)
            self._accept_at(handle)
            return None
        self._accept_at(following)
        return PipeConnection(handle)

    def park(self, connection: Connection) -> None:
        """See `Listener`."""
        assert isinstance(connection, PipeConnection)
        try:
            connection.arm()
        except OSError:
            connection.close()
            return
        with self._lock:
            kept = not self._closed
            if kept:
                full = len(self._parked) >= self._max_connections
                self._parked[connection] = None
                self._wake()
        if not kept:
            connection.close()
        elif full:
            self.evict()

    def _wake(self) -> None:
        """Make the waiting thread build its list of handles anew. The lock is held."""
        if self._waiting:
            set_event(self._changed)

    def evict(self, older_than: float | None = None) -> int:
        """See `Listener`."""
        with self._lock:
            if older_than is None:
                chosen = list(self._parked)[:1]
            else:
                chosen = [c for c in self._parked if c.reader and c.reader.began < older_than]
            for connection in chosen:
                del self._parked[connection]
            # A thread may be waiting for these. It closes them before it waits again.
            self._doomed += chosen
            if chosen:
                self._wake()
        return len(chosen)

    def intact(self) -> bool:
        """See `Listener`. The name of a pipe cannot be taken while an instance of it exists."""
        return not self._closed

    def close(self) -> None:
        """See `Listener`."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            set_event(self._changed)
        with self._turn:
            for connection in [*self._parked, *self._doomed]:
                connection.close()
            self._parked.clear()
            self._doomed.clear()
            _abandon(self._accepting)
            _winapi.CloseHandle(self._handle)
            _winapi.CloseHandle(self._changed)
            self._security.close()


class PipeStream:
    """The client's end of a pipe."""

    __slots__ = ("_handle", "_name")

    def __init__(self, name: str, timeout: float) -> None:
        """Connect; see `connect`."""
        self._name = name
        self._handle: int | None = _open(name, timeout)

    def receive(self, timeout: float) -> bytes:
        """See `Stream`."""
        handle = self._opened()
        try:
            overlapped, error = _winapi.ReadFile(handle, _BUFFER, overlapped=True)
            count = _transferred(overlapped, error, timeout)
        except BrokenPipeError:
            return b""
        except OSError as error:
            raise ConnectionFailed(f"connection to {self._name} broke: {error.strerror or error}") from error
        if count is None:
            raise WireTimeout(f"no answer from {self._name} within {timeout:g} s")
        return bytes(overlapped.getbuffer() or b"")

    def send(self, data: bytes, timeout: float) -> None:
        """See `Stream`."""
        _send(self._opened(), data, timeout)

    def _opened(self) -> int:
        if self._handle is None:
            raise ConnectionFailed(f"connection to {self._name} is closed")
        return self._handle

    def close(self) -> None:
        """See `Stream`."""
        handle, self._handle = self._handle, None
        if handle is not None:
            _winapi.CloseHandle(handle)


def _open(name: str, timeout: float) -> int:
    """Return the handle of a pipe's client end, opened within `timeout` seconds; raises ConnectionFailed."""
    end = time.monotonic() + timeout
    while True:
        try:
            return _winapi.CreateFile(
                name,
                _winapi.GENERIC_READ | _winapi.GENERIC_WRITE,
                0,
                _winapi.NULL,
                _winapi.OPEN_EXISTING,
                _winapi.FILE_FLAG_OVERLAPPED | _IDENTIFICATION,
                _winapi.NULL,
            )
        except OSError as error:
            if error.winerror != _winapi.ERROR_PIPE_BUSY:
                raise ConnectionFailed(f"cannot connect to {name}: {error.strerror or error}") from error
        left = end - time.monotonic()
        try:
            if left > 0:
                # When an instance is free, another client may take it first, and the pipe is busy again.
                _winapi.WaitNamedPipe(name, max(_milliseconds(left), 1))
                continue
        except OSError as error:
            if error.winerror != _winapi.ERROR_SEM_TIMEOUT:
                raise ConnectionFailed(f"cannot connect to {name}: {error.strerror or error}") from error
        raise ConnectionFailed(f"cannot connect to {name}: timed out")
