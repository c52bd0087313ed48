"""Counters of a table, which admit a call or refuse it."""

from __future__ import annotations

import threading

MAX_AT_ONCE = 8


class Counters:
    """Numbers about a table since the program started.

    Attributes:
        calls: requests for rows and writes, with those that were refused or still run.
        errors: calls that failed or were answered too late.
        last_rows: rows of the last call that succeeded; None before the first.
        last_seconds: seconds until the last call had its rows or failed, without sending; None before the
            first.
        total_seconds: the sum of those seconds over all calls.
        last_error: the message of the last call that failed.
        is_taken: osquery or another extension has a table of this name, so this one was left out.
    """

    def __init__(self) -> None:
        """Start every count at 0."""
        self.calls = 0
        self.errors = 0
        self.last_rows: int | None = None
        self.last_seconds: float | None = None
        self.total_seconds = 0.0
        self.last_error = ""
        self.is_taken = False
        self._running = 0
        self._lock = threading.Lock()

    def begin(self) -> bool:
        """Add a call; return False if too many run already. Each call that was let in has to `end`."""
        with self._lock:
            self.calls += 1
            if self._running >= MAX_AT_ONCE:
                return False
            self._running += 1
            return True

    def refuse(self, message: str) -> None:
        """Add the error of a call that was not let in."""
        with self._lock:
            self.add_error(message)

    def end(self, seconds: float, error: str, rows: int | None = None) -> None:
        """Add the result of a call that was let in.

        Args:
            seconds: the time that it took.
            error: the message, if it failed.
            rows: the number of rows, unless it was a write.
        """
        with self._lock:
            self._running -= 1
            self.add_time(seconds)
            if error:
                self.add_error(error)
            elif rows is not None:
                self.last_rows = rows

    def add_time(self, seconds: float) -> None:
        """Add the seconds of one call."""
        self.last_seconds = seconds
        self.total_seconds += seconds

    def add_error(self, message: str) -> None:
        """Add a call that failed."""
        self.errors += 1
        self.last_error = message
