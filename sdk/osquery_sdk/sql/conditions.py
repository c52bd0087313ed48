"""The conditions of a statement as they are written, and which of them SQLite can offer to a table.

SQLite offers a virtual table only terms of the form `column operator value`, joined by AND
(sqlite.org/vtab.html, "Inputs"). It checks everything else itself, on the rows that came back. This module
reads the statement's text only.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from .tokens import Token, depths, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ENDS_WHERE = frozenset(
    ("GROUP", "ORDER", "LIMIT", "HAVING", "WINDOW", "UNION", "INTERSECT", "EXCEPT", "RETURNING")
)
_ENDS_ON = _ENDS_WHERE | frozenset(("WHERE", "JOIN", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL"))
_SIGNS = frozenset(("=", "==", "<", ">", "<=", ">=", "!=", "<>"))
_WORDS = frozenset(("IS", "IN", "LIKE", "GLOB", "REGEXP", "MATCH", "BETWEEN", "ISNULL", "NOTNULL"))
_OPERATORS = {
    # SQLite turns several of them on one column, joined by OR, into an IN.
    "=": ("=", "IN"),
    "==": ("=", "IN"),
    "<>": ("!=",),
    "IN": ("=", "IN"),
    "BETWEEN": (">=", "<="),
    "IS": ("IS", "IS NULL"),
    "IS NOT": ("IS NOT", "IS NOT NULL"),
    "ISNULL": ("IS NULL",),
    "NOTNULL": ("IS NOT NULL",),
}
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


class Simple(NamedTuple):
    """A comparison of a column, in a form that SQLite can offer."""

    column: str
    operators: tuple[str, ...]
    """The names that an offered term may have; see `engine.OPERATORS`."""


class Condition(NamedTuple):
    """One part of a WHERE or ON clause; AND stands between the parts."""

    text: str
    offers: tuple[Simple, ...]
    """The comparisons that SQLite may offer: for an OR of all sides, for `a = b` of both columns."""
    reason: str
    """The reason why SQLite offers nothing; "" if it can."""
    either: bool = False
    """True for an OR: a table gets it only if it can look up each of the sides."""


def conditions(sql: str) -> list[Condition]:
    """Return the conditions of every WHERE and ON clause in `sql`, also in subqueries."""
    words = tokens(sql)
    return [
        _judge(sql, part)
        for start, end in _clauses(words)
        for part in _split(words[start:end], "AND")
        if part
    ]


def _clauses(words: Sequence[Token]) -> Iterator[tuple[int, int]]:
    for number, token in enumerate(words):
        if token.upper not in ("WHERE", "ON"):
            continue
        ends = _ENDS_WHERE if token.upper == "WHERE" else _ENDS_ON
        signs = (";",) if token.upper == "WHERE" else (";", ",")
        depth, end = 0, number + 1
        while end < len(words):
            text = words[end].text
            depth += (text == "(") - (text == ")")
            if depth < 0 or (depth == 0 and (text in signs or words[end].upper in ends)):
                break
            end += 1
        yield number + 1, end


def _split(part: Sequence[Token], word: str) -> list[Sequence[Token]]:
    """Cut at a word outside parentheses, CASE and BETWEEN; take off parentheses around a part."""
    part = _bare(part)
    pieces: list[Sequence[Token]] = []
    depth, start, between = 0, 0, False
    for number, token in enumerate(part):
        depth += (token.text == "(" or token.upper == "CASE") - (token.text == ")" or token.upper == "END")
        if depth:
            continue
        if token.upper == "BETWEEN":
            between = True
        elif token.upper == "AND" and between:
            between = False
        elif token.upper == word:
            pieces.append(part[start:number])
            start = number + 1
    if not pieces:
        return [part]
    pieces.append(part[start:])
    return [inner for piece in pieces for inner in _split(piece, word)]


def _bare(part: Sequence[Token]) -> Sequence[Token]:
    while len(part) > 1 and part[0].text == "(" and part[-1].text == ")":
        if 0 in islice(depths(part), len(part) - 1):
            return part
        if part[1].upper in ("SELECT", "WITH", "VALUES"):
            return part
        part = part[1:-1]
    return part


def _judge(sql: str, part: Sequence[Token]) -> Condition:
    text = " ".join(sql[part[0].start : part[-1].end].split())
    sides = _split(part, "OR")
    if len(sides) > 1:
        judged = [_judge(sql, inner) for side in sides for inner in _split(side, "AND")]
        reason = next((j.reason for j in judged if j.reason), "")
        return Condition(
            text,
            tuple(offer for j in judged for offer in j.offers),
            f"an OR with {reason}" if reason else "",
            either=True,
        )
    offers, reason = _comparison(part)
    return Condition(text, offers, reason)


def _comparison(part: Sequence[Token]) -> tuple[tuple[Simple, ...], str]:
    if part[0].upper in ("NOT", "EXISTS", "CASE"):
        return (), f"{part[0].upper} ...; a table is offered comparisons of a column only"
    for number, (token, depth) in enumerate(zip(part, depths(part), strict=True)):
        if depth:
            continue
        if token.upper == "NOT":
            following = part[number + 1].upper if number + 1 < len(part) else ""
            return (), f"NOT {following}; a table is offered no such comparison"
        if token.text in _SIGNS or token.upper in _WORDS:
            return _about(part[:number], token.upper or token.text, part[number + 1 :])
    return (), "an expression without a comparison"


def _about(left: Sequence[Token], operator: str, right: Sequence[Token]) -> tuple[tuple[Simple, ...], str]:
    if operator == "IS" and right and right[0].upper == "NOT":
        operator, right = "IS NOT", right[1:]
    if operator == "LIKE" and any(token.upper == "ESCAPE" for token in right):
        return (), "LIKE with ESCAPE; a table is offered LIKE without it only"
    names = _OPERATORS.get(operator, (operator,))
    offers = []
    if column := _column(left):
        offers.append(Simple(column, names))
    if operator in _SIGNS and (column := _column(right)):
        mirrored = _MIRRORED.get(operator)
        offers.append(Simple(column, (mirrored,) if mirrored else names))
    if offers:
        return tuple(offers), ""
    return (), "a comparison of an expression, not of a column by itself"


def _column(part: Sequence[Token]) -> str | None:
    """Return the name of a column that stands alone, in lower case; None for any other expression."""
    part = _bare(part)
    if len(part) == 1 and part[0].upper not in ("NULL", "TRUE", "FALSE") and (name := part[0].name):
        return name.lower()
    if len(part) == 3 and part[1].text == "." and part[0].name and (name := part[2].name):
        return name.lower()
    return None
