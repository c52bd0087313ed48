"""What an observer learns of each call that the engine makes into a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

OPERATORS: Mapping[int, str] = {
    2: "=",
    4: ">",
    8: "<=",
    16: "<",
    32: ">=",
    64: "MATCH",
    65: "LIKE",
    66: "GLOB",
    67: "REGEXP",
    68: "!=",
    69: "IS NOT",
    70: "IS NOT NULL",
    71: "IS NULL",
    72: "IS",
    73: "LIMIT",
    74: "OFFSET",
}


class Term(NamedTuple):
    """A term of the WHERE clause that SQLite offered to the table."""

    column: str
    """Name of the column, or "rowid"."""
    op: int
    """SQLite's operator number; `OPERATORS` names them."""
    operands: tuple[str, ...]
    """What the table was told: one, or for an `IN` that arrives whole, each of its values. Empty if withheld."""
    pushed: bool
    reason: str
    """One line: why the term was pushed down or withheld."""

    @property
    def operator(self) -> str:
        """The operator as it is written in SQL; `IN` for an equality with several operands."""
        return "IN" if self.op == 2 and len(self.operands) > 1 else OPERATORS.get(self.op, str(self.op))


class TableCall(NamedTuple):
    """One call into a table: a scan (`generate`) or a write (`insert`, `update`, `delete`).

    A scan that osqueryd refuses, as a required column has no value, is `refuse`: the table is not called.
    """

    table: str
    cursor: int
    """Number of the SQLite cursor: scans of one cursor are the rounds of one loop. 0 for a write."""
    action: str
    terms: tuple[Term, ...]
    columns_used: tuple[str, ...]
    request: Mapping[str, str]
    """What the table was sent."""
    rows: int
    """Number of rows that it answered with."""
    seconds: float
    error: str | None
    """The error that the statement got from this call."""


Observer: TypeAlias = Callable[[TableCall], None]
