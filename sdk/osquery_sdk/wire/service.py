"""What a server asks of the service behind it, and what it tells it about each call."""

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
    """Calls that wait for one of those to end; one more is refused."""
    message_timeout: float = 10.0
    """Seconds within which a message that has begun must be complete."""
    send_timeout: float = 30.0
    """Seconds without progress after which a caller that does not read its answer is dropped."""
    stop_timeout: float = 3.0
    """Seconds that running calls get when the server stops."""
    limits: Limits = Limits()
    """Of each message."""


class Service(Protocol):
    """What a server serves: an object with the Python-named methods of the Thrift service it offers."""

    def ping(self) -> Status:
        """Must return at once."""

    def call(self, registry: str, item: str, request: dict[str, str], context: CallContext) -> Reply:
        """May take as long as `context` allows; must not change `request`, which other calls may share."""

    def shutdown(self) -> None:
        """Begin to stop; called after the reply has been sent."""


class CallContext:
    """One call while it runs: how much time it has, and whether anybody still waits for it."""

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
        """Let `answer` be sent if the call has not returned in `seconds`; returns that `time.monotonic()`."""
        self.late_answer = answer
        self.deadline = deadline = time.monotonic() + seconds
        return deadline

    def claim(self) -> bool:
        """Take the right to answer; only the first to ask gets it."""
        return self._claim.acquire(blocking=False)
