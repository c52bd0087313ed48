"""Wait for connections on one thread at a time, and hand over to another thread when that one is busy.

The leading thread answers what it reads itself, so a small call is never handed from thread to thread. A
thread of the pool is in one of three states:

    spare ---- promote ---> leading ---- promote of another ---> working ---> spare
                               ^                                    (until its call ends)
                               +--- call answered: waits for the next

The watchdog calls `relieve` every 5 ms while calls run. If the leading thread has been at one connection for
more than 4 ms, `relieve` promotes another thread; the busy one goes back to the pool when it is done.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ..streams import Connection, Listener

_BUSY = 0.004
# After an answer the next request is most often a fraction of a millisecond away: osqueryd pings, then calls.
_SPIN = 0.00005
_PAUSE = 0.01


class _Turn:
    """One thread's time as the leader."""

    def __init__(self) -> None:
        self.busy_since: float | None = None
        """The `time.monotonic()` at which it began to serve a connection; None while it waits for one."""


class Leader:
    """A pool of threads, one of which waits on the listener."""

    def __init__(
        self,
        lock: threading.Lock,
        listener: Listener,
        serve: Callable[[Connection], None],
        running: Collection[object],
        report: Callable[[str, BaseException], None],
    ) -> None:
        """Set up without starting a thread.

        Args:
            lock: the server's lock.
            listener: brings the connections.
            serve: answers what has arrived on a connection; raises nothing.
            running: the calls that run now.
            report: called with what failed, and the error.
        """
        self._lock = lock
        self._listener = listener
        self._serve = serve
        self._running = running
        self._report = report
        self._spin = _SPIN if _processors() > 1 else 0.0
        self._pool: list[threading.Thread] = []
        self._spare = 0
        # A spare thread waits here until it is made the leader.
        self._promotions = threading.Semaphore(0)
        self._turn: _Turn | None = None
        self._stopping = False

    def promote(self) -> None:
        """Make a spare thread, or a new one, the leader. The lock is held.

        Raises:
            RuntimeError: the system gives this process no more threads; nothing has changed.
        """
        if self._spare:
            self._spare -= 1
        else:
            name = f"extension-{len(self._pool) + 1}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            thread.start()
            self._pool.append(thread)
        self._turn = None
        self._promotions.release()

    def relieve(self, now: float) -> None:
        """Promote another thread if the leader is busy. The lock is held."""
        turn = self._turn
        busy_since = None if turn is None else turn.busy_since
        if busy_since is not None and now - busy_since > _BUSY:
            try:
                self.promote()
            except RuntimeError:
                # The system gives this process no more threads now: the watchdog tries again in 5 ms.
                pass

    def stop(self) -> list[threading.Thread]:
        """End the spare threads, and each other one when it is done; return all of them. The lock is held."""
        self._stopping = True
        spare, self._spare = self._spare, 0
        self._promotions.release(spare or 1)
        return list(self._pool)

    def _work(self) -> None:
        """Lead until another thread does, then wait to be the leader again."""
        while True:
            self._promotions.acquire()
            if self._stopping:
                return
            self._lead()
            with self._lock:
                if self._stopping:
                    return
                self._spare += 1

    def _lead(self) -> None:
        """Serve the listener's connections until another thread is the leader.

        A promotion that comes just as the work ends makes two leaders for a moment. That is harmless: each
        has its own turn, and the older one stops after the connection for which it already waits.
        """
        self._turn = turn = _Turn()
        spin = 0.0
        while self._turn is turn:
            turn.busy_since = None
            try:
                # No spinning while a table works: it needs the processor and the interpreter.
                connection = self._listener.wait(0.0 if self._running else spin)
            except Exception as error:  # noqa: BLE001  without a leader nothing would be answered any more
                self._report("the socket cannot be waited for", error)
                time.sleep(_PAUSE)
                continue
            if connection is None:
                return
            turn.busy_since = time.monotonic()
            self._serve(connection)
            spin = self._spin


def _processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
