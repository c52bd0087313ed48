"""Ask a service of this machine for JSON, by HTTP over its Unix socket, bounded in time and size."""

from __future__ import annotations

import os
import stat
from typing import Any, NamedTuple

from .text import decode, shown

_SECONDS = 2.0
_MOST_BYTES = 16 << 20
_CHUNK = 1 << 16


class NoAnswer(Exception):
    """The service did not answer, or not as it should; the text names its socket and says why."""


class Answer(NamedTuple):
    """The JSON of an answer, and the service's name for itself (`Docker/28.0`, `Libpod/4.3`), empty if it
    gives none.
    """

    content: Any
    server: str


def is_socket(path: str) -> bool:
    """Return whether a path is a socket, and not a link to one."""
    try:
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def get_json(
    socket_path: str, target: str, *, seconds: float = _SECONDS, max_bytes: int = _MOST_BYTES
) -> Any:
    """Return the JSON that a GET of `target` (a path with a query) gives.

    Raises NoAnswer if there is no answer within `seconds`, or if it has more than `max_bytes`, is not
    JSON, or is an error.
    """
    import json
    import socket
    from http.client import HTTPConnection, HTTPException
    from threading import Event, Timer

    class Connection(HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(seconds)
            self.sock.connect(socket_path)

    connection = Connection("localhost")
    late = Event()

    def give_up() -> None:
        # A socket's timeout is for one read: a service that sends a byte a second would never exceed it.
        late.set()
        if connection.sock is not None:
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    timer = Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        connection.request("GET", target, headers={"Accept": "application/json"})
        response = connection.getresponse()
        content = bytearray()
        while len(content) <= max_bytes and (chunk := response.read(_CHUNK)):
            content += chunk
        if response.status != 200:
            raise NoAnswer(f"{shown(socket_path)} answers {response.status} {shown(response.reason)}")
        if len(content) > max_bytes:
            raise NoAnswer(f"{shown(socket_path)} answers more than {max_bytes:,} bytes")
        return Answer(json.loads(decode(bytes(content))), response.getheader("Server", ""))
    except (OSError, HTTPException) as error:
        why = str(error) or repr(error)
        if late.is_set() or isinstance(error, TimeoutError):
            why = f"does not answer within {seconds:g} s"
        raise NoAnswer(f"{shown(socket_path)}: {why}") from error
    except (ValueError, RecursionError) as error:
        raise NoAnswer(f"{shown(socket_path)} does not answer JSON: {error}") from error
    finally:
        timer.cancel()
        connection.close()
