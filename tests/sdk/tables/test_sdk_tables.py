"""Tables as authors write them answer SQL, on the embedded engine and on a real osqueryd if installed."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from osquery_sdk import Column, ColumnType, DefinitionError, Extension, Query, Row, TableError, table
from osquery_sdk.engine import Host, SqlError


class Item(Row):
    pid: int = Column("number", index=True, key=True)
    name: str = Column("name", index=True)
    size: int | None = Column("may be missing", default=None)


ITEMS = [(100 + n, f"proc{n}", n * 10 if n % 2 else None) for n in range(12)]


def make(calls: list[Query], **options: object):
    @table("items", **options)
    def items(query: Query) -> Iterator[Item]:
        """Some items."""
        calls.append(query)
        pids = query.equals("pid")
        for pid, name, size in ITEMS:
            if pids is None or pid in pids:
                yield Item(pid=pid, name=name, size=size)

    return items


def test_or_over_two_indexes_loses_no_row(osquery_host):
    host = osquery_host(make([]))
    rows = host.query("select pid from items where pid = 103 or name = 'proc5' or pid = 100").rows
    assert sorted(row["pid"] for row in rows) == ["100", "103", "105"]


def test_in_arrives_at_once(osquery_host):
    calls = []
    host = osquery_host(make(calls))
    assert len(host.query("select * from items where pid in (101, 102, 103)").rows) == 3
    assert len(calls) == 1
    assert calls[0].equals("pid") == (101, 102, 103)


def test_limit_never_reaches_the_author(osquery_host):
    calls = []
    host = osquery_host(make(calls))
    assert len(host.query("select * from items limit 2").rows) == 2
    assert calls[0].constraints("pid") == ()


def test_a_join_over_a_snapshot_generates_once(osquery_host):
    calls = []
    host = osquery_host(make(calls, snapshot=True, cache=30.0))
    rows = host.query(
        "with recursive n(x) as (select 100 union all select x + 1 from n where x < 110) "
        "select n.x, i.name from n join items i on i.pid = n.x"
    ).rows
    assert len(rows) == 11
    assert len(calls) == 1


def test_null_is_null_and_not_none(osquery_host):
    host = osquery_host(make([]))
    assert host.query("select count(*) n from items where size is null").rows == [{"n": "6"}]


def test_identical_rows_all_come_back(osquery_host):
    class Plain(Row):
        a: str = Column("a", index=True)
        b: str = Column("b", index=True)

    @table("plain")
    def plain(query: Query) -> list[Plain]:
        """The same row three times."""
        return [Plain(a="x", b="y")] * 3

    host = osquery_host(plain)
    assert len(host.query("select * from plain where a = 'x' or b = 'y'").rows) == 3


def test_every_type_comes_through(osquery_host):
    class Every(Row):
        t: str = Column("text")
        i: int = Column("integer", type=ColumnType.INTEGER)
        b: bool = Column("flag")
        d: float = Column("double")
        z: bytes = Column("blob")
        j: dict[str, int] = Column("json")

    @table("every")
    def every(query: Query) -> Iterator[Every]:
        """One row."""
        yield Every(t="é" * 5000, i=-5, b=True, d=1.5, z=b"\xff\x00", j={"k": 1})

    row = osquery_host(every).query("select length(t) t, i, b, d, j from every").rows[0]
    assert row == {"t": "5000", "i": "-5", "b": "1", "d": "1.5", "j": '{"k":1}'}


@pytest.mark.parametrize(
    ("value", "said"),
    [("x", "a BIGINT column takes no str"), (2**63, "BIGINT goes from"), (None, "declare the type with")],
)
def test_a_wrong_value_names_table_column_and_value(osquery_host, value, said):
    class One(Row):
        n: int = Column("number")

    @table("one")
    def one(query: Query) -> Iterator[One]:
        """One."""
        yield One(n=value)

    with pytest.raises(SqlError, match=f"one.n = .*{said}"):
        osquery_host(one).query("select * from one")


def test_a_table_that_raises_fails_its_own_statement_alone(osquery_host):
    class One(Row):
        n: int = Column("number")

    @table("broken")
    def broken(query: Query) -> Iterator[One]:
        """Raises."""
        yield One(n=1)
        raise TableError("the disk is on fire")

    host = osquery_host(broken, make([]))
    with pytest.raises(SqlError, match="broken: the disk is on fire"):
        host.query("select * from broken")
    assert host.query("select count(*) n from items").rows == [{"n": "12"}]


def test_a_deadline_is_answered_in_time(osquery_host):
    class One(Row):
        n: int = Column("number")

    @table("asleep", deadline=0.3)
    def asleep(query: Query) -> Iterator[One]:
        """Sleeps."""
        while not query.cancelled:
            time.sleep(0.01)
        yield One(n=1)

    host = osquery_host(asleep)
    started = time.monotonic()
    with pytest.raises(SqlError, match=r"asleep: no answer within 0\.3 s"):
        host.query("select * from asleep")
    assert time.monotonic() - started < 3


def test_async_generators_mappings_and_tuples(osquery_host):
    @table("later")
    async def later(query: Query) -> AsyncIterator[Item]:
        """Asynchronous."""
        yield Item(pid=1, name="a")

    @table("maps", rows=Item)
    def maps(query: Query) -> list[dict[str, object]]:
        """Mappings."""
        return [{"pid": 2, "name": "b"}]

    @table("tuples", rows=Item)
    def tuples(query: Query) -> list[tuple[int, str, None]]:
        """Tuples."""
        return [(3, "c", None)]

    host = osquery_host(later, maps, tuples)
    sql = "select pid from later union all select pid from maps union all select pid from tuples"
    assert [row["pid"] for row in host.query(sql).rows] == ["1", "2", "3"]


@pytest.mark.parametrize("name", ["with-dash", "select", "1st", ""])
def test_a_name_that_osqueryd_refuses_is_refused_before(name):
    with pytest.raises(DefinitionError):
        table(name)(make([]).function)


class Wish(Row):
    asked: str = Column("asked for", required=True)
    dear: str | None = Column("dear", costly=True, default=None)


class Dear(Row):
    dear: str | None = Column("dear", costly=True, default=None)


@pytest.mark.parametrize(
    ("row", "options", "said"),
    [
        (Wish, {"snapshot": True}, "so asked cannot be required"),
        (Dear, {"snapshot": True, "cache": 5.0}, "so dear cannot be costly"),
        (Item, {"elsewhere": "it is here"}, "it is on all platforms"),
    ],
)
def test_options_that_contradict_each_other_are_refused(row, options, said):
    with pytest.raises(DefinitionError, match=said):
        table("contradictions", rows=row, **options)(lambda query: [])
    options.pop("snapshot", None)
    table("contradictions", rows=row, **{**options, "platforms": ("linux",)})(lambda query: [])


@pytest.mark.osqueryd
def test_the_traps_on_a_real_osqueryd(tmp_path):
    osqueryi = shutil.which("osqueryi")
    if osqueryi is None:
        pytest.skip("no osqueryi on PATH")
    program = tmp_path / "trap.ext"
    program.write_text(
        f"#!{sys.executable}\n"
        + textwrap.dedent(
            """
            from osquery_sdk import Column, Extension, Row, table

            class Item(Row):
                pid: int = Column("number", index=True, key=True)
                name: str = Column("name", index=True)

            @table("items", rows=Item)
            def items(query):
                pids = query.equals("pid")
                return [Item(pid=n, name=f"proc{n}") for n in range(12) if pids is None or n in pids]

            raise SystemExit(Extension("traps", version="1", plugins=[items]).run())
            """
        )
    )
    program.chmod(0o755)
    sql = (
        "select group_concat(pid) v "
        "from (select pid from items where pid = 3 or name = 'proc5' order by pid) "
        "union all select count(*) from items where pid in (1, 2, 3) "
        "union all select count(*) from (select * from items limit 2)"
    )
    done = subprocess.run(
        [
            osqueryi,
            "--extension",
            str(program),
            "--allow_unsafe",
            "--extensions_require=traps",
            "--json",
            f"--extensions_socket={tmp_path}/em",
            sql,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert [row["v"] for row in json.loads(done.stdout)] == ["3,5", "3", "2"], done.stderr


def test_a_taken_name_does_not_take_the_others_down():
    lines = []

    @table("time", rows=Item)
    def core_name(query: Query) -> list[Item]:
        """A name that osquery itself has."""
        return []

    extension = Extension("mixed", version="0", plugins=[core_name, make([])], log=lines.append)
    with Host([extension.start]) as host:
        assert host.query("select count(*) n from items").rows == [{"n": "12"}]
    assert lines == ["mixed: left out time: osquery or another extension has a table of that name"]
