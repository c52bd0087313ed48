"""Records of the calls that the engine makes into tables, for an observer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from ..vocabulary import OPERATORS


class Term(NamedTuple):
    """A term of a statement that SQLite offered to the table."""

    column: str
    """The column's name, or "rowid"."""
    op: int
    """SQLite's operator number; `OPERATORS` names them."""
    operands: tuple[str, ...]
    """The values that the table was told: one, or all of an `IN` that arrives whole.

    Empty if the term was withheld.
    """
    pushed: bool
    reason: str
    """One line on why the term was pushed down or withheld; see `pushdown`."""

    @property
    def operator(self) -> str:
        """The operator in SQL; `IN` for an equality with several operands."""
        return "IN" if self.op == 2 and len(self.operands) > 1 else OPERATORS.get(self.op, str(self.op))


class TableCall(NamedTuple):
    """A call into a table: a scan (`generate`) or a write (`insert`, `update`, `delete`).

    The action `refuse` is a scan that osqueryd refuses because a required column has no value: the table is
    not called.
    """

    table: str
    cursor: int
    """Number of the SQLite cursor, 0 for a write. Scans with the same cursor are the rounds of one loop."""
    action: str
    terms: tuple[Term, ...]
    columns_used: tuple[str, ...]
    request: Mapping[str, str]
    """The request as it was sent."""
    rows: int
    """Number of rows in the answer."""
    seconds: float
    error: str | None
    """The error with which the statement failed at this call; None without one."""


Observer: TypeAlias = Callable[[TableCall], None]
