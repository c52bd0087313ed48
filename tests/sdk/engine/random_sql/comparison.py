"""Compare the engine and a real osqueryd: the same random statements over the same tables.

``python -m tests.engine.random_sql.comparison --seeds 1-10 --statements 1000``
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from osquery_sdk.engine import Host
from osquery_sdk.wire.client import ManagerConnection

from ....support.osqueryd import Manager
from ..live import LiveExtension
from .statements import Author
from .tables import random_tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..recordings import Call, Rows
    from .tables import RandomTable

ROWS, CODE, TEXT, ORDER, COLUMNS, CALLS = "rows", "code", "text", "order", "columns", "calls"
_TIMEOUT = 30.0


class Outcome(NamedTuple):
    """The outcome of a statement."""

    code: int
    message: str
    rows: Rows
    columns: tuple[int, str, list[tuple[str, str]]]
    """Code and message of `getQueryColumns`, and name and type of each column."""
    calls: list[Call]


class Difference(NamedTuple):
    kind: str
    sql: str
    mine: Outcome
    theirs: Outcome


class Asked:
    """A manager with tables, and a client."""

    def __init__(self, socket: str, tables: Sequence[RandomTable]) -> None:
        self._extension = LiveExtension(socket, {table.name: table.live for table in tables}, name="random")
        self._socket = socket

    def ask(self, sql: str, *, columns: bool = True) -> Outcome:
        """The outcome of a statement.

        Args:
            sql: the statement.
            columns: ask for its columns as well.
        """
        with ManagerConnection(self._socket, timeout=_TIMEOUT) as manager:
            described = (0, "", list[tuple[str, str]]())
            if columns:
                answer = manager.get_query_columns(sql)
                pairs = [pair for row in answer.rows for pair in row.items()]
                described = (answer.status.code, answer.status.message, pairs)
            self._extension.taken_calls()
            answer = manager.query(sql)
        # An osqueryd that is busy with a query of its own asks every table for its columns anew.
        calls = [call for call in self._extension.taken_calls() if call.action != "columns"]
        rows = [dict(row) for row in answer.rows]
        return Outcome(answer.status.code, answer.status.message, rows, described, calls)

    def close(self) -> None:
        self._extension.stop()


def kinds_of_difference(mine: Outcome, theirs: Outcome) -> list[str]:
    """Return the kinds of difference: the gravest of code, text, rows, order and calls; and columns."""
    out = []
    if mine.code != theirs.code:
        out.append(CODE)
    elif mine.message != theirs.message:
        out.append(TEXT)
    elif mine.rows != theirs.rows:
        out.append(ORDER if sorted(map(_key, mine.rows)) == sorted(map(_key, theirs.rows)) else ROWS)
    elif mine.calls != theirs.calls:
        out.append(CALLS)
    if mine.columns != theirs.columns:
        out.append(COLUMNS)
    return out


def _key(row: dict[str, str]) -> str:
    return json.dumps(row, sort_keys=True)


@contextmanager
def both(tables: Sequence[RandomTable]) -> Iterator[tuple[Asked, Asked]]:
    """Run the engine and a real osqueryd with the same tables."""
    with ExitStack() as stack:
        directory = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="osq-", ignore_cleanup_errors=True))
        )
        host = stack.enter_context(Host(options={"extensions_interval": "600"}))
        mine = Asked(host.socket, tables)
        stack.callback(mine.close)
        daemon = Manager.osqueryd(directory, "--extensions_interval=600")
        stack.callback(daemon.close)
        theirs = Asked(daemon.socket, tables)
        stack.callback(theirs.close)
        yield mine, theirs


def differences(seed: int, count: int) -> Iterator[Difference]:
    """Run `count` statements of a seed on both, and yield the differences."""
    tables = random_tables(seed)
    author = Author(seed, tables)
    with both(tables) as (mine, theirs):
        for number in range(count):
            sql = author.statement()
            one, other = mine.ask(sql, columns=number % 5 == 0), theirs.ask(sql, columns=number % 5 == 0)
            for kind in kinds_of_difference(one, other):
                yield Difference(kind, sql, one, other)


def _seeds(text: str) -> list[int]:
    out: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        out += range(int(first), int(last or first) + 1)
    return out


def main() -> int:
    """Print each difference, and the number of each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=_seeds, default=[1], help="such as 1-10 or 1,5")
    parser.add_argument("--statements", type=int, default=1000, help="number of statements for each seed")
    parser.add_argument(
        "--quiet", default="order,columns,calls", help="kinds that are counted, but not shown"
    )
    options = parser.parse_args()
    total: Counter[str] = Counter()
    for seed in options.seeds:
        counted: Counter[str] = Counter()
        for difference in differences(seed, options.statements):
            counted[difference.kind] += 1
            if difference.kind not in options.quiet.split(","):
                print(f"\n{difference.kind}: {difference.sql}")
                for name, outcome in (("engine  ", difference.mine), ("osqueryd", difference.theirs)):
                    shown = {COLUMNS: outcome.columns, CALLS: outcome.calls}.get(difference.kind, outcome[:3])
                    print(
                        f"  {name} {len(outcome.rows)} rows, {len(outcome.calls)} calls: {str(shown)[:400]}"
                    )
        print(f"\nseed {seed}: {dict(counted)}", flush=True)
        total += counted
    print(f"\n{len(options.seeds) * options.statements} statements: {dict(total)}")
    return int(any(total[kind] for kind in (ROWS, CODE, TEXT)))


if __name__ == "__main__":
    sys.exit(main())
