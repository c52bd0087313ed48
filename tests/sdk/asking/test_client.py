"""Asking osquery from an extension; on osqueryd and on the engine."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator  # noqa: TC003  looked up when the tables are made
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osquery_sdk import (
    Column,
    ColumnValueError,
    ConnectionFailed,
    DeadlineExceeded,
    DefinitionError,
    Extension,
    Query,
    RemoteError,
    Row,
    Table,
    TableError,
    table,
)
from osquery_sdk.asking.client import Client
from osquery_sdk.asking.parameters import quoted, with_parameters

from ...support.osqueryd import Manager

if TYPE_CHECKING:
    from ..conftest import Serve


class Kind(Enum):
    """A row of one value."""

    A = "a"
    B = "b"


class AsRow(Row):
    """A Row."""

    text: str = Column("")
    number: int | None = Column("", default=None)


@dataclass(frozen=True)
class AsDataclass:
    """A dataclass with a value of every type."""

    text: str
    number: int
    empty: int | None
    real: float
    truth: bool
    moment: datetime
    path: Path
    kind: Kind
    items: list[Any]
    data: bytes
    absent: str = "default"


class AsTuple(NamedTuple):
    """A NamedTuple."""

    text: str
    number: int | None = None


EVERYTHING = (
    "select 'é' as text, 9007199254740993 as number, null as empty, 1e20 as real, 1 as truth, 60 as moment, "
    "'/x' as path, 'b' as kind, '[1]' as items, 'ab' as data, 'left out' as other"
)


@pytest.fixture
def client(manager: Manager) -> Client:
    return Client(manager.socket)


def test_rows_of_text(client: Client) -> None:
    assert client.query("select 1 as a, null as b, 'x' as c, 1.5 as d") == [
        {"a": "1", "b": "", "c": "x", "d": "1.5"}
    ]
    assert [row["n"] for row in client.query("values (1), (2)") if row.setdefault("n", row["column1"])] == [
        "1",
        "2",
    ]


def test_untyped_rows_are_in_the_order_of_the_statement(client: Client) -> None:
    """osquery sends them sorted by name."""
    for sql, parameters in (
        ("select 1 as z, 2 as a, 3 as m", ()),
        ("select ? as z, ? as a, ? as m union all select 4, 5, 6", (1, 2, 3)),
        ("with t(z, a, m) as (values (1, 2, 3)) select * from t", ()),
        ("select 1 as z, 2 as a, 3 as m; select 4 as z, 5 as a, 6 as m", ()),
    ):
        # The second time it is known already.
        for _ in range(2):
            rows = client.query(sql, parameters)
            assert [list(row) for row in rows] == [["z", "a", "m"]] * len(rows), sql
            assert rows[0] == {"z": "1", "a": "2", "m": "3"}
    assert [list(row) for row in client.query("select version, pid, instance_id from osquery_info")] == [
        ["version", "pid", "instance_id"]
    ]
    twice = client.query("select 1 as b, 2 as a, 3 as b")
    assert (list(twice[0]), twice[0]) == (["b", "a"], {"a": "2", "b": "3"})
    # Of several statements with other columns the first one's are told, which are of no use.
    both = client.query("select 1 as a; select 2 as z, 3 as b")
    assert [sorted(row.items()) for row in both] == [[("a", "1")], [("b", "3"), ("z", "2")]]


def test_rows_of_classes(client: Client) -> None:
    assert client.query(EVERYTHING, rows=AsRow) == [("é", 9007199254740993)]
    assert client.query("select 'x' as text, null as number", rows=AsTuple) == [AsTuple("x", None)]
    assert client.query(EVERYTHING, rows=AsDataclass) == [
        AsDataclass(
            "é",
            9007199254740993,
            None,
            1e20,
            True,
            datetime(1970, 1, 1, 0, 1, tzinfo=UTC),
            Path("/x"),
            Kind.B,
            [1],
            b"ab",
        )
    ]


class Odd:
    """A class whose field nothing becomes."""

    field: complex


@pytest.mark.parametrize(
    ("sql", "kind", "error", "message"),
    [
        (
            "select 'x' as number, 't' as text",
            AsRow,
            ColumnValueError,
            "AsRow.number = 'x': it takes a whole number",
        ),
        ("select 1 as number", AsRow, DefinitionError, "AsRow of the columns number: .*text"),
        ("select 1 as field", Odd, DefinitionError, "Odd.field: nothing of osquery's becomes a .*complex"),
        ("select 1 as field", object, DefinitionError, "object: no fields"),
        ("select absent", AsRow, RemoteError, "^no such column: absent$"),
    ],
)
def test_rows_that_do_not_fit(
    client: Client, sql: str, kind: type, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        client.query(sql, rows=kind)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "it's",
        "é",
        "a\nb",
        "--",
        "?",
        ":x",
        0,
        -1,
        2**63 - 1,
        -(2**63),
        1.5,
        -0.5,
        1e300,
        True,
        None,
        "'; drop table x",
    ],
)
def test_parameters(client: Client, value: Any) -> None:
    """The literals give the values that SQLite itself gives for the parameters."""
    sql = "select typeof(:v) as t, quote(:v) as q, 5 -:v as minus"
    with closing(sqlite3.connect(":memory:")) as database:
        (wanted,) = database.execute(sql, {"v": value}).fetchall()
    got = client.query(sql, {"v": value, "unused": 1})
    assert got == [{"t": wanted[0], "q": wanted[1], "minus": _text(wanted[2])}] or isinstance(
        wanted[2], float
    )
    assert (got[0]["t"], got[0]["q"]) == wanted[:2]


def _text(value: object) -> str:
    return "" if value is None else str(value)


def test_lists_of_parameters(client: Client) -> None:
    sql = "with t(n) as (values ('a'), ('b'), ('c''d')) select n from t where n in ? and n <> ?"
    assert client.query(sql, [["a", "c'd", "x"], "a"]) == [{"n": "c'd"}]
    assert client.query(sql, [(), "a"]) == []
    assert client.query("select hex(?) as h, hex(cast(? as blob)) as t", [b"\0\xff", "a\0b"]) == [
        {"h": "00FF", "t": "610062"}
    ]
    assert client.query("select '?', \"?\", /* ? */ ? as x -- ?", ["y"])[0]["x"] == "y"


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False),
            st.text(),
            st.binary(),
        ),
        max_size=6,
    )
)
def test_any_parameters_are_what_sqlite_takes_for_them(values: list[Any]) -> None:
    """SQLite reads the statement with literals as it reads the one with parameters."""
    values = [
        value.encode("utf-8", "replace").decode() if isinstance(value, str) else value for value in values
    ]
    sql = f"select 0{', ?' * len(values)}"
    model = sqlite3.connect(":memory:")
    try:
        (literal,) = model.execute(with_parameters(sql, values)).fetchall()
        (bound,) = model.execute(sql, values).fetchall()
        for read, given_ in zip(literal, bound, strict=True):
            # SQLite's own reading of a literal may be one bit off; nothing else may.
            close = isinstance(given_, float) and read == pytest.approx(given_, rel=3e-16, abs=5e-324)
            assert type(read) is type(given_)
            assert read == given_ or close
    finally:
        model.close()


@pytest.mark.parametrize(
    ("sql", "parameters", "message"),
    [
        ("select ?", [], None),
        ("select ?, ?", [1], "2 places for parameters, and 1 are given"),
        ("select '?'", [1], "0 places for parameters, and 1 are given"),
        ("select ?2", [1], "write . or :name"),
        ("select :a, :b", {"a": 1}, "the statement has :b"),
        ("select ?", [2**63], "is no number of SQL"),
        ("select ?", [object()], "SQL has no object"),
        ("select ?", [[[1]]], "a list in a list"),
    ],
)
def test_parameters_that_do_not_fit(sql: str, parameters: Any, message: str | None) -> None:
    if message is None:
        assert with_parameters(sql, parameters or [None]).split() == ["select", "NULL"]
        return
    with pytest.raises(ValueError, match=message):
        with_parameters(sql, parameters)


def test_values_with_a_meaning_of_their_own() -> None:
    assert quoted(datetime(1970, 1, 1, 0, 1, tzinfo=UTC)) == "60"
    assert quoted(Kind.B) == "'b'"
    assert quoted(Path("/x'y")) == "'/x''y'"
    assert (quoted(float("inf")), quoted(float("-inf")), quoted(float("nan"))) == (
        "9e999",
        "(-9e999)",
        "NULL",
    )


def test_columns_options_and_extensions(serve: Serve, client: Client) -> None:
    assert client.columns("select pid, name as n from (select 1 as pid, '' as name)")[0][0] == "pid"
    assert client.columns("select version, version, pid from osquery_info") == [
        ("version", "TEXT"),
        ("version", "TEXT"),
        ("pid", "INTEGER"),
    ]
    option = client.options()["extensions_interval"]
    assert (option.value, option.default_value, option.type) == ("3", "3", "string")
    serve(answers)
    assert [info.version for info in client.extensions().values() if info.name == "written"] == ["1"]
    with pytest.raises(RemoteError, match="no such table: nowhere"):
        client.columns("select * from nowhere")


def test_calls_of_plugins(serve: Serve, client: Client) -> None:
    serve(answers)
    rows = client.call("table", "answers", {"action": "generate"})
    assert rows[0]["n"] == "1"
    with pytest.raises(RemoteError) as caught:
        client.call("table", "answers", {"action": "unknown"})
    assert (str(caught.value), caught.value.code) == ("answers: unknown action 'unknown'", 1)


def test_the_database(client: Client) -> None:
    kept, other = client.database("one"), client.database("two")
    assert (list(kept), len(kept), kept.get("a")) == ([], 0, None)
    kept["a"] = "x"
    kept["b.c"] = "é\n"
    other["a"] = "other"
    kept["empty"] = ""
    assert dict(kept) == {"a": "x", "b.c": "é\n", "empty": ""}
    assert ("a" in kept, "c" in kept, kept.pop("a")) == (True, False, "x")
    with pytest.raises(KeyError, match="nothing"):
        del kept["nothing"]
    with pytest.raises(KeyError):
        kept["a"]
    kept.update(z="1")
    assert sorted(kept) == ["b.c", "empty", "z"]
    kept.clear()
    assert (dict(kept), dict(other)) == ({}, {"a": "other"})
    other.clear()
    with pytest.raises(DefinitionError):
        client.database("")


@pytest.mark.osqueryd
def test_the_database_outlives_osqueryd(directory: Path) -> None:
    """In RocksDB, whose words for a key that is not there are others."""
    path = shutil.which("osqueryd")
    if path is None:
        pytest.skip("no osqueryd on PATH")
    (directory / "osquery.conf").write_text("{}")
    command = [path, "--force", "--disable_watchdog", "--disable_logging", f"--database_path={directory}/db"]
    command += [
        f"--config_path={directory}/osquery.conf",
        f"--pidfile={directory}/pid",
        f"--extensions_socket={directory}/em",
    ]
    for last in (False, True):
        manager = Manager(command, directory)
        kept = Client(manager.socket).database("mine")
        assert dict(kept) == ({"a\0b": "v\0w", "x": "y"} if last else {})
        with pytest.raises(KeyError):
            kept["nothing"]
        kept["a\0b"] = "v\0w"
        kept["x"] = "y"
        # Told to end: RocksDB writes what it has only in memory.
        manager.process.terminate()
        manager.process.wait(20)
        manager.close()


# -- while osquery asks


class Answer(Row):
    """A number, and what osquery says meanwhile."""

    n: int = Column("Number", key=True, index=True)
    said: str = Column("What it says")


@table("answers")
def answers(query: Query) -> Iterator[Answer]:
    """Says nothing."""
    yield Answer(n=1, said="nothing")


@table("asking", deadline=10)
def asking(query: Query) -> Iterator[Answer]:
    """Asks osquery, about itself and about the extension's other tables, while osquery asks it."""
    rows = query.client.query("select a.said, i.version from answers a, osquery_info i")
    yield Answer(n=len(rows), said=rows[0]["said"])


