"""Statements beyond the recordings: what a real osqueryd answered and asked of the tables, and what the engine does.

The differences are SQLite's: osqueryd has version 3.42, APSW a newer one.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.engine import Host

from . import reference

if TYPE_CHECKING:
    from .reference import Outcome

# Other calls, but the same rows.
OTHER_CALLS = {
    "select pid from ref_scan s where exists (select 1 from pushed where i = 1)": "newer SQLite makes a join of EXISTS",
    "select * from (select * from pushed where i = 1 limit 2) p join ref_scan s on s.pid = p.i": "other order of a join",
}
OTHER_ANSWERS = {
    "select printf('%f %g %s', 1.5, 0.1+0.2, 0.1+0.2), round(2.567, 2), quote(0.1+0.2), quote(1e20)": "digits of quote()",
    "select printf('%.3f', 1.0005), printf('%d', 5), format('%s', 'x')": "rounding of printf()",
    "COLUMNS select 1; select 2": "osqueryd fails with the text of an exception in C++",
    "pragma collation_list": "order",
    "select * from pushed where t = cast(x'ff41' as text)": "APSW has no text that is not UTF-8",
}
# Numbers of plans, and a column of EXPLAIN that newer versions of SQLite fill.
_VOLATILE = re.compile(r"INDEX \d+")


@pytest.fixture(scope="module")
def engine_outcomes() -> list[Outcome]:
    with Host(options={"extensions_interval": "600"}) as host:
        return reference.outcomes(host.socket)


def _comparable(outcome: Outcome) -> tuple[int, str, list[dict[str, str]]]:
    rows = [
        {key: _VOLATILE.sub("INDEX", value) for key, value in row.items() if key != "notused"}
        for row in outcome.rows
    ]
    return outcome.code, outcome.message, rows


@pytest.mark.parametrize("case", reference.recorded().items(), ids=lambda case: case[0])
def test_engine_does_as_osqueryd_did(case: tuple[str, Outcome], engine_outcomes: list[Outcome]) -> None:
    name, theirs = case
    number, _, sql = name.partition(" ")
    mine = engine_outcomes[int(number)]
    if sql not in OTHER_ANSWERS:
        assert _comparable(mine) == _comparable(theirs)
        if sql not in OTHER_CALLS:
            assert mine.calls == theirs.calls


def test_differences_are_needed(engine_outcomes: list[Outcome]) -> None:
    """Each difference that is allowed for is really there."""
    recorded = reference.recorded()
    by_sql = {
        name.partition(" ")[2]: (int(name.partition(" ")[0]), outcome) for name, outcome in recorded.items()
    }
    for sql in OTHER_CALLS:
        number, theirs = by_sql[sql]
        assert engine_outcomes[number].calls != theirs.calls, sql
    for sql in OTHER_ANSWERS:
        number, theirs = by_sql[sql]
        assert _comparable(engine_outcomes[number]) != _comparable(theirs), sql


@pytest.mark.osqueryd
@pytest.mark.skipif(shutil.which("osqueryi") is None, reason="no osqueryi on PATH")
def test_osqueryd_still_does_what_was_recorded() -> None:
    with reference.osqueryi() as socket:
        now = reference.outcomes(socket)
    for (name, before), outcome in zip(reference.recorded().items(), now, strict=True):
        assert _comparable(outcome) == _comparable(before), name
        assert outcome.calls == before.calls, name


# -- statements made at random

_TABLES = {
    **dict.fromkeys(
        ("ref_scan", "ref_default", "ref_indexed", "norow"), ("pid", "name", "parent", "cpu", "path")
    ),
    "ref_required": ("pid", "name", "path"),
    "ref_nocase": ("pid", "name"),
    "ref_additional": ("pid", "name"),
}
_VALUES = {
    "pid": ("103", "105", "'104'", "100+5", "999", "103.0", "null"),
    "parent": ("101", "102", "100"),
    "cpu": ("1.5", "3", "4.5", "0"),
    "name": ("'proc1'", "'proc5'", "'PROC3'", "''", "'proc11'"),
    "path": ("'/usr/bin/p1'", "'/usr/bin/p2'", "'x'"),
}


class _Author:
    """Writes statements: joins of up to three tables, with terms of each kind that SQLite may push down."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def _term(self, alias: str, table: str, others: list[tuple[str, str]]) -> str:
        choice = self._random.choice
        column = choice(_TABLES[table])
        left, values = f"{alias}.{column}", _VALUES[column]
        if others and self._random.random() < 0.35:
            other, other_table = choice(others)
            return f"{left} {choice(('=', '=', '<', '>='))} {other}.{choice(_TABLES[other_table])}"
        some = ", ".join(self._random.sample(values, min(len(values), self._random.randint(1, 3))))
        second = choice(_TABLES[table])
        return choice(
            (
                f"{left} = {choice(values)}",
                f"{left} {choice(('>', '<', '<=', '>=', '!=', 'is', 'is not'))} {choice(values)}",
                f"{left} {choice(('in', 'in', 'not in'))} ({some})",
                f"{left} like '{choice(('%1%', 'proc%'))}'",
                f"{left} between {choice(values)} and {choice(values)}",
                f"{left} in (select {column} from ref_indexed where pid > 105)",
                f"({left} = {choice(values)} or {alias}.{second} = {choice(_VALUES[second])})",
            )
        )

    def statement(self) -> str:
        choice, chance = self._random.choice, self._random.random
        tables = [(f"t{number}", choice(tuple(_TABLES))) for number in range(choice((1, 1, 1, 2, 2, 3)))]
        columns = ", ".join(
            f"{alias}.{column} {alias}_{column}" for alias, table in tables for column in _TABLES[table]
        )
        sql = f"select {columns} from {tables[0][1]} t0"
        for number, (alias, table) in enumerate(tables[1:], 1):
            term = self._term(alias, table, tables[:number])
            sql += f" {choice(('join', 'join', 'left join', 'cross join'))} {table} {alias} on {term}"
        terms = []
        for _ in range(choice((0, 1, 2, 3))):
            alias, table = choice(tables)
            terms.append(self._term(alias, table, [other for other in tables if other[0] != alias]))
        if terms:
            sql += " where " + choice((" and ", " and ", " or ")).join(terms)
        return sql + (f" order by 1{choice(('', ' desc'))}" if chance() < 0.2 else "")


@pytest.mark.osqueryd
@pytest.mark.skipif(shutil.which("osqueryi") is None, reason="no osqueryi on PATH")
def test_random_statements_have_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    author = _Author(5)
    sqls = [author.statement() for _ in range(200)]
    monkeypatch.setattr(reference, "statements", lambda: sqls)
    with reference.osqueryi() as socket:
        theirs = reference.outcomes(socket)
    with Host(options={"extensions_interval": "600"}) as host:
        mine = reference.outcomes(host.socket)

    def answer(outcome: Outcome) -> tuple[int, str, list[str]]:
        return outcome.code, outcome.message, sorted(json.dumps(row) for row in outcome.rows)

    assert [answer(outcome) for outcome in mine] == [answer(outcome) for outcome in theirs]
    other_calls = sum(one.calls != other.calls for one, other in zip(mine, theirs, strict=True))
    assert other_calls <= 10, "SQLite's planner differs between versions, but not often"
