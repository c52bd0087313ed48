"""Limits of the work for one answer, and a budget that stops it there with an error that names the limit."""

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol, Self

from .errors import LimitExceeded

# A clock reading and a check for cancellation cost more than a step of the work: they are made once in so
# many steps.
_EVERY = 2048


class Limits(NamedTuple):
    """Bounds on the work of one answer; a table reads its own from `Query.limits`."""

    max_file_bytes: int = 16 << 20
    """Largest file that is read, in bytes."""
    max_rows: int = 100_000
    """Most rows of one answer."""
    max_seconds: float = 20.0
    """Longest time for one answer."""
    max_folders: int = 4_000
    """Most folders that one path pattern may list."""


class Limited(Protocol):
    """A request with limits, such as the `Query` of a table."""

    @property
    def limits(self) -> Limits:
        """The limits of the work for its answer."""

    def check(self) -> None:
        """Raise an error when nobody waits for the answer any more."""


class Budget:
    """Counts what the work for one answer uses up.

    `on_check` is called now and then: give it `query.check`, so that an answer that nobody waits for ends
    early. Every method raises LimitExceeded when its limit is passed; the text names the limit and how to
    raise it.
    """

    __slots__ = ("_ends", "_on_check", "_rows", "_steps", "limits")

    def __init__(self, limits: Limits, on_check: Callable[[], None] = lambda: None) -> None:
        """Start the clock."""
        self.limits = limits
        self._ends = time.monotonic() + limits.max_seconds
        self._on_check = on_check
        self._rows = 0
        self._steps = 0

    @classmethod
    def of(cls, query: Limited) -> Self:
        """Return a budget with the limits of a query's table.

        An answer that nobody waits for ends early.
        """
        return cls(query.limits, query.check)

    def add_rows(self, count: int = 1) -> None:
        """Count rows of the answer."""
        self._rows += count
        if self._rows > self.limits.max_rows:
            raise LimitExceeded(
                f"the answer has more than {self.limits.max_rows:,} rows: ask for less, or raise max_rows"
            )
        self.step(count)

    def drop_rows(self, count: int) -> None:
        """Uncount rows that will not be part of the answer."""
        self._rows -= count

    def step(self, count: int = 1) -> None:
        """Count work; look at the clock now and then."""
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