@table("endless", deadline=10)
def endless(query: Query) -> Iterator[Answer]:
    """Asks for itself."""
    yield from query.client.query("select n, said from endless", rows=Answer)


@table("impatient", deadline=0.5)
def impatient(query: Query) -> Iterator[Answer]:
    """Asks for what takes longer than itself may."""
    started = time.monotonic()
    try:
        query.client.query("select * from sleeping")
    except DeadlineExceeded as error:
        seconds.append(time.monotonic() - started)
        raise TableError("too late") from error
    yield Answer(n=0, said="in time")


@table("sleeping", deadline=10)
def sleeping(query: Query) -> Iterator[Answer]:
    """Takes two seconds."""
    end = time.monotonic() + 2
    while time.monotonic() < end:
        query.check()
        time.sleep(0.02)
    yield Answer(n=0, said="slept")


seconds: list[float] = []


def test_a_table_asks_osquery_while_osquery_asks_it(serve: Serve) -> None:
    """osqueryd asks every table of the extension for its columns then: it needs a second database."""
    asked: list[str] = []

    class Watched(Table):
        def call(self, request: Any, *others: Any) -> Any:
            asked.append(f"{self.name} {request.get('action')}")
            return super().call(request, *others)

    made = [Watched(one.definition, one.function) for one in (answers, asking, sleeping)]
    client = serve(*made)
    asked.clear()
    assert client.query("select n, said from asking") == [{"n": "1", "said": "nothing"}]
    assert asked[0] == "asking generate"
    assert set(asked[1:-1]) == {"answers columns", "asking columns", "sleeping columns"}
    assert asked[-1] == "answers generate"


