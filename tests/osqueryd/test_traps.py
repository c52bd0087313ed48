"""Tables of the SDK avoid each trap of the extension protocol, with osqueryd and with the embedded engine.

The rows have to be those of plain SQLite for an ordinary table with the same rows.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from osquery_sdk import Column, Extension, Query, Row, Table, TableError, table

from ..support.osqueryd import Manager, SqlFailed

Serve = Callable[..., None]


class Process(Row):
    pid: int = Column("number", index=True, key=True, aliases=("process",))
    name: str = Column("name", index=True)
    parent: int | None = Column("number of another one", index=True, default=None)
    path: str = Column("file", additional=True)
    load: float = Column("share of a processor")


ROWS = [
    (n, f"proc{n % 7}", None if n % 5 == 0 else n // 3, "" if n % 4 == 0 else f"/bin/{n % 3}", n * 1.5)
    for n in range(1, 41)
]
COLUMNS = ("pid", "name", "parent", "path", "load")


class Anonymous(Row):
    """A table of these columns without a key: the rowid comes from the content."""

    pid: int = Column("number", index=True, aliases=("process",))
    name: str = Column("name", index=True)
    parent: int | None = Column("number of another one", index=True, default=None)
    path: str = Column("file", additional=True)
    load: float = Column("share of a processor")


class Variant(NamedTuple):
    """A way in which a table answers."""

    row: type[Row]
    narrows: bool
    options: dict[str, Any]


VARIANTS = {
    "everything": Variant(Process, False, {}),
    "narrowed": Variant(Process, True, {}),
    "no_key": Variant(Anonymous, True, {}),
    "snapshot": Variant(Process, False, {"snapshot": True, "cache": 30.0}),
    "no_key_snapshot": Variant(Anonymous, False, {"snapshot": True, "cache": 30.0}),
    "cached": Variant(Process, True, {"cache": 30.0}),
}


def variant(name: str, calls: list[Query]) -> Table:
    row, narrows, options = VARIANTS[name]

    @table(name, rows=row, aliases=(f"{name}_alias",), **options)
    def processes(query: Query) -> Iterator[Any]:
        """Yield some processes."""
        calls.append(query)
        for values in ROWS:
            if not narrows or all(map(query.matches, COLUMNS, values)):
                yield values

    return processes


@pytest.fixture(scope="module")
def calls() -> dict[str, list[Query]]:
    return {name: [] for name in VARIANTS}


@pytest.fixture(scope="module")
def sql(shared_manager: Manager, calls: dict[str, list[Query]]) -> Iterator[Manager]:
    """A manager with a table of each variant. `calls` has the requests."""
    extension = Extension("traps", version="1", plugins=[variant(name, calls[name]) for name in VARIANTS])
    stop = extension.start(shared_manager.socket)
    yield shared_manager
    stop()


@pytest.fixture
def serve(shared_manager: Manager) -> Iterator[Serve]:
    """Serve tables for one test."""
    stops: list[Callable[[], None]] = []

    def serve(*tables: Table, name: str = "traps_too", log: Callable[[str], None] | None = None) -> None:
        extension = Extension(name, version="1", plugins=tables, log=log or (lambda line: None))
        stops.append(extension.start(shared_manager.socket))

    yield serve
    for stop in stops:
        stop()


@pytest.fixture(scope="module")
def oracle() -> Iterator[sqlite3.Connection]:
    """A plain SQLite with the same rows in ordinary tables."""
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    for name in VARIANTS:
        connection.execute(
            f"create table {name} (pid bigint, name text, parent bigint, path text, load double, "
            "process bigint generated always as (pid))"
        )
        connection.executemany(f"insert into {name} values (?, ?, ?, ?, ?)", ROWS)
        connection.execute(f"create view {name}_alias as select * from {name}")
    yield connection
    connection.close()


def as_text(value: object) -> str:
    """Return a value as osqueryd writes it in a row."""
    return "" if value is None else str(value)


STATEMENTS = """
select pid from T where pid = 3 or name = 'proc5'
select pid, name from T where pid = 3 or name = 'proc5' or parent = 4 or pid = 12
select pid from T where (pid = 3 or parent = 1) and (name = 'proc3' or name = 'proc4')
select pid from T where pid in (3, 4) or name in ('proc1', 'proc2') or parent in (9, 10)
select count(*) n from T where pid = 3 or pid = 3 or name = 'proc3'
select pid from T where pid = 3 or path like '/bin/1'
select pid from T where parent is null or pid = 7
select pid from T where pid in (1, 2, 3, 99, 40)
select pid from T where pid in (select pid + 1 from T where name = 'proc2')
select pid from T where pid in (1, 2, 3) and name in ('proc1', 'proc3')
select pid from T where pid not in (1, 2, 3)
select pid from T where pid = '7'
select pid from T where pid = 7.0
select pid from T where pid = 7.5
select pid from T where pid = 'seven'
select pid from T where name = 'PROC1'
select pid from T where name = 'PROC1' collate nocase
select pid from T where pid > 5 and pid <= 9
select pid from T where pid between 5 and 9 or load > 55
select pid from T where pid = 99
select pid from T where path = ''
select pid from T where path is null
select pid from T where parent is null
select pid from T where parent is not 3
select pid from T where path glob '/bin/[12]'
select pid from T where name like 'PROC%' and name like '%6'
select pid from T where path >= '/bin/1'
select pid from T order by pid limit 3
select pid from T order by pid limit 3 offset 4
select pid from T order by load desc limit 2 offset 38
select count(*) n from (select * from T limit 4)
select count(*) n from (select * from T limit 100 offset 35)
select count(*) n from (select * from T where pid > 10 limit 5 offset 2)
select count(*) n from (select pid from T where name = 'proc1' limit 2)
select count(*) n from (select * from T where load > 10 and pid > 3 limit 6)
select pid from T where pid > 3 and load < 9 order by pid limit 1 offset 1
select max(pid) m, min(pid) l, count(parent) c, sum(load) s from T
select name, count(*) n from T group by name having n > 5
select a.pid x, b.pid y from T a join T b on b.pid = a.parent
select a.pid x, b.pid y from T a left join T b on b.pid = a.parent and b.name = 'proc1'
select a.pid x, b.pid y from T a join T b on b.parent = a.pid where a.name = 'proc1' or b.name = 'proc2'
select a.pid x, b.load y from T a join T b on b.load = a.load where a.pid < 4
select pid from T a where exists (select 1 from T b where b.parent = a.pid and b.pid > 20)
select distinct name from T where pid = 1 or pid = 8 or pid = 15
select process from T where process = 7 or name = 'proc6'
select pid from T where process in (1, 2, 3) and pid in (2, 3, 4)
select pid, name from T_alias where pid = 7 or name = 'proc6'
""".strip().splitlines()
WITHOUT_ROWS = {
    "select pid from T where pid = 7.5",
    "select pid from T where pid = 'seven'",
    "select pid from T where name = 'PROC1'",
    "select pid from T where pid = 99",
    "select pid from T where path is null",
}


@pytest.mark.parametrize("name", VARIANTS)
def test_rows_are_those_of_an_ordinary_table(name: str, sql: Manager, oracle: sqlite3.Connection) -> None:
    for statement in STATEMENTS:
        query = statement.replace(" T", f" {name}")
        rows = oracle.execute(query).fetchall()
        wanted = [{key: as_text(row[key]) for key in row.keys()} for row in rows]  # noqa: SIM118
        found = sql.query(query)
        if "order by" not in statement:
            wanted.sort(key=repr)
            found.sort(key=lambda row: repr({key: row[key] for key in (wanted or [row])[0]}))
        assert found == wanted, query
        assert bool(wanted) != (statement in WITHOUT_ROWS)


# Only variants that are called for each statement show the requests.
FRESH = ["everything", "narrowed", "no_key"]


@pytest.mark.parametrize("name", FRESH)
def test_in_arrives_at_once(name: str, sql: Manager, calls: dict[str, list[Query]]) -> None:
    calls[name].clear()
    values = ", ".join(str(n) for n in range(1, 31))
    assert len(sql.query(f"select * from {name} where pid in ({values})")) == 30
    (query,) = calls[name]
    assert sorted(query.equals("pid") or ()) == list(range(1, 31))


@pytest.mark.parametrize("name", FRESH)
def test_limit_and_offset_never_reach_the_author(
    name: str, sql: Manager, calls: dict[str, list[Query]]
) -> None:
    calls[name].clear()
    sql.query(f"select * from {name} limit 3 offset 1")
    sql.query(f"select * from {name} where pid = 3 limit 3 offset 1")
    bare, narrowed = calls[name]
    assert all(bare.constraints(column) == () for column in COLUMNS)
    assert [tuple(c) for c in narrowed.constraints("pid")] == [(2, "3")]
    assert all(narrowed.constraints(column) == () for column in COLUMNS[1:])


@pytest.mark.parametrize("name", VARIANTS)
def test_a_row_has_one_rowid_however_it_is_found(name: str, sql: Manager) -> None:
    whole = {row["pid"]: row["rowid"] for row in sql.query(f"select rowid, pid from {name}")}
    assert len(set(whole.values())) == len(ROWS)
    for terms in (
        "pid = 5",
        "name = 'proc5'",
        "parent = 1 or pid = 9",
        "pid in (3, 5, 8)",
        "path = '/bin/2'",
    ):
        found = sql.query(f"select rowid, pid from {name} where {terms}")
        assert found
        assert {row["pid"]: row["rowid"] for row in found}.items() <= whole.items()
    assert {row["pid"]: row["rowid"] for row in sql.query(f"select rowid, pid from {name}")} == whole


@pytest.mark.parametrize(
    "statement",
    [
        "delete from T where pid = 4",
        "delete from T where name = 'proc4'",
        "delete from T where pid = 4 or name = 'proc1'",
        "delete from T",
        "update T set name = 'x' where pid = 4",
        "update T set pid = 5 where name = 'proc4' or parent = 1",
        "insert into T (pid, name, parent, path, load) values (77, 'new', 1, '/bin/new', 1.5)",
        "insert into T (pid, name, parent, path, load) values (null, null, null, null, null)",
        "insert into T (pid) values (null)",
    ],
)
@pytest.mark.parametrize("name", ["narrowed", "no_key", "snapshot"])
def test_a_write_says_read_only_and_loses_nothing(name: str, statement: str, sql: Manager) -> None:
    before = sql.query(f"select rowid, * from {name} order by rowid")
    with pytest.raises(SqlFailed, match=f"table {name} may not be modified"):
        sql.query(statement.replace(" T", f" {name}"))
    assert sql.query(f"select rowid, * from {name} order by rowid") == before
    assert len(before) == len(ROWS)


MANY = "with recursive n(x) as (select 1 union all select x + 1 from n where x < 500) "


@pytest.mark.parametrize(
    "statement",
    [
        MANY + "select n.x, t.name from n join T t on t.pid = n.x",
        MANY + "select n.x, t.name from n left join T t on t.pid = n.x",
        MANY + "select n.x, t.pid from n join T t on t.parent = n.x",
        "select a.pid, b.pid bp from T a join T b on b.load = a.load",
        "select a.pid, b.pid bp, c.pid cp from T a join T b on b.pid = a.parent join T c on c.pid = b.parent",
    ],
)
@pytest.mark.parametrize("name", ["once", "once_no_key"])
def test_a_join_generates_a_snapshot_once(
    name: str, statement: str, shared_manager: Manager, serve: Serve, oracle: sqlite3.Connection
) -> None:
    generated = 0

    @table(name, rows=Process if name == "once" else Anonymous, snapshot=True, cache=60.0)
    def once(query: Query) -> Iterator[Any]:
        """Count the calls."""
        nonlocal generated
        generated += 1
        yield from ROWS

    serve(once)
    found = shared_manager.query(statement.replace("T ", f"{name} "))
    wanted = oracle.execute(statement.replace("T ", "everything ")).fetchall()
    assert sorted(map(str, (list(row.values()) for row in found))) == sorted(
        str([as_text(row[key]) for key in found[0]]) for row in wanted
    )
    assert len(wanted) > 15
    assert generated == 1


def test_no_column_is_an_index_by_accident(sql: Manager, calls: dict[str, list[Query]]) -> None:
    """Check that terms on a column without options do not arrive: osqueryd would make it an index."""
    calls["everything"].clear()
    sql.query("select * from everything where load in (1.5, 3.0)")
    (query,) = calls["everything"]
    assert query.constraints("load") == ()


# -- tables that misbehave


class One(Row):
    n: int = Column("number")


def leave(query: Query) -> list[Row]:
    sys.exit(3)


def interrupt(query: Query) -> list[Row]:
    raise KeyboardInterrupt


def refuse(query: Query) -> list[Row]:
    raise TableError("the disk is on fire")


def fail_late(query: Query) -> Iterator[Row]:
    yield One(n=1)
    raise ZeroDivisionError("late")


def recurse(query: Query) -> list[Row]:
    return recurse(query)


async def fail_soon(query: Query) -> list[Row]:
    raise OSError("no such device")


MISBEHAVIOUR: list[tuple[str, Callable[[Query], Any], str]] = [
    ("leaves", leave, "SystemExit|Internal error"),
    ("interrupts", interrupt, "KeyboardInterrupt|Internal error"),
    ("refuses", refuse, "refuses: the disk is on fire"),
    ("fails_late", fail_late, "fails_late: ZeroDivisionError: late"),
    ("recurses", recurse, "recurses: RecursionError"),
    ("fails_soon", fail_soon, "fails_soon: OSError: no such device"),
    ("number", lambda query: 5, "number: "),
    ("numbers", lambda query: [1, 2], "numbers: rows are One, mappings or tuples, not int"),
    ("text", lambda query: "abc", "text: rows are One, mappings or tuples, not str"),
    ("mixed", lambda query: [One(n=1), 5], "mixed: "),
    ("mixed_texts", lambda query: [(1,), "ab"], "mixed_texts: "),
    ("mixed_maps", lambda query: [{"n": 1}, (2,)], "mixed_maps: "),
    ("wide", lambda query: [(1, 2)], "wide: a row has 2 values, not 1"),
    ("unknown", lambda query: [{"m": 1}], "unknown: a row has unknown columns: m"),
    ("none", lambda query: [None, One(n=1)], "none: "),
    ("wrong_type", lambda query: [(1,), ("x",)], r"wrong_type\.n = 'x': a BIGINT column takes no str"),
    ("wrong_float", lambda query: [(1.5,)], r"wrong_float\.n = 1\.5: a BIGINT column takes no float"),
    ("too_large", lambda query: [(2**63,)], r"too_large\.n = 9223372036854775808: BIGINT goes from"),
    ("no_null", lambda query: [(None,)], r"no_null\.n = None: declare the type with `\| None`"),
]


@pytest.mark.parametrize(("name", "function", "message"), MISBEHAVIOUR, ids=[m[0] for m in MISBEHAVIOUR])
def test_a_table_that_misbehaves_fails_its_own_statement_alone(
    name: str, function: Callable[[Query], Any], message: str, shared_manager: Manager, serve: Serve
) -> None:
    @table("beside_it")
    def beside_it(query: Query) -> list[One]:
        """Yield a row, as a table should."""
        return [One(n=1)]

    serve(table(name, rows=One)(function), beside_it)
    for _ in range(2):
        with pytest.raises(SqlFailed, match=message) as caught:
            shared_manager.query(f"select * from {name}")
        assert "\n" not in str(caught.value)
        assert shared_manager.query("select n from beside_it") == [{"n": "1"}]
    assert shared_manager.has("traps_too")


def test_a_table_that_returns_nothing_has_no_rows(shared_manager: Manager, serve: Serve) -> None:
    serve(table("empty", rows=One)(lambda query: None))
    assert shared_manager.query("select * from empty") == []
