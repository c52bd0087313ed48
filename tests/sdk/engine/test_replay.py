"""Each statement recorded with a real osqueryd gives the same calls in order, and the same rows or error."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from osquery_sdk.engine import Host
from osquery_sdk.wire.client import ManagerConnection
from osquery_sdk.wire.protocol import Response, Status

from .live import LiveExtension, LiveTable
from .recordings import ROUTES, Call, Rows, Statement, decoded, statements

# Statements whose rows differ, with the reason. Nothing else may.
DIFFERENT_ROWS = {
    # The number counts the plans made since the start. osqueryd had made two for statements of its own.
    "explain query plan select * from ref_indexed where pid = 103": r"INDEX \d+",
}
# Statements for which another version of SQLite makes other calls: none so far.
DIFFERENT_CALLS: frozenset[str] = frozenset()


class Played(NamedTuple):
    code: int
    message: str
    rows: Rows
    calls: list[Call]


class _Replay:
    """Answers a statement's calls with the recorded answers in their order, and refuses any other call."""

    def __init__(self) -> None:
        self.statement: Statement | None = None
        self.position = 0

    def answer(self, table: str, request: dict[str, str]) -> Response:
        assert self.statement is not None
        exchanges = self.statement.exchanges
        if self.position < len(exchanges) and exchanges[self.position].call == decoded(table, request):
            self.position += 1
            return exchanges[self.position - 1].reply
        return Response(Status(1, f"not recorded: {request}"))


@pytest.fixture(scope="module")
def played() -> dict[str, Played]:
    """Run the statements in the recorded order, since each may affect the next; return the outcomes."""
    replay = _Replay()

    def table(name: str) -> LiveTable:
        return LiveTable(ROUTES[name], lambda request: replay.answer(name, request))

    with Host(options={"extensions_interval": "600"}) as host:
        extension = LiveExtension(host.socket, {name: table(name) for name in ROUTES})
        out = {}
        with ManagerConnection(host.socket, timeout=20) as manager:
            for statement in statements():
                replay.statement, replay.position = statement, 0
                if any(exchange.call.action == "columns" for exchange in statement.exchanges):
                    # The extension itself answers these.
                    replay.statement = statement._replace(
                        exchanges=tuple(e for e in statement.exchanges if e.call.action != "columns")
                    )
                response = manager.query(statement.sql)
                status = response.status
                out[statement.sql] = Played(
                    status.code, status.message, list(response.rows), extension.taken_calls()
                )
        extension.stop()
    return out


def test_every_statement_was_recorded_once() -> None:
    assert len({statement.sql for statement in statements()}) == len(statements()) == 96


@pytest.mark.parametrize("statement", statements(), ids=lambda statement: statement.sql)
def test_same_calls_and_same_answer(statement: Statement, played: dict[str, Played]) -> None:
    mine = played[statement.sql]
    rows, expected = mine.rows, statement.rows
    if pattern := DIFFERENT_ROWS.get(statement.sql):
        rows, expected = (
            [{key: re.sub(pattern, "", value) for key, value in row.items()} for row in table]
            for table in (rows, expected)
        )
    assert (mine.code, mine.message, rows) == (statement.code, statement.message, expected)
    if statement.sql not in DIFFERENT_CALLS:
        assert mine.calls == [exchange.call for exchange in statement.exchanges]


def test_differences_are_needed(played: dict[str, Played]) -> None:
    """Check that each known difference exists."""
    recorded = {statement.sql: statement.rows for statement in statements()}
    assert all(played[sql].rows != recorded[sql] for sql in DIFFERENT_ROWS)
