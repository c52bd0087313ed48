"""The engine answers statements beyond the recordings, and calls tables, as a real osqueryd did.

`known_differences.py` lists the exceptions.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.engine import Host

from ...support.paths import DOCS
from . import known_differences, reference

if TYPE_CHECKING:
    from .reference import Outcome

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
    if sql not in known_differences.answers():
        assert _comparable(mine) == _comparable(theirs)
        if sql not in known_differences.calls():
            assert mine.calls == theirs.calls


def test_differences_are_needed(engine_outcomes: list[Outcome]) -> None:
    """Check that each known difference exists."""
    recorded = reference.recorded()
    by_sql = {
        name.partition(" ")[2]: (int(name.partition(" ")[0]), outcome) for name, outcome in recorded.items()
    }
    for sql in known_differences.calls():
        number, theirs = by_sql[sql]
        assert engine_outcomes[number].calls != theirs.calls, sql
    for sql in known_differences.answers().keys() - known_differences.ANSWERS_OF_SOME_NEWER_SQLITE.keys():
        number, theirs = by_sql[sql]
        assert _comparable(engine_outcomes[number]) != _comparable(theirs), sql


def test_every_known_difference_is_in_the_documentation() -> None:
    page = (DOCS / "engine.md").read_text()
    table = page.partition("<!-- differences -->")[2].partition("\n\n")[0]
    documented = {line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[3:]}
    assert documented == set(known_differences.REASONS)


@pytest.mark.osqueryd
@pytest.mark.skipif(shutil.which("osqueryi") is None, reason="no osqueryi on PATH")
def test_osqueryd_still_does_what_was_recorded() -> None:
    with reference.osqueryi() as socket:
        now = reference.outcomes(socket)
    for (name, before), outcome in zip(reference.recorded().items(), now, strict=True):
        assert _comparable(outcome) == _comparable(before), name
        assert outcome.calls == before.calls, name
