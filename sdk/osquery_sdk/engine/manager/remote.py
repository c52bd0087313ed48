"""Call an extension over its socket as osqueryd does: a ping, then the call, each on a new connection.

Facts from `callExtension` and `extensionPathActive` (osquery/extensions/extensions.cpp).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...errors import ConnectionFailed, DeadlineExceeded, ProtocolError, RemoteError, WireError
from ...wire.client import ExtensionConnection
from ...wire.protocol import Status
from ..answer import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

PING_TIMEOUT = 10.0

# Texts of this client -> texts of Thrift for C++, for a reply without a result and for an exception without a
# text.
_REASONS = {
    "call returned nothing": "call failed: unknown result",
    "unknown error": "TApplicationException: Unknown application exception",
}


def _left(limit: float, deadline: float | None) -> float:
    """Return the seconds for the next step: `limit`, or less if `deadline` is nearer.

    Raises:
        DeadlineExceeded: no time is left until `deadline`.
    """
    if deadline is None:
        return limit
    left = deadline - time.monotonic()
    if left <= 0:
        raise DeadlineExceeded("no time left for the call")
    return min(limit, left)


def answers_ping(path: str, *, timeout: float = PING_TIMEOUT) -> bool:
    """Return True if an extension answers a ping at `path`."""
    try:
        with ExtensionConnection(path, timeout=timeout) as connection:
            connection.ping()
    except WireError:
        return False
    return True


def call_extension(
    path: str, registry: str, item: str, request: Mapping[str, str], timeout: float, deadline: float | None
) -> Answer:
    """Call a plugin of an extension.

    Args:
        path: the extension's socket.
        registry: the plugin's registry.
        item: the plugin's name.
        request: the request of the call.
        timeout: seconds for the call (`--thrift_timeout`); the ping before it has 10.
        deadline: a moment of `time.monotonic()` at which the caller stops waiting.

    Raises:
        DeadlineExceeded: `deadline` has come. Any other failure is an answer with osqueryd's message.
    """
    if not answers_ping(path, timeout=_left(PING_TIMEOUT, deadline)):
        _left(0, deadline)
        return Answer(Status(1, f"Extension socket not available: {path}"))
    try:
        with ExtensionConnection(path, timeout=_left(timeout, deadline)) as connection:
            status, rows = connection.call_raw(registry, item, request)
    except DeadlineExceeded:
        _left(0, deadline)
        reason = "THRIFT_EAGAIN (timed out)"
    except ConnectionFailed:
        reason = "No more data to read."
    except RemoteError as exc:
        reason = _REASONS.get(str(exc), str(exc))
    except ProtocolError as exc:
        reason = str(exc)
    else:
        return Answer(status, rows)
    return Answer(Status(1, f"Extension call failed: {reason}"))
