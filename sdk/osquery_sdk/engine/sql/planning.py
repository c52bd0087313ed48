"""Plan a scan: read the terms that SQLite offers (`xBestIndex`), and answer with those that a table is told.

`pushdown.RULES` decide about each term. This module speaks to SQLite, and makes newer versions of SQLite plan
as osqueryd's 3.42 does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import apsw

from ...vocabulary import EQUALS, OFFSET, OPTIMIZED, REQUIRED
from ..trace import Term
from .pushdown import LIMITS, ROWID, Offer, PlannedTerm, Rule, withholding_rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .routes import RouteColumn

_MAX_COST = 1_000_000.0
_LAST_BIT = 63
_AFTER_OSQUERYDS = 3_043_000  # osqueryd has SQLite 3.42, which APSW brings for Python 3.11 alone


class Plan(NamedTuple):
    """One way to scan a table, as agreed with SQLite."""

    terms: Sequence[PlannedTerm] = ()
    """Terms whose operands each scan gets."""
    used: Sequence[str] = ()
    """Names of the columns that the statement uses, targets in place of their aliases."""
    bitset: int = 0
    """Positions of the columns in use; bit 63 stands for all from the 64th on."""
    withheld: Sequence[Term] = ()
    """Terms that the table is not told. They are collected only for an observer."""


def plan_scan(
    index: apsw.IndexInfo, columns: Sequence[RouteColumn], aliases: Mapping[str, int], *, explain: bool
) -> Plan:
    """Choose the terms that a table is told, and tell SQLite which they are and what the scan costs.

    Args:
        index: SQLite's question; it takes the answer, too.
        columns: the table's columns.
        aliases: column alias -> position of its column.
        explain: collect the terms that are withheld.
    """
    planner = _Planner(index, columns)
    for number, offer in planner.offers():
        rule = withholding_rule(offer)
        if rule is None:
            planner.push(number, offer)
        else:
            planner.withhold(number, offer, rule)
    used, bitset, required_used = _columns_used(index.colUsed, columns, aliases)
    index.estimatedCost = _MAX_COST if required_used and not planner.required_given else planner.cost
    return Plan(planner.pushed, used, bitset, planner.withheld if explain else ())


class _Planner:
    """The answer to one question of SQLite's, term by term."""

    def __init__(self, index: apsw.IndexInfo, columns: Sequence[RouteColumn]) -> None:
        self._index = index
        self._columns = columns
        self._operands = 0
        self._has_limit = False
        self.pushed: list[PlannedTerm] = []
        self.withheld: list[Term] = []
        self.cost = _MAX_COST
        self.required_given = False

    def offers(self) -> Iterator[tuple[int, Offer]]:
        """Yield SQLite's number for each term, and the term."""
        index = self._index
        numbers: Sequence[int] = range(index.nConstraint)
        has_variable = False
        if apsw.SQLITE_VERSION_NUMBER >= _AFTER_OSQUERYDS:
            ops = {number: index.get_aConstraint_op(number) for number in numbers}
            # Newer versions of SQLite offer OFFSET before LIMIT, osqueryd's after it.
            numbers = sorted(numbers, key=lambda number: ops[number] == OFFSET)
            self._has_limit = any(op in LIMITS for op in ops.values())
            has_variable = self._has_limit and any(
                op == EQUALS and not self._is_constant(number) for number, op in ops.items()
            )
        for number in numbers:
            position = index.get_aConstraint_iColumn(number)
            column = self._columns[position] if 0 <= position < len(self._columns) else ROWID
            op, usable = index.get_aConstraint_op(number), index.get_aConstraint_usable(number)
            yield number, Offer(op, column, usable, has_variable)

    def push(self, number: int, offer: Offer) -> None:
        """Have SQLite give a term's operand to each scan."""
        index, column = self._index, offer.column
        self.cost = 1.0
        self.required_given = self.required_given or bool(column.options & REQUIRED)
        is_whole_in = index.get_aConstraintUsage_in(number) and bool(column.options & OPTIMIZED)
        if is_whole_in:
            index.set_aConstraintUsage_in(number, True)
        collation = index.get_aConstraint_collation(number)
        place = self._claim(number)
        term = PlannedTerm(column.name, offer.op, is_whole_in=is_whole_in, collation=collation, place=place)
        self.pushed.append(term)

    def withhold(self, number: int, offer: Offer, rule: Rule) -> None:
        """Leave a term to SQLite."""
        self.cost += rule.cost
        if self._has_limit and offer.is_usable and offer.op not in LIMITS:
            # Newer versions of SQLite take LIMIT back when another term is left unused; osqueryd's passes it
            # all the same. So claim the term and ignore its operand. Claim an IN as a whole: else there would
            # be a scan for each of its values.
            if self._index.get_aConstraintUsage_in(number):
                self._index.set_aConstraintUsage_in(number, True)
            self._claim(number)
        self.withheld.append(Term(offer.column.name, offer.op, (), False, rule.reason))

    def _claim(self, number: int) -> int:
        """Ask SQLite for a term's operand; return its position among the operands of a scan."""
        place = self._operands
        self._operands += 1
        self._index.set_aConstraintUsage_argvIndex(number, self._operands)  # SQLite counts from 1
        return place

    def _is_constant(self, number: int) -> bool:
        """Tell whether a term's operand is known before the statement runs. That of an IN counts as known."""
        index = self._index
        return index.get_aConstraint_rhs(number) is not None or index.get_aConstraintUsage_in(number)


def _columns_used(
    positions: set[int], columns: Sequence[RouteColumn], aliases: Mapping[str, int]
) -> tuple[list[str], int, bool]:
    """Return names and bit set of the columns in use, and whether a REQUIRED one is among them."""
    bitset = sum(1 << position for position in positions)
    names: dict[str, None] = {}
    required = False
    for number, column in enumerate(columns if positions else ()):
        bit = min(number, _LAST_BIT)
        if not bitset >> bit & 1:
            continue
        name = column.name
        if name in aliases:
            target = aliases[name]
            bitset = bitset & ~(1 << bit) | 1 << min(target, _LAST_BIT)
            name = columns[target].name
        names[name] = None
        required = required or bool(column.options & REQUIRED)
    return list(names), bitset, required
