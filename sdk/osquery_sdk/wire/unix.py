"""Listen and connect on Unix stream sockets. Many threads may wait on one listener at once."""

from __future__ import annotations

import errno
import os
import resource
import select
import socket
import struct
import sys
import threading
import time
from typing import TYPE_CHECKING

from kolide_kit.author_code import when_forked

from ..errors import ConnectionFailed, WireTimeout

if TYPE_CHECKING:
    from .protocol import RequestReader
    from .streams import Connection

assert sys.platform != "win32"

from .poller import Poller  # noqa: E402  nothing of this exists on Windows, for type checkers either
from .socket_file import bind, connection_failed, identity, remove  # noqa: E402

# Larger buffers are mapped and unmapped by the allocator at every call.
_RECEIVE = 64 << 10
# Plain integers: combining flags of the enum types costs more than the calls that take them.
_DONTWAIT = int(getattr(socket, "MSG_DONTWAIT", 0))
# A caller that hangs up must not end the program, even if it has restored the default action of SIGPIPE.
_SEND_FLAGS = _DONTWAIT | int(getattr(socket, "MSG_NOSIGNAL", 0))
_SOL_SOCKET = int(socket.SOL_SOCKET)
_SO_PEERCRED = int(getattr(socket, "SO_PEERCRED", 0))
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE = 0.01


def _peer_uid(sock: socket.SocketType) -> int | None:
    """Return the user at the other end; None if the system does not say."""
    if sys.platform == "linux":
        # struct ucred: pid at offset 0, uid at 4, gid at 8, each of 4 bytes
        return int.from_bytes(sock.getsockopt(_SOL_SOCKET, _SO_PEERCRED, 12)[4:8], sys.byteorder)
    if sys.platform == "darwin":
        # LOCAL_PEERCRED (1) at level SOL_LOCAL (0) is a struct xucred: version, uid, ngroups, groups[16]
        raw = sock.getsockopt(0, 1, 76)
        return int(struct.unpack_from("II", raw)[1])
    return None


def _send(sock: socket.SocketType, data: bytes, timeout: float) -> None:
    """Send all of `data`; `timeout` is in seconds without progress."""
    try:
        sent = sock.send(data, _SEND_FLAGS)
        if sent == len(data):
            return
    except BlockingIOError:
        sent = 0
    except OSError as error:
        raise connection_failed("connection broke while sending", error) from error
    rest = memoryview(data)[sent:]
    try:
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        while rest:
            if not poll.poll(timeout * 1000):
                raise WireTimeout(f"the other side has not read for {timeout:g} s")
            try:
                rest = rest[sock.send(rest, _SEND_FLAGS) :]
            except BlockingIOError:
                continue
    except (OSError, ValueError) as error:
        raise connection_failed("connection broke while sending", error) from error


