"""Unix stream sockets: a listener that many threads wait on at once, and the client's stream."""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import struct
import sys
import threading
import time
from typing import TYPE_CHECKING

from ..errors import ConnectionFailed, DeadlineExceeded

if TYPE_CHECKING:
    from .protocol import RequestReader
    from .transport import Connection

# Larger buffers are mapped and unmapped by the allocator at every call.
_RECEIVE = 64 << 10
# As plain integers: flags of the enum types cost more than the calls they go with.
_DONTWAIT = int(getattr(socket, "MSG_DONTWAIT", 0))
_SOL_SOCKET = int(socket.SOL_SOCKET)
_SO_PEERCRED = int(getattr(socket, "SO_PEERCRED", 0))
_PATH_LIMIT = 107 if sys.platform == "linux" else 103


class _Epoll:
    """Linux's epoll, each descriptor disarmed once it was reported: exactly one thread is woken for it."""

    _ONCE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT if hasattr(select, "epoll") else 0

    def __init__(self) -> None:
        self._epoll = select.epoll()

    def add(self, fd: int, *, once: bool = True) -> None:
        self._epoll.register(fd, self._ONCE if once else select.EPOLLIN)

    def rearm(self, fd: int) -> None:
        self._epoll.modify(fd, self._ONCE)

    def remove(self, fd: int) -> None:
        self._epoll.unregister(fd)

    def wait(self) -> int:
        while True:
            for fd, _ in self._epoll.poll(-1, 1):
                return fd

    def close(self) -> None:
        self._epoll.close()


class _Kqueue:
    """The same on macOS and the BSDs. Not run there by the project's own tests."""

    def __init__(self) -> None:
        self._kqueue = select.kqueue()  # type: ignore[attr-defined,unused-ignore]

    def _change(self, fd: int, flags: int) -> None:
        self._kqueue.control([select.kevent(fd, select.KQ_FILTER_READ, flags)], 0)  # type: ignore[attr-defined,unused-ignore]

    def add(self, fd: int, *, once: bool = True) -> None:
        self._change(fd, select.KQ_EV_ADD | (select.KQ_EV_DISPATCH if once else 0))  # type: ignore[attr-defined,unused-ignore]

    def rearm(self, fd: int) -> None:
        self._change(fd, select.KQ_EV_ENABLE)  # type: ignore[attr-defined,unused-ignore]

    def remove(self, fd: int) -> None:
        self._change(fd, select.KQ_EV_DELETE)  # type: ignore[attr-defined,unused-ignore]

    def wait(self) -> int:
        while True:
            for event in self._kqueue.control(None, 1, None):
                return int(event.ident)

    def close(self) -> None:
        self._kqueue.close()


def _peer_uid(sock: socket.SocketType) -> int | None:
    """The user at the other end; None where the system does not tell."""
    if sys.platform == "linux":
        # struct ucred {pid, uid, gid}
        return int.from_bytes(sock.getsockopt(_SOL_SOCKET, _SO_PEERCRED, 12)[4:8], sys.byteorder)
    if sys.platform == "darwin":
        # struct xucred {version, uid, ngroups, groups[16]} of LOCAL_PEERCRED (1) at level SOL_LOCAL (0)
        raw = sock.getsockopt(0, 1, 76)
        return int(struct.unpack_from("II", raw)[1])
    return None


def _wait_writable(sock: socket.SocketType, timeout: float) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    return bool(poll.poll(timeout * 1000))


def _send(sock: socket.SocketType, data: bytes, timeout: float) -> None:
    """Send all, however often the socket's buffer is full."""
    try:
        sent = sock.send(data, _DONTWAIT)
        if sent == len(data):
            return
    except BlockingIOError:
        sent = 0
    except OSError as error:
        raise ConnectionFailed(f"connection broke while sending: {error.strerror or error}") from error
    rest = memoryview(data)[sent:]
    while rest:
        try:
            if not _wait_writable(sock, timeout):
                raise DeadlineExceeded(f"the other side has not read for {timeout:g} s")
            rest = rest[sock.send(rest, _DONTWAIT) :]
        except BlockingIOError:
            continue
        except OSError as error:
            raise ConnectionFailed(f"connection broke while sending: {error.strerror or error}") from error


