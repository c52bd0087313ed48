"""Run the checks of a busy server every few milliseconds.

The thread that does so sleeps while there is nothing to watch.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PERIOD = 0.005
_LINGER = 1.0
_INSPECT_PERIOD = 0.1


class Watchdog:
    """A thread that checks a server until it has had nothing to watch for a second.

    The docstring of each method says whether the caller holds the server's lock.
    """

    def __init__(
        self,
        lock: threading.Lock,
        check: Callable[[float], bool],
        inspect: Callable[[float], None],
        retire: Callable[[], None],
    ) -> None:
        """Set up without starting a thread.

        Args:
            lock: the server's lock. It makes "nothing left to watch" and "go to sleep" one step.
            check: called every 5 ms with the time, the lock held; returns whether to go on watching.
            inspect: called ten times a second with the time, without the lock.
            retire: called before the thread sleeps, without the lock.
        """
        self._lock = lock
        self._check = check
        self._inspect = inspect
        self._retire = retire
        self._wake = threading.Event()
        self._until = 0.0
        self._stopping = False
        self.awake = False
        """True while the thread checks. Read it with the lock held."""
        self.thread: threading.Thread | None = None
        """The thread, once there was something to watch."""

    def start(self) -> None:
        """Wake the thread, or start it the first time. The lock is held."""
        if self._stopping:
            return
        if self.thread is None:
            thread = threading.Thread(target=self._run, name="extension-watchdog", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                # The system gives this process no more threads now. The next call tries again.
                return
            self.thread = thread
        self.awake = True
        self._wake.set()

    def watch(self, seconds: float) -> None:
        """Keep the thread awake for at least `seconds`. The lock is not held."""
        with self._lock:
            self._until = max(self._until, time.monotonic() + seconds)
            if not self.awake:
                self.start()

    def stop(self) -> None:
        """End the thread within a period. The lock is held."""
        self._stopping = True
        self._wake.set()

    def _run(self) -> None:
        inspected = 0.0
        while True:
            self._wake.wait()
            time.sleep(_PERIOD)
            now = time.monotonic()
            with self._lock:
                if self._stopping:
                    return
                if self._check(now):
                    self._until = max(self._until, now)
                elif now > self._until + _LINGER:
                    self.awake = False
                    self._wake.clear()
                retiring = not self.awake
            if retiring:
                self._retire()
            if now >= inspected + _INSPECT_PERIOD:
                inspected = now
                self._inspect(now)