def test_many_at_once(serve: Serve) -> None:
    client = serve(answers, asking, sleeping)
    found: list[object] = []

    def ask() -> None:
        try:
            found.append(client.query("select n from asking", timeout=30))
        except (RemoteError, DeadlineExceeded) as error:
            found.append(error)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [[{"n": "1"}]] * 6
    assert time.monotonic() - started < 15


def test_a_table_that_asks_for_itself_ends(serve: Serve) -> None:
    client = serve(answers, endless)
    with pytest.raises(RemoteError, match="8 queries of it are running"):
        client.query("select * from endless")
    assert client.query("select n from answers") == [{"n": "1"}]


def test_what_a_table_asks_ends_at_its_own_deadline(serve: Serve) -> None:
    client = serve(impatient, sleeping)
    seconds.clear()
    with pytest.raises(RemoteError, match=r"impatient: (too late|no answer within 0.5 s)"):
        client.query("select * from impatient")
    time.sleep(0.2)
    assert len(seconds) == 1
    assert 0.3 < seconds[0] < 0.8


def test_a_call_has_a_timeout(serve: Serve) -> None:
    client = serve(sleeping)
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        client.query("select * from sleeping", timeout=0.3)
    assert time.monotonic() - started < 1
    with pytest.raises(DeadlineExceeded, match="no time left"):
        client.until(time.monotonic() - 1).query("select 1")


def test_without_osquery(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed):
        Client(str(tmp_path / "em")).query("select 1")
    with pytest.raises(ConnectionFailed, match="before the extension is served"):
        Extension("x", version="1", plugins=[answers]).client  # noqa: B018
    with pytest.raises(ConnectionFailed, match="asking: there is no osquery to ask"):
        asking.rows()


def test_a_test_gives_a_table_its_client(serve: Serve, client: Client) -> None:
    serve(answers)
    assert asking.rows(Query.of(asking, client=client)) == [(1, "nothing")]
