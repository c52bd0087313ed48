"""Serve the extension protocol, and answer pings in time whatever the calls are doing.

`Server` joins five parts, which know each other only in this order:

    watchdog     a thread that looks after calls that run: hung-up callers, deadlines, a busy leader
    admission    how many calls may run and wait; uses the watchdog
    memory       memory of large messages, returned to the system
    calls        reads, runs and answers; uses the three above
    leader       the threads, one of which waits on the listener; calls `Calls.serve`

Watchdog, admission and leader share one lock, so that there is no order of locks to keep. Nothing is sent,
received or run while it is held.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from ..protocol import Reply, Request, Status
from ..service import CallContext, ServerOptions, Service
from .admission import Admission
from .calls import Calls
from .leader import Leader
from .watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..streams import Listener

__all__ = ["CallContext", "Reply", "Request", "Server", "ServerOptions", "Service", "Status"]

_ABORT_PERIOD = 0.5


class Server:
    """Serves `service` on `listener` from `start` to `stop`."""

    def __init__(
        self,
        service: Service,
        listener: Listener,
        *,
        options: ServerOptions | None = None,
        is_quick: Callable[[Request], bool] | None = None,
        on_error: Callable[[str, BaseException], None] | None = None,
    ) -> None:
        """Set up without starting a thread.

        Args:
            service: answers the calls, from several threads at once.
            listener: brings the connections; the server closes it.
            options: bounds.
            is_quick: says which calls are answered at once and outside the bounds, as pings are. They must
                not block.
            on_error: called with a message and the exception of a call that raised, which its caller sees
                only as "Internal error".
        """
        self._listener = listener
        self._options = options or ServerOptions()
        self._lock = threading.Lock()
        self._watchdog = Watchdog(self._lock, self._check, self._inspect, self._retire)
        self._admission = Admission(self._lock, self._options, self._watchdog)
        self._calls = Calls(
            service, listener, self._admission, self._watchdog, self._options, is_quick, on_error
        )
        self._leader = Leader(
            self._lock, listener, self._calls.serve, self._admission.running, self._calls.report
        )

    @property
    def address(self) -> str:
        """The path or the name at which it listens."""
        return self._listener.address

    @property
    def running(self) -> int:
        """Number of calls that run now, pings and quick calls not counted."""
        return len(self._admission.running)

    @property
    def waiting(self) -> int:
        """Number of calls that wait for a place."""
        return self._admission.waiting

    def intact(self) -> bool:
        """Return whether the socket file is still the one made at the start."""
        return self._listener.intact()

    def start(self) -> None:
        """Begin to answer; return at once."""
        self._calls.pid = os.getpid()
        with self._lock:
            self._leader.promote()

    def stop(self) -> None:
        """Stop listening, give running calls `stop_timeout` seconds to be answered, and drop the rest.

        A call may stop its own server: then it is not waited for.
        """
        if os.getpid() != self._calls.pid:
            return  # a fork of the process has neither its threads nor a right to its socket
        end = time.monotonic() + self._options.stop_timeout
        with self._lock:
            dropped = self._admission.stop()
            self._watchdog.stop()
            threads = self._leader.stop()
        self._listener.close()
        for connection in dropped:
            connection.close()
        _join(threads, end)
        self._admission.abort()
        if self._watchdog.thread is not None:
            threads.append(self._watchdog.thread)
        _join(threads, time.monotonic() + _ABORT_PERIOD)

    def _check(self, now: float) -> bool:
        """Relieve a busy leader; return whether any call is running. The lock is held."""
        self._leader.relieve(now)
        return bool(self._admission.running)

    def _inspect(self, now: float) -> None:
        self._calls.inspect(now)

    def _retire(self) -> None:
        self._calls.memory.trim_all()


def _join(threads: list[threading.Thread], end: float) -> None:
    """Wait for threads other than this one to end, until `end` by `time.monotonic()`."""
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join(max(0.0, end - time.monotonic()))
