"""What a bundled table may use up before it answers with an error that names the limit."""

import time
from collections.abc import Callable
from typing import NamedTuple

from osquery_sdk import LimitExceeded

__all__ = ["Budget", "Limits"]

# A clock reading and a cancellation check cost more than a node of a document: do them once in so many.
_EVERY = 2048


class Limits(NamedTuple):
    """Limits of one statement's call of a table; give other ones to the function that makes the tables.

    Attributes:
        max_file_bytes: the largest file that is read.
        max_rows: the most rows of one answer.
        max_seconds: the longest time for one answer.
        max_folders: the most folders that one path pattern may list.
    """

    max_file_bytes: int = 16 * 1024 * 1024
    max_rows: int = 100_000
    max_seconds: float = 20.0
    max_folders: int = 4_000


def _nothing() -> None:
    return None


class Budget:
    """What is left of the limits while one answer is made.

    `on_check` is called now and then as well: give it `query.check`, so that an answer nobody waits for ends early.
    Every method raises LimitExceeded once its limit is passed; the text names the limit and how to raise it.
    """

    __slots__ = ("_ends", "_on_check", "_rows", "_steps", "limits")

    def __init__(self, limits: Limits, on_check: Callable[[], None] = _nothing) -> None:
        """Start the clock."""
        self.limits = limits
        self._ends = time.monotonic() + limits.max_seconds
        self._on_check = on_check
        self._rows = 0
        self._steps = 0

    def add_rows(self, count: int = 1) -> None:
        """Count rows of the answer."""
        self._rows += count
        if self._rows > self.limits.max_rows:
            raise LimitExceeded(
                f"the answer has more than {self.limits.max_rows:,} rows: ask for less, or raise max_rows"
            )
        self.step(count)

    def drop_rows(self, count: int) -> None:
        """Take back rows that were counted and will not be part of the answer."""
        self._rows -= count

    def step(self, count: int = 1) -> None:
        """Count work done; looks at the clock now and then."""
        self._steps += count
        if self._steps >= _EVERY:
            self._steps = 0
            self.check()

    def check(self) -> None:
        """Look at the clock now."""
        if time.monotonic() > self._ends:
            raise LimitExceeded(
                f"no answer within {self.limits.max_seconds:g} s: ask for less, or raise max_seconds"
            )
        self._on_check()
