"""Tables meet osqueryd's traps, many connections, interruption and tracing."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from osquery_sdk.engine import Engine, SqlError, TableCall
from osquery_sdk.engine.answer import Answer, to_bytes
from osquery_sdk.errors import DeadlineExceeded
from osquery_sdk.wire.client import ManagerConnection
from osquery_sdk.wire.protocol import Response, Status

from .live import LiveExtension, LiveTable, table_of
from .recordings import ROUTES
from .reference import PROCESSES, WITHOUT_ROWID, columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from osquery_sdk.engine import Host

    from .conftest import Extend
    from .recordings import Rows


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


def attach(engine: Engine, name: str, routes: Rows, rows: Rows) -> list[dict[str, str]]:
    """Attach a table of fixed rows in this process; return the list of its requests."""
    requests: list[dict[str, str]] = []

    def call(request: dict[str, str], deadline: float | None) -> Answer:
        requests.append(request)
        return Answer(rows=to_bytes(routes if request["action"] == "columns" else rows))

    engine.attach(name, routes, call)
    return requests


def test_or_loses_rows_that_have_no_rowid(host: Host, extend: Extend) -> None:
    extend(
        {
            "bare": table_of(ROUTES["ref_default"], WITHOUT_ROWID),
            "ids": table_of(ROUTES["ref_default"], PROCESSES),
        }
    )
    where = "pid = 103 or name = 'proc5' or path = '/usr/bin/p2'"
    assert {row["pid"] for row in host.query(f"select pid from ids where {where}").rows} == {
        *("103", "105"),
        *("102", "106", "110"),
    }
    assert {row["pid"] for row in host.query(f"select pid from bare where {where}").rows} == {
        "103",
        "106",
        "110",
    }


def test_delete_without_rowid_hits_the_wrong_row(host: Host, extend: Extend) -> None:
    live = table_of(ROUTES["ref_default"], WITHOUT_ROWID)
    deleted: list[str] = []

    def answer(request: dict[str, str]) -> Response:
        if request["action"] == "delete":
            deleted.append(request["id"])
            return Response(Status(), [{"status": "success"}])
        return live.answer(request)

    extend({"bare": LiveTable(live.routes, answer)})
    host.query("delete from bare where pid = 104")
    assert deleted == ["0"]


def test_limit_arrives_although_another_term_was_withheld(host: Host, extend: Extend) -> None:
    extension = extend({"t": table_of(ROUTES["ref_default"], PROCESSES)})
    rows = host.query("select name from t where name > 'proc8' limit 1").rows
    assert rows == [{"name": "proc9"}]
    (call,) = extension.taken_calls()
    assert '{"op":73,"expr":"1"}' in call.constraints
    assert "proc8" not in call.constraints


def test_in_is_told_on_the_first_scan_of_a_join_only(host: Host, extend: Extend) -> None:
    extension = extend(
        {"i": table_of(ROUTES["ref_indexed"], PROCESSES), "s": table_of(ROUTES["ref_scan"], PROCESSES)}
    )
    rows = host.query(
        "select s.pid a, i.pid b from s join i on i.pid in (s.pid, s.parent) where s.cpu > 12"
    ).rows
    assert rows == [
        {"a": a, "b": b} for a, b in (("109", "104"), ("109", "109"), ("110", "105"), ("110", "110"))
    ] + [
        {"a": "111", "b": "105"},
        {"a": "111", "b": "111"},
    ]
    told = ['"op":2' in call.constraints for call in extension.taken_calls() if call.table == "i"]
    assert told == [True, False, False]


def test_a_user_based_table_without_a_required_column(engine: Engine) -> None:
    """Check the error of an administrator's statement that names no user either: osqueryd gives no reason."""
    rows = columns(("path", "TEXT", 2), ("uid", "BIGINT", 4))[:-1]
    attach(engine, "mine", [*rows, {"id": "attributes", "attributes": "8"}], [])
    plain = "Table mine was queried without a required column in the WHERE clause"
    for sql, message in (
        ("select * from mine", "constraint failed" if os.name != "nt" and os.getuid() == 0 else plain),
        ("select * from mine where uid = 0", plain),
    ):
        with pytest.raises(SqlError) as caught:
            engine.query(sql)
        assert str(caught.value) == message