class UnixConnection:
    """A connection that a `UnixListener` accepted."""

    __slots__ = ("fd", "polled", "reader", "socket", "unread")

    def __init__(self, sock: socket.SocketType) -> None:
        """Take the socket that was accepted."""
        self.socket = sock
        self.fd = sock.fileno()
        self.reader: RequestReader | None = None
        self.polled = False
        self.unread: bytes | None = None

    def receive(self) -> bytes | None:
        """See `Connection`."""
        data, self.unread = self.unread, None
        if data is not None:
            return data
        try:
            return self.socket.recv(_RECEIVE, _DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def send(self, data: bytes, timeout: float) -> None:
        """See `Connection`."""
        _send(self.socket, data, timeout)

    def hung_up(self) -> bool:
        """See `Connection`."""
        # POLLHUP does not come from a caller that only shut down its sending side, and waits for its answer.
        try:
            poll = select.poll()
            poll.register(self.socket, 0)
            return bool(poll.poll(0))
        except (OSError, ValueError):
            return True

    def abort(self) -> None:
        """See `Connection`."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self) -> None:
        """See `Connection`."""
        # A thread that waits for the next connection may still refer to this one, and so keep its bytes.
        self.reader = None
        self.socket.close()


class UnixListener:
    """Listens on a socket file for its owner alone, and keeps the connections that have sent nothing yet."""

    def __init__(self, path: str, *, max_connections: int) -> None:
        """Create the socket file; see `listen`."""
        self._path = path
        self._pid = os.getpid()
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if descriptors != resource.RLIM_INFINITY:
            max_connections = min(max_connections, descriptors // 2)
        self._max_connections = max_connections
        self._allowed = {0, os.geteuid(), None}
        self._lock = threading.Lock()
        self._parked: dict[int, UnixConnection] = {}
        self._closed = False
        self._waiting = 0
        self._socket = bind(path)
        self._inode = identity(path)
        try:
            self._poller = Poller()
            self._wake_reader, self._wake_writer = os.pipe()
        except OSError as error:
            self._socket.close()
            remove(path)
            raise connection_failed(f"cannot listen on {path}", error) from error
        # A spare descriptor, closed when no other is left, so that a ping can be answered even then.
        self._reserve: int | None = None
        self._keep_reserve()
        self._poller.add(self._wake_reader, once=False)
        self._poller.add(self._socket.fileno(), once=False)
        when_forked(self._let_go)

    def _let_go(self) -> None:
        """Close a forked process's copy of the socket.

        Otherwise callers could connect, and wait, after the parent's end.
        """
        self._closed = True
        self._socket.close()

    @property
    def address(self) -> str:
        """See `Listener`."""
        return self._path

    def wait(self, spin: float = 0.0) -> UnixConnection | None:
        """See `Listener`."""
        with self._lock:
            if self._closed:
                return None
            self._waiting += 1
        try:
            return self._next(spin)
        finally:
            with self._lock:
                self._waiting -= 1
                if self._closed and not self._waiting:
                    self._dispose()

    def _next(self, spin: float) -> UnixConnection | None:
        listening = self._socket.fileno()
        while not self._closed:
            fd = self._poller.wait(spin)
            if fd == listening:
                connection = self._accept()
                if connection is not None:
                    return connection
            elif fd != self._wake_reader:
                with self._lock:
                    parked = self._parked.pop(fd, None)
                if parked is not None:
                    # Nearly always the caller has read its answer and closed: that is settled here.
                    data = parked.receive()
                    if data != b"":
                        parked.unread = data
                        return parked
                    parked.close()
        return None

    def _accept(self) -> UnixConnection | None:
        try:
            # socket.accept() without its enums and its wrapper object, which are half of the cost of a ping.
            fd, _ = self._socket._accept()  # type: ignore[attr-defined]  # noqa: SLF001
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno in _EXHAUSTED and not self.evict() and not self._spend_reserve():
                time.sleep(_PAUSE)
            return None
        sock = socket.SocketType(socket.AF_UNIX, socket.SOCK_STREAM, 0, fd)
        if self._reserve is None:
            self._keep_reserve()
        try:
            if sock.gettimeout() is not None:
                # A library in this process has called socket.setdefaulttimeout().
                sock.settimeout(None)
            refused = _peer_uid(sock) not in self._allowed
        except OSError:
            refused = True
        if refused:
            sock.close()
            return None
        return UnixConnection(sock)

    def _keep_reserve(self) -> None:
        try:
            self._reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._reserve = None

    def _spend_reserve(self) -> bool:
        with self._lock:
            fd, self._reserve = self._reserve, None
        if fd is None:
            return False
        os.close(fd)
        return True

    def park(self, connection: Connection) -> None:
        """See `Listener`."""
        assert isinstance(connection, UnixConnection)
        fd = connection.fd
        with self._lock:
            kept = not self._closed
            if kept:
                full = len(self._parked) >= self._max_connections
                self._parked[fd] = connection
                try:
                    # No code removes a descriptor from the poller: one that is closed leaves it by itself.
                    (self._poller.rearm if connection.polled else self._poller.add)(fd)
                    connection.polled = True
                except OSError:
                    del self._parked[fd]
                    kept = False
        if not kept:
            connection.close()
        elif full:
            self.evict()

    def evict(self, older_than: float | None = None) -> int:
        """See `Listener`."""
        with self._lock:
            if older_than is None:
                chosen = list(self._parked.values())[:1]
            else:
                chosen = [c for c in self._parked.values() if c.reader and c.reader.began < older_than]
            for connection in chosen:
                del self._parked[connection.fd]
        for connection in chosen:
            connection.close()
        return len(chosen)

    def intact(self) -> bool:
        """See `Listener`."""
        return not self._closed and identity(self._path) == self._inode

    def close(self) -> None:
        """See `Listener`."""
        if os.getpid() != self._pid:
            return  # a fork of the process shares its socket and poller, and the parent still uses them
        with self._lock:
            if self._closed:
                return
            if self.intact():
                remove(self._path)
            self._closed = True
            parked = list(self._parked.values())
            self._parked.clear()
            # A descriptor that a thread waits on must not be closed: its number could be given out again.
            if self._waiting:
                os.write(self._wake_writer, b"\0")
            else:
                self._dispose()
        for connection in parked:
            connection.close()

    def _dispose(self) -> None:
        """Close the descriptors once no thread waits. The lock is held."""
        self._poller.close()
        self._socket.close()
        os.close(self._wake_reader)
        os.close(self._wake_writer)
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None


def _connected(path: str, timeout: float) -> socket.socket:
    """Connect within `timeout` seconds; raises OSError, or ValueError for an impossible path."""
    end = time.monotonic() + timeout
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        while True:
            sock.settimeout(max(end - time.monotonic(), 0.001))
            try:
                sock.connect(path)
            except BlockingIOError:
                # The listener's queue is full. Linux reports that at once, whatever the socket's timeout.
                if time.monotonic() >= end:
                    raise TimeoutError from None
                time.sleep(_PAUSE)
            else:
                return sock
    except BaseException:
        sock.close()
        raise


class UnixStream:
    """The client's end of a Unix socket."""

    __slots__ = ("_path", "_socket")

    def __init__(self, path: str, timeout: float) -> None:
        """Connect; see `connect`."""
        self._path = path
        try:
            self._socket = _connected(path, timeout)
        except TimeoutError as error:
            raise ConnectionFailed(f"cannot connect to {path}: timed out") from error
        except (OSError, ValueError) as error:
            raise connection_failed(f"cannot connect to {path}", error) from error

    def receive(self, timeout: float) -> bytes:
        """See `Stream`."""
        try:
            self._socket.settimeout(max(timeout, 0.001))
            return self._socket.recv(_RECEIVE)
        except TimeoutError as error:
            raise WireTimeout(f"no answer from {self._path} within {timeout:g} s") from error
        except OSError as error:
            raise connection_failed(f"connection to {self._path} broke", error) from error

    def send(self, data: bytes, timeout: float) -> None:
        """See `Stream`."""
        _send(self._socket, data, timeout)

    def close(self) -> None:
        """See `Stream`."""
        self._socket.close()
