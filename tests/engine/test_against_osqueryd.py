"""Statements beyond the recordings: what a real osqueryd answered and asked of the tables, and what the engine does.

The differences are SQLite's: osqueryd has version 3.42, APSW a newer one.
"""

from __future__ import annotations

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
