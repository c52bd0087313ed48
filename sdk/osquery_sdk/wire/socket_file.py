"""Create and remove the file of a Unix socket.

Only its owner may use the file, and it replaces nothing but the file of a dead socket.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys

from ..errors import ConnectionFailed

assert sys.platform != "win32"

_BACKLOG = 1024
_PATH_LIMIT = 107 if sys.platform == "linux" else 103


def connection_failed(problem: str, error: OSError | ValueError) -> ConnectionFailed:
    """Return the SDK's error for an error of the system."""
    return ConnectionFailed(f"{problem}: {getattr(error, 'strerror', None) or error}")


def identity(path: str) -> tuple[int, int] | None:
    """Return device and inode, which tell this file from another at the same path; None without a file."""
    try:
        info = os.lstat(path)
    except OSError:
        return None
    return (info.st_dev, info.st_ino)


def remove(path: str) -> None:
    """Remove a socket file, if possible."""
    try:
        os.unlink(path)  # noqa: PTH108  pathlib would be imported for this alone
    except OSError:
        pass


def bind(path: str) -> socket.socket:
    """Return a socket that listens at `path`, for this user alone.

    A socket file on which no process listens any more is replaced.

    Raises:
        ConnectionFailed: the path cannot be listened on; the text says why.
    """
    if len(os.fsencode(path)) > _PATH_LIMIT:
        raise ConnectionFailed(
            f"socket path is longer than {_PATH_LIMIT} bytes: {path}; choose a shorter --socket"
        )
    if "\0" in path:
        # Python refuses it too, but its text differs between versions.
        raise ConnectionFailed(f"socket path has a null character: {path!r}; choose another --socket")
    sock = None
    try:
        _remove_stale(path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        if sys.platform == "linux":
            # The file gets the socket's own mode, so at no moment could other users connect.
            os.fchmod(sock.fileno(), 0o600)
            _publish(sock, path)
        else:
            sock.bind(path)
            os.chmod(path, 0o600)  # noqa: PTH101  see above
            sock.listen(_BACKLOG)
    except OSError as error:
        if sock is not None:
            sock.close()
        raise connection_failed(f"cannot listen on {path}", error) from error
    return sock


def _publish(sock: socket.socket, path: str) -> None:
    """Make the socket file appear at `path` only once the socket listens.

    osqueryd's watcher deregisters an extension if its file is there and refuses to connect. So the socket is
    bound beside the path, listens, and is then linked to the path.
    """
    beside = f"{path}~"
    if len(os.fsencode(beside)) > _PATH_LIMIT:
        sock.bind(path)
        sock.listen(_BACKLOG)
        return
    remove(beside)
    sock.bind(beside)
    try:
        if stat.S_IMODE(os.lstat(beside).st_mode) & 0o077:
            os.chmod(beside, 0o600)  # noqa: PTH101  see above
        sock.listen(_BACKLOG)
        try:
            os.link(beside, path)
        except FileExistsError as error:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)) from error
    finally:
        remove(beside)


def _remove_stale(path: str) -> None:
    """Remove a socket on which no process listens. A live one stays, and `_publish` refuses the path."""
    try:
        info = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(info.st_mode):
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