def test_a_kept_error_may_be_collected_in_another_thread(host: Host, extend: Extend) -> None:
    """The error keeps the frames of the statement: a cursor there must not be open."""
    refuses = LiveTable(
        columns(("a", "TEXT", 32)), lambda request: Response(Status(), [{"status": "readonly"}])
    )
    collected = []

    def collect(request: dict[str, str]) -> Response:
        collected.append(gc.collect())
        return Response(Status(), [{"a": "x"}])

    extend({"refuses": refuses, "collects": LiveTable(columns(("a", "TEXT", 0)), collect)})
    gc.disable()
    try:
        for sql in ("insert into refuses values ('x')", "select a from collects where no_such_function(a)"):
            try:
                host.query(sql)
            except SqlError as error:
                kept: list[Any] = [error]
                kept.append(kept)  # only the collector can free it
                del kept
            assert host.query("select a from collects", timeout=10).rows == [{"a": "x"}]
    finally:
        gc.enable()
    assert any(collected)


def test_columns_are_decoded_only_when_asked_for(engine: Engine) -> None:
    class Row(dict[str, bytes]):
        asked: list[str] = []  # noqa: RUF012

        def get(self, key: str, default: bytes = b"") -> bytes:  # type: ignore[override]
            self.asked.append(key)
            return default

    routes = columns(("a", "TEXT", 32), ("b", "TEXT", 32))
    engine.attach("t", routes, lambda request, deadline: Answer(rows=[Row(a=b"1", b=b"2")]))
    engine.query("select a from t")
    assert Row.asked == ["a"]


# -- default index, refusals


def test_default_index_can_be_switched_off() -> None:
    engine = Engine(default_index=False)
    requests = attach(engine, "t", columns(("a", "TEXT", 0)), [])
    engine.query("select * from t where a = 'x'")
    assert '"list":[]' in requests[0]["context"]
    engine.close()


def test_attach_refuses_with_osqueryds_words(engine: Engine) -> None:
    with pytest.raises(SqlError, match=r"^Invalid route info$"):
        attach(engine, "t", [], [])
    with pytest.raises(SqlError, match=r"^SQLITE_ERROR$"):
        attach(engine, "bad-name", columns(("a", "TEXT", 0)), [])


def test_rows_have_their_columns_sorted_or_in_order(engine: Engine) -> None:
    attach(
        engine, "t", columns(("z", "TEXT", 0), ("a", "BIGINT", 0), ("m", "DOUBLE", 0)), [{"z": "x", "a": "1"}]
    )
    sql = "select *, 'y' as z, null as b from t"
    result = engine.query(sql)
    assert result.columns == ["z", "a", "m", "z", "b"]
    assert [list(row.items()) for row in result.rows] == [[("a", "1"), ("b", ""), ("m", ""), ("z", "y")]]
    (row,) = engine.query(sql, in_order=True).rows
    assert list(row.items()) == [("z", "y"), ("a", "1"), ("m", ""), ("b", "")]
    typed = engine.query_typed(sql)
    assert typed.columns == result.columns
    assert list(typed.rows[0].items()) == [("z", "y"), ("a", 1), ("m", None), ("b", None)]


def test_typed_values_are_numbers_and_null_and_else_text(engine: Engine) -> None:
    numbers, texts = "1 as i, 1.0 as r, 1e999 as inf, null as n", "'a' as t, '' as e, x'6162' as b"
    sql = f"select {numbers}, {texts}, 'a' || char(0) || 'b' as z"
    assert engine.query_typed(sql).rows == [
        {"i": 1, "r": 1.0, "inf": float("inf"), "n": None, "t": "a", "e": "", "b": "ab", "z": "a"}
    ]
    with pytest.raises(SqlError, match="no such column: x"):
        engine.query_typed("select x")
    with pytest.raises(DeadlineExceeded):
        engine.query_typed(
            "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c",
            timeout=0.2,
        )


def test_detached_tables_are_gone(engine: Engine) -> None:
    attach(engine, "t", columns(("a", "TEXT", 0)), [{"a": "x"}])
    assert engine.query("select a from t") == (["a"], [{"a": "x"}])
    engine.detach("t")
    engine.detach("never there")
    with pytest.raises(SqlError, match="vtable constructor failed: t"):
        engine.query("select a from t")


