"""Random statements have the same rows, codes, error texts and calls on the engine and a real osqueryd.

With Python 3.11 the engine has osqueryd's own version of SQLite, and nothing differs but what is said here.
Newer versions plan some joins otherwise: where a table demands a column, another order of the calls is
another error.
"""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING

import apsw
import pytest

from osquery_sdk.engine import Host

from .known_differences import OWN_SQLITE
from .random_sql import kept
from .random_sql.comparison import CALLS, CODE, COLUMNS, ORDER, ROWS, TEXT, Asked, differences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .random_sql.comparison import Difference

# How many statements in a thousand may differ.
OF_NEWER_SQLITE = {ROWS: 1, ORDER: 2, CODE: 25, TEXT: 15, CALLS: 70, COLUMNS: 15}


def makes_text_beyond_utf8(sql: str) -> bool:
    """Return True if a statement may make text that is not UTF-8: the engine calls tables twice, or fails."""
    return "ff'" in sql or "substr(x'" in sql or "zeroblob" in sql


@pytest.fixture(scope="module")
def engine() -> Iterator[Asked]:
    """Run the engine with the tables of the kept statements."""
    with Host(options={"extensions_interval": "600"}) as host:
        asked = Asked(host.socket, kept.recorded()[0])
        yield asked
        asked.close()


@pytest.mark.parametrize("statement", kept.recorded()[1], ids=lambda statement: statement.sql)
def test_kept_statement_has_osqueryds_answer(statement: kept.Kept, engine: Asked) -> None:
    if statement.own and not OWN_SQLITE:
        pytest.skip(f"SQLite {apsw.sqlitelibversion()} plans or words it otherwise")
    mine, theirs = engine.ask(statement.sql, columns=False), statement.outcome
    assert (mine.code, mine.message) == (theirs.code, theirs.message)
    assert mine.rows == theirs.rows
    assert mine.calls == theirs.calls or makes_text_beyond_utf8(statement.sql)


def _check(seeds: range, count: int) -> None:
    found = [difference for seed in seeds for difference in differences(seed, count)]
    shown = "\n".join(_shown(difference) for difference in found if difference.kind != COLUMNS)
    counted = Counter(difference.kind for difference in found)
    if OWN_SQLITE:
        # Types of columns are guessed from SQLite's program, in which osqueryd's build has comments.
        assert [d for d in found if d.kind != COLUMNS and not makes_text_beyond_utf8(d.sql)] == [], shown
        assert counted[ROWS] == 0, shown
        assert counted[COLUMNS] <= len(seeds) * count * 0.01, counted
    else:
        thousands = max(len(seeds) * count / 1000, 1)
        assert all(counted[kind] <= most * thousands for kind, most in OF_NEWER_SQLITE.items()), shown


def _shown(difference: Difference) -> str:
    return "\n".join(
        (
            f"{difference.kind}: {difference.sql}",
            f"  engine:   {str(difference.mine)[:1000]}",
            f"  osqueryd: {str(difference.theirs)[:1000]}",
        )
    )


NEEDS_OSQUERYD = pytest.mark.skipif(shutil.which("osqueryd") is None, reason="no osqueryd on PATH")


@pytest.mark.osqueryd
@NEEDS_OSQUERYD
def test_three_hundred_statements_do_as_in_osqueryd() -> None:
    _check(range(3), 100)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.osqueryd
@NEEDS_OSQUERYD
def test_ten_thousand_statements_do_as_in_osqueryd() -> None:
    _check(range(100, 120), 500)
