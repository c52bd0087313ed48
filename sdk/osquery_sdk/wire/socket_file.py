"""The file of a Unix socket: made for its owner alone, never in the place of anything but a dead socket."""

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


def broken(what: str, error: OSError | ValueError) -> ConnectionFailed:
    """The system's error in the SDK's words."""
    return ConnectionFailed(f"{what}: {getattr(error, 'strerror', None) or error}")


def identity(path: str) -> tuple[int, int] | None:
    """What tells this file from another one at the same path; None where there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino)


def remove(path: str) -> None:
    """Remove a socket file, if that is possible."""
    try:
        os.unlink(path)  # noqa: PTH108  pathlib would be imported for this alone
    except OSError:
        pass


def bind(path: str) -> socket.socket:
    """A socket that listens at `path`, for this user alone; takes the place of one that nobody listens on any more.

    Raises:
        ConnectionFailed: the text says why not.
    """
    if len(os.fsencode(path)) > _PATH_LIMIT:
        raise ConnectionFailed(
            f"socket path is longer than {_PATH_LIMIT} bytes: {path}; choose a shorter --socket"
        )
    if "\0" in path:
        # Python would say so as well, but in other words from one version to the next.
        raise ConnectionFailed(f"socket path has a null character: {path!r}; choose another --socket")
    sock = None
    try:
        _remove_stale(path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        if sys.platform == "linux":
            # The file gets the socket's own mode, so there is no moment at which others could connect.
            os.fchmod(sock.fileno(), 0o600)
            _publish(sock, path)
        else:
            sock.bind(path)
            os.chmod(path, 0o600)  # noqa: PTH101  see above
            sock.listen(_BACKLOG)
    except OSError as error:
        if sock is not None:
            sock.close()
        raise broken(f"cannot listen on {path}", error) from error
    return sock


def _publish(sock: socket.socket, path: str) -> None:
    """Listen at a path where there is no socket before it listens: osqueryd's watcher gives up whom it cannot connect to."""
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
    """Remove a socket that nobody listens on any more; a live one is left for the bind to refuse."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
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
