"""Random statements that are kept, with the answers of a real osqueryd and the calls that it made.

`kept.sql` has a statement a line, over the tables of `random.json`. Those behind the line `-- osqueryd's own
SQLite` are ones that newer versions of SQLite plan or word in another way. Run this module to record
`random.json` anew: ``python -m tests.engine.random_sql.kept``.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ....support.paths import RECORDINGS
from ..recordings import Call
from .comparison import Outcome, both
from .tables import RandomColumn, RandomTable, random_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

RECORDING = RECORDINGS / "random.json"
_SEED = 0
_OWN = "-- osqueryd's own SQLite"


class Kept(NamedTuple):
    sql: str
    own: bool
    """True if only osqueryd's version of SQLite has this outcome."""
    outcome: Outcome


def statements() -> list[tuple[str, bool]]:
    """Return the lines of kept.sql, with True for those that need osqueryd's SQLite."""
    lines = (Path(__file__).parent / "kept.sql").read_text().splitlines()
    border = lines.index(_OWN)
    return [(line, number > border) for number, line in enumerate(lines) if line and number != border]


def recorded() -> tuple[list[RandomTable], list[Kept]]:
    """Return the tables, and osqueryd's outcomes of the statements."""
    data = json.loads(RECORDING.read_text())
    return [_table(table) for table in data["tables"]], [_kept(entry) for entry in data["statements"]]


def _table(data: dict[str, Any]) -> RandomTable:
    columns = tuple(RandomColumn(*column) for column in data["columns"])
    pairs = tuple((name, target) for name, target in data["aliases"])
    return RandomTable(**{**data, "columns": columns, "aliases": pairs, "views": tuple(data["views"])})


def _kept(data: dict[str, Any]) -> Kept:
    calls = [
        Call(table, action, constraints, frozenset(used), tuple((key, value) for key, value in rest))
        for table, action, constraints, used, rest in data["calls"]
    ]
    outcome = Outcome(data["code"], data["message"], data["rows"], (0, "", []), calls)
    return Kept(data["sql"], data["own"], outcome)


def _to_json(sql: str, own: bool, outcome: Outcome) -> dict[str, Any]:
    calls = [[*call[:3], sorted(call.used or ()), call.rest] for call in outcome.calls]
    answer = {"code": outcome.code, "message": outcome.message, "rows": outcome.rows}
    return {"sql": sql, "own": own, **answer, "calls": calls}


def _lines(entries: Sequence[dict[str, Any]]) -> str:
    return ",\n".join(json.dumps(entry) for entry in entries)


def main() -> None:
    """Record random.json from the osqueryd on PATH."""
    command = ["osqueryd", "--version"]
    version = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]
    tables = recorded()[0] if RECORDING.exists() else list(random_tables(_SEED))
    with both(tables) as (_, theirs):
        entries = [_to_json(sql, own, theirs.ask(sql, columns=False)) for sql, own in statements()]
    described = _lines([table._asdict() for table in tables])
    RECORDING.write_text(
        f'{{"osquery": "{version}", "tables": [\n{described}\n], "statements": [\n{_lines(entries)}\n]}}\n'
    )


if __name__ == "__main__":
    main()
