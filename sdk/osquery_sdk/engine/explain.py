"""Explain how a statement reached its tables: terms pushed down, terms withheld and why, and the cost.

The facts come from the embedded engine, which plans as osqueryd does. Conditions that SQLite never offered to
a table leave no trace there; they are read off the statement's text.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import OsquerySdkError
from ..sql.conditions import conditions
from ..sql.required import listed
from ..sql.tokens import tables_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from . import Host, TableCall

_SHOWN = 8
_LIMITS = ("LIMIT", "OFFSET")
_ROUNDS = "one call for each row of what is joined before it, or for each value of an IN"


class Pushed(NamedTuple):
    """A term that a table got."""

    column: str
    operator: str
    operands: tuple[str, ...]
    """Distinct values over all calls, in order; at most 8."""
    more: int
    """Number of distinct values beyond `operands`."""
    reason: str


class Withheld(NamedTuple):
    """A term that SQLite offered and the table did not get."""

    column: str
    operator: str
    reason: str


class Loop(NamedTuple):
    """All calls that one place of the statement made into a table."""

    table: str
    action: str
    """generate; insert, update or delete; refuse, if a required column had no value and no call was made."""
    calls: int
    rows: int
    """Rows of all answers together."""
    seconds: float
    columns: tuple[str, ...]
    pushed: tuple[Pushed, ...]
    withheld: tuple[Withheld, ...]
    error: str | None


class Unoffered(NamedTuple):
    """A condition that SQLite offered to no table: it checks it on the rows that came back."""

    text: str
    reason: str


class Explanation(NamedTuple):
    """The calls and conditions of one statement."""

    sql: str
    rows: int
    seconds: float
    loops: tuple[Loop, ...]
    """In the order of their first calls."""
    unoffered: tuple[Unoffered, ...]
    never_called: tuple[str, ...]
    """Tables that the statement names and that were not called."""
    error: str | None
    advice: tuple[str, ...] = ()
    """Ways to write the statement so that tables get the values that they need."""

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation for JSON."""
        loops = [
            {**loop._asdict(), "pushed": _dicts(loop.pushed), "withheld": _dicts(loop.withheld)}
            for loop in self.loops
        ]
        return {**self._asdict(), "loops": loops, "unoffered": _dicts(self.unoffered)}

    def as_text(self) -> str:
        """Return the explanation for people."""
        return "\n".join(_text(self)) + "\n"


def _dicts(parts: Sequence[Pushed | Withheld | Unoffered]) -> list[dict[str, Any]]:
    return [part._asdict() for part in parts]


def explain(host: Host, sql: str, *, timeout: float | None = None) -> Explanation:
    """Run one statement and return how it reached its tables.

    The host's observer is replaced during the statement. An error of the statement is part of the
    explanation.
    """
    calls: list[TableCall] = []
    before, host.observer = host.observer, calls.append
    try:
        started = time.perf_counter()
        rows, error = 0, None
        try:
            rows = len(host.query(sql, timeout=timeout).rows)
        except OsquerySdkError as problem:
            error = str(problem)
        seconds = time.perf_counter() - started
        host.observer = None
        called = {call.table for call in calls}
        named = {name.lower() for name in tables_of(sql).values()}
        never = tuple(name for name in host.tables() if name.lower() in named and name not in called)
        known = {column.lower() for name in (*called, *never) for column, _ in host.columns(name)}
    finally:
        host.observer = before
    loops = _loops(calls)
    unoffered = _unoffered(sql, calls, never, known)
    return Explanation(sql, rows, seconds, loops, unoffered, never, error, _advice(sql, loops))


def _loops(calls: Sequence[TableCall]) -> tuple[Loop, ...]:
    groups: dict[tuple[str, int, str, frozenset[tuple[str, int]]], list[TableCall]] = {}
    for call in calls:
        # The sides of an OR share a cursor but differ in their terms.
        shape = frozenset((term.column, term.op) for term in call.terms)
        groups.setdefault((call.table, call.cursor, call.action, shape), []).append(call)
    return tuple(_loop(group) for group in groups.values())


def _loop(calls: Sequence[TableCall]) -> Loop:
    pushed: dict[tuple[str, str], tuple[dict[str, None], str]] = {}
    withheld: dict[Withheld, None] = {}
    columns: dict[str, None] = {}
    for call in calls:
        columns.update(dict.fromkeys(call.columns_used))
        for term in call.terms:
            if term.pushed:
                values, _ = pushed.setdefault((term.column, term.operator), ({}, term.reason))
                values.update(dict.fromkeys(term.operands))
            else:
                withheld[Withheld(term.column, term.operator, term.reason)] = None
    terms = [
        Pushed(column, operator, tuple(values)[:_SHOWN], max(0, len(values) - _SHOWN), reason)
        for (column, operator), (values, reason) in pushed.items()
    ]
    return Loop(
        table=calls[0].table,
        action=calls[0].action,
        calls=0 if calls[0].action == "refuse" else len(calls),
        rows=sum(call.rows for call in calls),
        seconds=sum(call.seconds for call in calls),
        columns=tuple(columns),
        pushed=tuple(terms),
        withheld=tuple(withheld),
        error=next((call.error for call in calls if call.error is not None), None),
    )


