"""Bound the calls that run at once and those that wait.

A call takes this way:

    admit ---> running ---> end
      |           ^          |
      |           |          +--- gives its place to the call that has waited longest
      +------> waiting
      |
      +------> Busy, when both are full

Pings and quick calls are answered without being admitted: no number of slow calls holds them up.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ..service import CallContext

if TYPE_CHECKING:
    import threading

    from ..protocol import Request
    from ..service import ServerOptions
    from ..streams import Connection
    from .watchdog import Watchdog


class Busy(Exception):
    """All places are taken: the text is the answer for the caller."""


class Admission:
    """Counts calls in and out."""

    def __init__(self, lock: threading.Lock, options: ServerOptions, watchdog: Watchdog) -> None:
        """Take the server's lock, its bounds, and the watchdog to wake for each call."""
        self._lock = lock
        self._options = options
        self._watchdog = watchdog
        self._waiting: deque[tuple[Connection, Request]] = deque()
        self._stopping = False
        self.running: set[CallContext] = set()
        """Calls that run. Change it with the lock held; the set stays the same object."""

    @property
    def waiting(self) -> int:
        """Number of calls that wait for a place."""
        return len(self._waiting)

    def admit(self, connection: Connection, request: Request, *, may_run: bool) -> CallContext | None:
        """Count a call in.

        Args:
            connection: where it came from.
            request: the call.
            may_run: whether the calling thread can run it; if not, it waits even if a place is free.

        Returns:
            The call to run. None if it waits, or was dropped because the server stops: the connection belongs
            to the calling thread no longer.

        Raises:
            Busy: the caller is to be refused.
        """
        with self._lock:
            if self._stopping:
                connection.close()
                return None
            if may_run and len(self.running) < self._options.max_calls:
                return self._begin(connection, request)
            if len(self._waiting) < self._options.max_queue:
                self._waiting.append((connection, request))
                return None
        running, waiting = self._options.max_calls, self._options.max_queue
        raise Busy(f"extension is busy: {running} calls are running and {waiting} wait; try again later")

    def _begin(self, connection: Connection, request: Request) -> CallContext:
        """Give a call a place. The lock is held."""
        context = CallContext(connection, request)
        self.running.add(context)
        if not self._watchdog.awake:
            self._watchdog.start()
        return context

    def end(self, context: CallContext) -> CallContext | None:
        """Count a call out; return the one that gets its place, for the calling thread to run.

        That is the call that has waited longest and whose caller has not hung up.
        """
        with self._lock:
            self.running.discard(context)
            while self._waiting and not self._stopping:
                connection, request = self._waiting.popleft()
                if not connection.hung_up():
                    return self._begin(connection, request)
                connection.close()
        return None

    def snapshot(self) -> list[CallContext]:
        """Return the calls that run now."""
        with self._lock:
            return list(self.running)

    def stop(self) -> list[Connection]:
        """Admit no more calls, cancel those that run, and return the connections of those that waited.

        The lock is held.
        """
        self._stopping = True
        dropped = [connection for connection, _ in self._waiting]
        self._waiting.clear()
        for context in self.running:
            context.cancelled = True
        return dropped

    def abort(self) -> None:
        """Cut off the callers of calls that still run."""
        with self._lock:
            for context in self.running:
                if context.connection is not None:
                    context.connection.abort()