def test_result_columns_are_in_order_and_known_without_rows(engine: Engine) -> None:
    assert engine.query("select 2 as b, 1 as a where 0") == (["b", "a"], [])
    result = engine.query("select 2 as b, 1 as a, 3 as b")
    assert result == (["b", "a", "b"], [{"a": "1", "b": "3"}])
    assert list(result.rows[0]) == ["a", "b"]


@pytest.mark.parametrize("sql", ["select '\udcff'", "attach 'x' as y", "select 1; selec"])
def test_bad_statements_leave_the_engine_usable(engine: Engine, sql: str) -> None:
    with pytest.raises(SqlError):
        engine.query(sql)
    assert engine.query("select 1 a").rows == [{"a": "1"}]


def test_bytes_that_are_no_text_come_out_unchanged(host: Host, extend: Extend) -> None:
    extend({"t": table_of(columns(("a", "TEXT", 32)), [{"a": "\udcff\udcfe x"}])})
    with ManagerConnection(host.socket) as manager:
        assert manager.query("select a from t").rows == [{"a": "\udcff\udcfe x"}]
        assert manager.query("select hex(a) h from t").rows == [{"h": "FFFE2078"}]


# -- several queries at once


def test_concurrent_queries_ask_for_the_columns_again(host: Host, extend: Extend) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(request: dict[str, str]) -> Response:
        entered.set()
        leave.wait(10)
        return Response(Status(), [{"a": "slow"}])

    routes = columns(("a", "TEXT", 32))
    extension = extend({"slow": LiveTable(routes, slow), "quick": table_of(routes, [{"a": "quick"}])})
    results: list[Rows] = []
    thread = threading.Thread(target=lambda: results.append(host.query("select a from slow").rows))
    thread.start()
    assert entered.wait(10)
    extension.taken_calls()
    assert host.query("select a from quick").rows == [{"a": "quick"}]
    asked = [(call.table, call.action) for call in extension.taken_calls()]
    # Once to see whether it answers, once for SQLite, for each table, whichever the statement uses.
    assert asked == [("quick", "columns")] * 2 + [("slow", "columns")] * 2 + [("quick", "generate")]
    with pytest.raises(SqlError, match="no such table: nosuch"):
        host.query("select * from nosuch")
    leave.set()
    thread.join(10)
    assert results == [[{"a": "slow"}]]


def test_many_threads(host: Host, extend: Extend) -> None:
    extend({"i": table_of(ROUTES["ref_indexed"], PROCESSES), "s": table_of(ROUTES["ref_scan"], PROCESSES)})
    sql = "select s.name n, i.name p from s join i on i.pid = s.parent order by s.pid"
    expected = host.query(sql).rows
    assert len(expected) == 12
    failures: list[object] = []

    def work() -> None:
        with ManagerConnection(host.socket, timeout=30) as manager:
            for _ in range(3):
                response = manager.query(sql)
                if response.rows != expected:
                    failures.append(response)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []


def test_a_table_may_query_the_manager_that_asks_it(host: Host, extend: Extend) -> None:
    def answer(request: dict[str, str]) -> Response:
        with ManagerConnection(host.socket) as manager:
            return Response(Status(), manager.query("select a from other").rows)

    routes = columns(("a", "TEXT", 32))
    extend({"asks": LiveTable(routes, answer), "other": table_of(routes, [{"a": "from the other"}])})
    assert host.query("select a from asks").rows == [{"a": "from the other"}]


# -- time


def test_timeout_in_sql(engine: Engine) -> None:
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"the query took longer than 0\.2 s"):
        engine.query(
            "with recursive n(x) as (select 1 union all select x + 1 from n) select max(x) from n",
            timeout=0.2,
        )
    assert time.monotonic() - started < 2
    assert engine.query("select 1 a").rows == [{"a": "1"}]


def test_timeout_while_a_table_is_asked(host: Host, extend: Extend) -> None:
    leave = threading.Event()

    def hang(request: dict[str, str]) -> Response:
        leave.wait(10)
        return Response(Status(), [])

    extend({"hangs": LiveTable(columns(("a", "TEXT", 32)), hang)})
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="the query took longer than"):
        host.query("select * from hangs", timeout=0.3)
    assert time.monotonic() - started < 3
    assert host.query("select 1 a").rows == [{"a": "1"}]
    leave.set()