def _advice(sql: str, loops: Sequence[Loop]) -> tuple[str, ...]:
    """Return how a table that failed gets the values that another table has."""
    from .sql.pushdown import EMPTY_OPERAND, NOT_YET_KNOWN, NULL_OPERAND

    names = list(dict.fromkeys(name.lower() for name in tables_of(sql).values()))
    advices: dict[str, None] = {}
    for loop in loops:
        others = [name for name in names if name != loop.table.lower()]
        if loop.error is None or not others:
            continue
        other = others[0] if len(others) == 1 else "other"
        cure = f"FROM {other} CROSS JOIN {loop.table}; the order of a CROSS JOIN is kept"
        if late := _columns(loop, (NOT_YET_KNOWN,)):
            why = f"{loop.table} was read before the table that has the values of {late}"
            advice = f"{why}: name that one first, {cure}"
        elif empty := _columns(loop, (NULL_OPERAND, EMPTY_OPERAND)):
            advice = f"{other} has rows without a value of {empty}: leave them out, with ... <> ''"
        elif names[0] == loop.table.lower() and "was queried without" in loop.error:
            # In a CROSS JOIN the wrong way round SQLite offers no term whose value a later table has.
            advice = f"if {other} has the values, name it first, {cure}"
        else:
            continue
        advices[advice] = None
    return tuple(advices)


def _columns(loop: Loop, reasons: tuple[str, ...]) -> str:
    """Return the columns whose terms were withheld for one of the reasons, in a sentence."""
    names = dict.fromkeys(term.column for term in loop.withheld if term.reason in reasons)
    return listed([*names]) if names else ""


def _unoffered(
    sql: str, calls: Sequence[TableCall], never: Sequence[str], known: set[str]
) -> tuple[Unoffered, ...]:
    """Return the conditions without a trace. `known` are the columns of the tables, with their aliases."""
    offered = {(term.column.lower(), term.operator) for call in calls for term in call.terms}
    used = {column.lower() for call in calls for column in call.columns_used}
    failed = any(call.error is not None for call in calls)
    out = []
    for condition in conditions(sql):
        reason = condition.reason
        seen = [any((o.column, operator) in offered for operator in o.operators) for o in condition.offers]
        if not reason and condition.either and not all(seen):
            reason = (
                "an OR reaches a table only if each side can be looked up by itself, with a scan for each"
            )
        elif not reason and not any(seen):
            columns = {offer.column for offer in condition.offers}
            if not columns & known:
                reason = "about a result, not about a column of a table"
            elif len(columns) > 1 and columns <= known and not never:
                reason = "two columns: offered only where one is of a table that is read before the other"
            elif columns & used and not never and not failed:
                reason = "SQLite offered it to no table: one side of an outer join, or settled beforehand"
        if reason:
            out.append(Unoffered(condition.text, reason))
    return tuple(out)


def _text(explanation: Explanation) -> list[str]:
    cost = f"{_count(explanation.rows, 'row')} in {_time(explanation.seconds)}"
    lines = [" ".join(explanation.sql.split()), cost]
    if explanation.error is not None:
        lines.append(f"failed: {explanation.error}")
    for loop in explanation.loops:
        verb = {"generate": "", "refuse": " refused"}.get(loop.action, f" {loop.action}")
        calls = _count(loop.calls, "call")
        lines += ["", f"{loop.table}{verb}: {calls}, {_count(loop.rows, 'row')}, {_time(loop.seconds)}"]
        if loop.columns:
            lines.append(f"  columns used  {', '.join(loop.columns)}")
        terms = [("pushed down", _pushed(term), term.reason) for term in loop.pushed]
        terms += [("withheld", f"{term.column} {term.operator} ...", term.reason) for term in loop.withheld]
        width = min(40, max((len(text) for _, text, _ in terms), default=0))
        lines += [f"  {what:<12}  {text:<{width}}  {reason}" for what, text, reason in terms]
        if not terms and loop.action == "generate":
            lines.append("  no terms      the table was asked for all of its rows")
        if loop.calls > 1 and loop.action == "generate":
            lines.append(f"  note          {_ROUNDS}")
        if loop.error is not None:
            lines.append(f"  error         {loop.error}")
    if never := ", ".join(explanation.never_called):
        lines += ["", f"Not called: {never}; nothing before it in the statement gave a row"]
    if explanation.unoffered:
        lines += ["", "Checked by SQLite on the rows that came back:"]
        width = min(40, max(len(condition.text) for condition in explanation.unoffered))
        lines += [f"  {condition.text:<{width}}  {condition.reason}" for condition in explanation.unoffered]
    if explanation.advice:
        lines += ["", *(f"To do: {advice}" for advice in explanation.advice)]
    return lines


def _pushed(term: Pushed) -> str:
    if term.operator in _LIMITS:
        return f"{term.operator} {', '.join(term.operands)}"
    values = ", ".join(term.operands) + (f", and {term.more} more" if term.more else "")
    return f"{term.column} {term.operator} {f'({values})' if term.operator == 'IN' else values}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
