"""The interface between a server and the service behind it, and the state of one call."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .codec import Limits

if TYPE_CHECKING:
    from .protocol import Reply, Request, Status
    from .streams import Connection


class ServerOptions(NamedTuple):
    """Bounds of a server."""

    max_calls: int = 32
    """Calls that run at once."""
    max_queue: int = 256
    """Calls that wait for a running one to end; one more is refused."""
    message_timeout: float = 10.0
    """Seconds within which a message that has begun must be complete."""
    send_timeout: float = 30.0
    """Seconds without progress after which a caller that does not read its answer is dropped."""
    stop_timeout: float = 3.0
    """Seconds that running calls get when the server stops."""
    limits: Limits = Limits()
    """Bounds on each message."""


class Service(Protocol):
    """The object behind a server, with the Python-named methods of the Thrift service that it offers."""

    def ping(self) -> Status:
        """Return at once."""

    def call(self, registry: str, item: str, request: dict[str, str], context: CallContext) -> Reply:
        """Answer within the time of `context`. Do not change `request`: other calls may share it."""

    def shutdown(self) -> None:
        """Begin to stop; the reply has been sent already."""


class CallContext:
    """One call while it runs: its deadline, and whether anybody still waits for it."""

    __slots__ = ("_claim", "cancelled", "connection", "deadline", "late_answer", "request")

    def __init__(self, connection: Connection | None, request: Request) -> None:
        """Start without a deadline."""
        self.connection = connection
        self.request = request
        self.cancelled = False
        self.deadline: float | None = None
        self.late_answer: Reply | None = None
        self._claim = threading.Lock()

    def limit(self, seconds: float, answer: Reply) -> float:
        """Send `answer` if the call has not returned within `seconds`; return that `time.monotonic()`."""
        self.late_answer = answer
        self.deadline = deadline = time.monotonic() + seconds
        return deadline

    def claim(self) -> bool:
        """Return whether the caller may answer: only the first one may."""
        return self._claim.acquire(blocking=False)