def test_interrupt(engine: Engine) -> None:
    endless = "with recursive n(x) as (select 1 union all select x + 1 from n) select max(x) from n"
    errors: list[str] = []

    def run() -> None:
        with pytest.raises(SqlError) as caught:
            engine.query(endless)
        errors.append(str(caught.value))

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():
        engine.interrupt()
        thread.join(0.02)
    assert errors == ["interrupted"]


def test_ctrl_c_ends_a_query(engine: Engine) -> None:
    endless = "with recursive n(x) as (select 1 union all select x + 1 from n) select max(x) from n"
    timer = threading.Timer(0.2, signal.raise_signal, (signal.SIGINT,))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        engine.query(endless)
    assert engine.query("select 1 a").rows == [{"a": "1"}]


# -- tracing


def test_observer_tells_what_was_pushed_down_and_why_not(engine: Engine) -> None:
    routes = columns(("i", "BIGINT", 9), ("t", "TEXT", 1), ("e", "TEXT", 1), ("plain", "TEXT", 32))
    requests = attach(engine, "t", routes, [{"i": "1", "t": "x", "plain": "y", "rowid": "5"}] * 3)
    calls: list[TableCall] = []
    engine.observer = calls.append
    engine.query(
        "select i from t where i in (1, 2)"
        " and t > 'a' and e = '' and plain = 'y' and rowid = 5 and t like '%x'"
    )
    (call,) = calls
    assert (call.table, call.action, call.rows, call.error) == ("t", "generate", 3, None)
    assert set(call.columns_used) == {"i", "t", "e", "plain"}
    assert call.request == requests[0]
    assert call.seconds >= 0
    terms = {(term.column, term.operator): (term.operands, term.pushed, term.reason) for term in call.terms}
    assert terms == {
        ("i", "IN"): (("1", "2"), True, "the column is OPTIMIZED: all values at once"),
        ("t", ">"): ((), False, "osqueryd never pushes down < <= > >= on TEXT"),
        ("e", "="): ((), False, "the operand is the empty string"),
        ("plain", "="): ((), False, "the column is neither INDEX, REQUIRED nor ADDITIONAL"),
        ("rowid", "="): ((), False, "terms on the rowid are never pushed down"),
        ("t", "LIKE"): (("%x",), True, "the column is pushed down"),
    }


def test_observer_sees_the_rounds_of_a_join(engine: Engine) -> None:
    attach(engine, "s", ROUTES["ref_scan"], PROCESSES[:2])
    attach(engine, "i", ROUTES["ref_indexed"], PROCESSES)
    calls: list[TableCall] = []
    engine.observer = calls.append
    engine.query("select * from s join i on i.pid = s.parent")
    assert [(call.table, [term.operands for term in call.terms]) for call in calls] == [
        ("s", [()]),
        ("i", [("100",)]),
        ("i", [("100",)]),
    ]
    assert calls[0].terms[0].reason in {
        "its other side is not known when this table is scanned",
        "the column is neither INDEX, REQUIRED nor ADDITIONAL",
    }
    assert calls[1].cursor == calls[2].cursor != calls[0].cursor


def test_observer_sees_writes_and_errors(engine: Engine) -> None:
    routes = columns(("a", "TEXT", 32))
    engine.attach("t", routes, lambda request, deadline: Answer(Status(1, "the disk is on fire")))
    calls: list[TableCall] = []
    engine.observer = calls.append
    with pytest.raises(SqlError, match="the disk is on fire"):
        engine.query("select * from t")
    with pytest.raises(SqlError, match="SQL logic error"):
        engine.query("insert into t values ('x')")
    assert [(call.action, call.error) for call in calls] == [
        ("generate", "the disk is on fire"),
        ("insert", "SQL logic error"),
    ]
    assert calls[1].request["json_value_array"] == '["x"]'


def test_live_extension_is_what_it_seems(host: Host) -> None:
    """Check that the tests' extension refuses what the manager refuses."""
    with pytest.raises(RuntimeError, match="Invalid route info"):
        LiveExtension(host.socket, {"t": LiveTable([], lambda request: Response())})
