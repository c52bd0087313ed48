"""Decide which terms of a statement a table is told, and say why the others are withheld.

SQLite offers a table the terms of the WHERE clause, and the LIMIT and OFFSET. osqueryd passes some of them
on; SQLite checks all others on the rows that come back. Each term is decided twice:

1. While SQLite plans a scan (`xBestIndex`): the first of `RULES` that applies withholds the term.
2. When the scan begins (`xFilter`) and the operand is known: `PlannedTerm.read` withholds operands that
   osqueryd drops.

SQLite offers LIMIT and OFFSET as terms of the table's first column, so they pass or fail by that column's
options. A table must not apply them, as another term may have been withheld.

Facts from `osquery/sql/virtual_table.cpp`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...vocabulary import (
    ADDITIONAL,
    GREATER,
    GREATER_OR_EQUAL,
    INDEX,
    LESS,
    LESS_OR_EQUAL,
    LIMIT,
    OFFSET,
    REQUIRED,
)
from .routes import RouteColumn
from .values import SQLiteValue, in_order, value_text

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS = (LIMIT, OFFSET)
_RANGES = (GREATER, LESS_OR_EQUAL, LESS, GREATER_OR_EQUAL)

ROWID = RouteColumn("rowid", "UNKNOWN", 0)
"""Stands for the rowid, which is not a column of the table."""

# Reasons to withhold a term.
NOT_YET_KNOWN = "its other side is not known when this table is scanned"
NULL_OPERAND = "the operand is NULL"
EMPTY_OPERAND = "the operand is the empty string"
# Reasons to pass a term on.
PUSHED = "the column is pushed down"
PUSHED_WHOLE_IN = "the column is OPTIMIZED: all values at once"
PUSHED_LIMIT = (
    "osqueryd sends it as a term of a column; a table must not apply it, as other terms may be withheld"
)


class Offer(NamedTuple):
    """A term that SQLite offers while it plans a scan."""

    op: int
    """SQLite's operator number."""
    column: RouteColumn
    """The column that the term is about, or `ROWID`."""
    is_usable: bool
    """False if the other side comes from a table that this plan reads later."""
    has_variable_neighbour: bool = False
    """True for LIMIT and OFFSET next to an equality whose value changes while the statement runs."""


class Rule(NamedTuple):
    """A reason to withhold a term."""

    reason: str
    applies: Callable[[Offer], bool]
    cost: float = 0.0
    """Added to the estimated cost of the scan."""


RULES = (
    Rule(NOT_YET_KNOWN, lambda offer: not offer.is_usable),
    Rule("terms on the rowid are never pushed down", lambda offer: offer.column is ROWID),
    Rule(
        "osqueryd never pushes down < <= > >= on TEXT",
        lambda offer: offer.column.type == "TEXT" and offer.op in _RANGES,
        cost=10.0,
    ),
    Rule(
        "the column is neither INDEX, REQUIRED nor ADDITIONAL",
        lambda offer: not offer.column.options & (INDEX | REQUIRED | ADDITIONAL),
    ),
    # osqueryd's SQLite does not offer LIMIT beside `column = column of an outer query`; newer versions do.
    Rule(
        "another term depends on a value that is not a constant",
        lambda offer: offer.has_variable_neighbour and offer.op in LIMITS,
    ),
)
"""The rules of planning, in the order in which they are tried.

A term that none of them withholds is passed on.
"""


def withholding_rule(offer: Offer) -> Rule | None:
    """Return the first rule that withholds a term; None if the term is passed on."""
    return next((rule for rule in RULES if rule.applies(offer)), None)


class PlannedTerm:
    """A term that is passed on, as soon as a scan has its operand."""

    __slots__ = ("collation", "column", "is_read", "is_whole_in", "op", "place")

    def __init__(self, column: str, op: int, *, is_whole_in: bool, collation: str, place: int) -> None:
        """Take a term.

        Args:
            column: name of the column.
            op: SQLite's operator number.
            is_whole_in: the term is an IN, and SQLite gives all of its values at once.
            collation: name of the collation that compares the operand.
            place: position of the operand among those that SQLite gives a scan.
        """
        self.column = column
        self.op = op
        self.is_whole_in = is_whole_in
        self.collation = collation
        self.place = place
        self.is_read = False

    def read(self, value: SQLiteValue | set[SQLiteValue]) -> tuple[tuple[str, ...], str]:
        """Return the texts that the table is told of an operand, and the reason.

        No texts: the term is withheld.
        """
        if self.is_whole_in:
            if self.is_read:
                # As osqueryd: it forgets that this is an IN once it was read, so only the first scan of a
                # loop has the values.
                return (), "osqueryd passes the values of an IN on the first scan only"
            self.is_read = True
            # A subquery without rows comes as NULL, and so does one that depends on a row and was not run
            # yet.
            values = value if isinstance(value, (set, frozenset)) else ()
            texts = (value_text(item) for item in in_order(values, self.collation))
            return tuple(text for text in texts if text is not None), PUSHED_WHOLE_IN
        assert not isinstance(value, (set, frozenset))
        text = value_text(value)
        if text is None:
            return (), NULL_OPERAND
        if not text:
            return (), EMPTY_OPERAND
        return (text,), PUSHED_LIMIT if self.op in LIMITS else PUSHED