class UnixConnection:
    """A connection that a `UnixListener` accepted."""

    __slots__ = ("fd", "parked_at", "polled", "reader", "socket")

    def __init__(self, sock: socket.SocketType) -> None:
        """Take the socket that was accepted."""
        self.socket = sock
        self.fd = sock.fileno()
        self.reader: RequestReader | None = None
        self.parked_at = 0.0
        self.polled = False

    def receive(self) -> bytes | None:
        """See `Connection`."""
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
        try:
            return self.socket.recv(1, socket.MSG_PEEK | _DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """See `Connection`."""
        self.socket.close()


class UnixListener:
    """Listens on a socket file that its owner alone may use, and keeps the connections that have nothing to say yet."""

    def __init__(self, path: str, *, max_connections: int = 512) -> None:
        """Create the socket file; see `listen`."""
        self._path = path
        self._max_connections = max_connections
        self._allowed = {0, os.geteuid(), None}
        self._lock = threading.Lock()
        self._parked: dict[int, UnixConnection] = {}
        self._closed = False
        self._socket = _bind(path)
        self._inode = _identity(path)
        self._poller = _Epoll() if hasattr(select, "epoll") else _Kqueue()
        self._wake_reader, self._wake_writer = os.pipe()
        self._poller.add(self._wake_reader, once=False)
        self._poller.add(self._socket.fileno())

    @property
    def address(self) -> str:
        """See `Listener`."""
        return self._path

    def wait(self) -> UnixConnection | None:
        """See `Listener`."""
        listening = self._socket.fileno()
        while not self._closed:
            fd = self._poller.wait()
            if fd == listening:
                connection = self._accept()
                if connection is not None:
                    return connection
            elif fd != self._wake_reader:
                with self._lock:
                    parked = self._parked.pop(fd, None)
                if parked is not None:
                    return parked
        return None

    def _accept(self) -> UnixConnection | None:
        sock = None
        try:
            # What socket.accept() does, less the enums and the wrapper object: half of what a ping costs.
            fd, _ = self._socket._accept()  # type: ignore[attr-defined]  # noqa: SLF001
            sock = socket.SocketType(socket.AF_UNIX, socket.SOCK_STREAM, 0, fd)
        except BlockingIOError:
            pass
        except OSError as error:
            if self._closed:
                return None
            # Out of descriptors: drop whoever has been silent longest, or wait for one of those at work to end.
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM) and not self.evict():
                time.sleep(0.01)
        try:
            self._poller.rearm(self._socket.fileno())
        except (OSError, ValueError):
            return None
        if sock is None:
            return None
        if _peer_uid(sock) not in self._allowed:
            sock.close()
            return None
        return UnixConnection(sock)

    def park(self, connection: Connection) -> None:
        """See `Listener`."""
        assert isinstance(connection, UnixConnection)
        fd = connection.fd
        connection.parked_at = time.monotonic()
        with self._lock:
            if self._closed:
                connection.close()
                return
            full = len(self._parked) >= self._max_connections
            self._parked[fd] = connection
            # A closed descriptor leaves the poller by itself.
            (self._poller.rearm if connection.polled else self._poller.add)(fd)
            connection.polled = True
        if full:
            self.evict()

    def evict(self, older_than: float | None = None) -> int:
        """See `Listener`."""
        with self._lock:
            if older_than is None:
                chosen = list(self._parked.values())[:1]
            else:
                chosen = [c for c in self._parked.values() if c.parked_at < older_than and c.reader]
            for connection in chosen:
                del self._parked[connection.fd]
        for connection in chosen:
            connection.close()
        return len(chosen)

    def intact(self) -> bool:
        """See `Listener`."""
        return _identity(self._path) == self._inode

    def close(self) -> None:
        """See `Listener`."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            parked = list(self._parked.values())
            self._parked.clear()
        if self.intact():
            try:
                os.unlink(self._path)  # noqa: PTH108  pathlib would be imported for this alone
            except OSError:
                pass
        self._socket.close()
        for connection in parked:
            connection.close()
        os.write(self._wake_writer, b"\0")


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino)


def _bind(path: str) -> socket.socket:
    if len(os.fsencode(path)) > _PATH_LIMIT:
        raise ConnectionFailed(
            f"socket path is longer than {_PATH_LIMIT} bytes: {path}; choose a shorter --socket"
        )
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        # On Linux the file gets the socket's own mode, so there is no moment at which others could connect.
        if sys.platform == "linux":
            os.fchmod(sock.fileno(), 0o600)
        sock.bind(path)
        if stat.S_IMODE(os.lstat(path).st_mode) & 0o077:
            os.chmod(path, 0o600)  # noqa: PTH101  see above
        sock.listen(1024)
    except OSError as error:
        sock.close()
        raise ConnectionFailed(f"cannot listen on {path}: {error.strerror or error}") from error
    return sock


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody listens on any more; anything else in the way is left for the bind to refuse."""
    try:
        found = os.lstat(path)
    except OSError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ConnectionFailed(f"cannot listen on {path}: something that is not a socket is in the way")
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.settimeout(1)
        probe.connect(path)
    except ConnectionRefusedError:
        os.unlink(path)  # noqa: PTH108  see above
    except OSError:
        pass
    finally:
        probe.close()


class UnixStream:
    """The client's end of a Unix socket."""

    __slots__ = ("_path", "_socket")

    def __init__(self, path: str, timeout: float) -> None:
        """Connect; see `connect`."""
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(max(timeout, 0.001))
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            reason = "timed out" if isinstance(error, TimeoutError) else (error.strerror or str(error))
            raise ConnectionFailed(f"cannot connect to {path}: {reason}") from error

    def receive(self, timeout: float) -> bytes:
        """See `Stream`."""
        try:
            self._socket.settimeout(max(timeout, 0.001))
            return self._socket.recv(_RECEIVE)
        except TimeoutError as error:
            raise DeadlineExceeded(f"no answer from {self._path} within {timeout:g} s") from error
        except OSError as error:
            raise ConnectionFailed(f"connection to {self._path} broke: {error.strerror or error}") from error

    def send(self, data: bytes, timeout: float) -> None:
        """See `Stream`."""
        _send(self._socket, data, timeout)

    def close(self) -> None:
        """See `Stream`."""
        self._socket.close()
