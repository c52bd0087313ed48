"""The thread that looks on while a server is at work."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PERIOD = 0.005
_LINGER = 1.0
_INSPECT_PERIOD = 0.1


class Guard:
    """Calls `look` every few milliseconds while there is something to watch and a little longer, then sleeps.

    Its methods, and what it calls, say whether the lock is held.
    """

    def __init__(
        self,
        lock: threading.Lock,
        look: Callable[[float], bool],
        inspect: Callable[[float], None],
        retire: Callable[[], None],
    ) -> None:
        """Set up without starting a thread.

        Args:
            lock: orders what is to be watched with going to sleep.
            look: is given the time, with the lock held; says whether there is still something to watch.
            inspect: is given the time, ten times a second, without the lock.
            retire: is called before it sleeps, without the lock.
        """
        self._lock = lock
        self._look = look
        self._inspect = inspect
        self._retire = retire
        self._wake = threading.Event()
        self._until = 0.0
        self._stopping = False
        self.awake = False
        """It runs; read with the lock held."""
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Wake it; the lock is held."""
        if self._stopping:
            return
        if self.thread is None:
            thread = threading.Thread(target=self._watch_over, name="extension-guard", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                # No more threads for this process just now: this time goes without.
                return
            self.thread = thread
        self.awake = True
        self._wake.set()

    def watch(self, seconds: float) -> None:
        """Have it look on for that long at the least; the lock is not held."""
        with self._lock:
            self._until = max(self._until, time.monotonic() + seconds)
            if not self.awake:
                self.start()

    def stop(self) -> None:
        """End the thread soon; the lock is held."""
        self._stopping = True
        self._wake.set()

    def _watch_over(self) -> None:
        inspected = 0.0
        while True:
            self._wake.wait()
            time.sleep(_PERIOD)
            now = time.monotonic()
            with self._lock:
                if self._stopping:
                    return
                if self._look(now):
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
