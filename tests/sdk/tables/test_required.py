"""Tables that need a value for each of several columns refuse a statement without, and say how to join."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from osquery_sdk import Column, DefinitionError, Query, Row, TableError, WritableTable, table
from osquery_sdk.engine import SqlError
from osquery_sdk.engine.explain import explain
from osquery_sdk.sql.required import example
from osquery_sdk.tables.schema import TableSchema, render


class Distance(Row):
    start: str = Column("Where to begin", index=True, required=True)
    end: str = Column("Where to go", index=True, required=True)
    steps: int = Column("Letters between them", default=0)


class Trip(Row):
    start: str = Column("Where to begin", index=True)
    end: str | None = Column("Where to go", index=True, default=None)


EXAMPLES = (
    "select * from distances where start = 'a'",
    "select * from trips r cross join distances d using (start, end)",
    """
    select steps from distances -- both are said
      where start = 'a' and end in ('c', 'z');
    """,
)
WORKS = "select steps from distances where start = 'a' and end in ('c', 'z')"
LACKS_END = (
    "distances was queried without the required column end in the WHERE clause: "
    "it needs a value for start and end, "
    "neither NULL nor empty; if another table has the values, name it first: "
    "FROM other CROSS JOIN distances ON distances.end = other.end; "
    f"for example: {WORKS}"
)
CURE = "FROM trips CROSS JOIN distances; the order of a CROSS JOIN is kept"
OSQUERYS = "Table distances was queried without a required column in the WHERE clause"


def make_distances(**options):
    @table("distances", all_required=True, examples=EXAMPLES, **options)
    def distances(query: Query) -> Iterator[Distance]:
        """Distances of letters."""
        for start in query.equals("start") or query.like("start"):
            for end in query.equals("end") or ():
                yield Distance(start=start, end=end, steps=abs(ord(end) - ord(start)))

    return distances


@table("trips")
def trips(query: Query) -> list[Trip]:
    """Two trips, in an index."""
    return [Trip(start="a", end="c"), Trip(start="b", end="z")]


@table("plain_trips", rows=Trip)
def plain_trips(query: Query) -> list[tuple[str, str | None]]:
    """Routes of which one has no end."""
    return [("a", "c"), ("b", None)]


JOINED = [{"start": "a", "end": "c", "steps": "2"}, {"start": "b", "end": "z", "steps": "24"}]


@pytest.mark.parametrize(
    ("where", "steps"),
    [
        ("start = 'a' and end = 'c'", ["2"]),
        ("start in ('a', 'b') and end in ('c', 'd')", ["1", "2", "2", "3"]),
        ("(start = 'a' and end = 'c') or (start = 'b' and end = 'z')", ["2", "24"]),
        ("start like 'a' and end = 'c'", ["2"]),
        ("start = 'a' and end in (select 'd')", ["3"]),
    ],
)
def test_a_statement_with_all_values_is_answered(osquery_host, where, steps):
    rows = osquery_host(make_distances()).query(f"select steps from distances where {where}").rows
    assert sorted((row["steps"] for row in rows), key=int) == steps


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("start = 'a'", LACKS_END),
        ("start = 'a' and end != 'c'", LACKS_END),
        ("start = 'a' and end = ''", LACKS_END),
        ("start = 'a' and end = null", LACKS_END),
        ("start = 'a' or end = 'c'", None),
        ("steps = 3", OSQUERYS),
        ("1", OSQUERYS),
    ],
)
def test_a_statement_that_lacks_one_is_refused(osquery_host, where, said):
    with pytest.raises(SqlError) as caught:
        osquery_host(make_distances()).query(f"select * from distances where {where}")
    if said is None:
        assert "distances was queried without the required column " in str(caught.value)
    else:
        assert str(caught.value) == said


def test_rows_in_a_test_are_refused_as_a_statement_is():
    distances = make_distances()
    assert distances.rows(start="a", end=["c", "d"]) == [("a", "c", 2), ("a", "d", 3)]
    with pytest.raises(TableError, match="without the required column end in the WHERE"):
        distances.rows(start="a")
    with pytest.raises(TableError, match="without the required columns start and end in the WHERE"):
        distances.rows()
    assert distances.missing(Query.of(distances, equals={"end": "c"})) == ["start"]
    assert list(distances.required) == ["start", "end"]


def test_a_cached_answer_is_no_way_round(osquery_host):
    host = osquery_host(make_distances(cache=60.0))
    for _ in range(2):
        assert len(host.query("select * from distances where start = 'a' and end = 'c'").rows) == 1
        with pytest.raises(SqlError, match="without the required column end"):
            host.query("select * from distances where start = 'a'")


@pytest.mark.parametrize(
    "sql",
    [
        "select start, end, steps from trips r cross join distances d using (start, end)",
        "select d.* from trips r cross join distances d on d.start = r.start and d.end = r.end",
        "select d.* from trips r left join distances d on d.start = r.start and d.end = r.end",
        (
            "with r(s, e) as (values ('a', 'c'), ('b', 'z')) "
            "select d.* from r cross join distances d on d.start = s and d.end = e"
        ),
    ],
)
def test_a_cross_join_gives_it_the_values_of_another_table(osquery_host, sql):
    assert osquery_host(make_distances(), trips).query(sql).rows == JOINED


def test_values_of_an_in_are_there_for_each_row_of_a_join(osquery_host):
    """osqueryd passes the values of an IN that arrives whole to the first scan alone."""
    rows = osquery_host(make_distances(), trips).query(
        "select d.start, d.end from trips r cross join distances d on d.start = r.start "
        "where d.end in ('c', 'd')"
    )
    assert [(row["start"], row["end"]) for row in rows.rows] == [
        ("a", "c"),
        ("a", "d"),
        ("b", "c"),
        ("b", "d"),
    ]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "select * from distances d join trips r using (start, end)",
            (
                "distances was read before the table that has the values of start and end: "
                f"name that one first, {CURE}"
            ),
        ),
        (
            "select * from distances d join trips r on r.end = d.end where d.start = 'a'",
            f"distances was read before the table that has the values of end: name that one first, {CURE}",
        ),
        (
            "select * from distances d cross join trips r using (start, end)",
            f"if trips has the values, name it first, {CURE}",
        ),
        (
            "select * from plain_trips r cross join distances d using (start, end)",
            "plain_trips has rows without a value of end: leave them out, with ... <> ''",
        ),
    ],
)
def test_explain_names_the_cure_of_a_join(osquery_host, sql, said):
    told = explain(osquery_host(make_distances(), trips, plain_trips), sql)
    assert told.error is not None
    assert told.advice == (said,)
    assert f"\nTo do: {said}\n" in told.as_text()
    assert told.as_dict()["advice"] == (said,)


def test_explain_does_not_say_that_a_refused_table_was_called(osquery_host):
    told = explain(osquery_host(make_distances()), "select * from distances")
    (loop,) = told.loops
    assert (loop.action, loop.calls, loop.error, told.never_called) == ("refuse", 0, OSQUERYS, ())
    assert "distances refused: 0 calls" in told.as_text()
    assert told.advice == ()


def test_what_the_cures_say_works(osquery_host):
    host = osquery_host(make_distances(), trips, plain_trips)
    assert host.query("select d.* from trips r cross join distances d using (start, end)").rows == JOINED
    sql = "select d.* from plain_trips r cross join distances d using (start, end) where r.end <> ''"
    assert host.query(sql).rows == JOINED[:1]
    assert host.query(WORKS).rows


class Numbered(Row):
    n: int = Column("number", required=True, key=True)
    text: str = Column("text", required=True)


@pytest.mark.parametrize(
    ("examples", "needs_all", "chosen"),
    [
        (EXAMPLES, True, WORKS),
        (EXAMPLES, False, "select * from distances where start = 'a'"),
        (EXAMPLES[:2], True, ""),
        (("select 1", "select * from other where start = 1"), False, ""),
        (
            ("select * from Distances where END = 'x -- y;'; -- z",),
            False,
            "select * from Distances where END = 'x -- y;'",
        ),
    ],
)
def test_the_example_of_an_error_has_the_values(examples, needs_all, chosen):
    assert example("distances", ("start", "end"), examples, needs_all=needs_all) == chosen


@pytest.mark.parametrize(
    ("row", "options", "said"),
    [
        (Trip, {}, "declare the columns that are needed with required=True"),
        (Distance, {"all_required": ("start", "end")}, "all_required is True or False, not"),
        (Distance, {"snapshot": True}, "so start cannot be required"),
    ],
)
def test_options_that_contradict_it_are_refused(row, options, said):
    with pytest.raises(DefinitionError, match=said):
        table("distances", **{"rows": row, "all_required": True, **options})(lambda query: [])


@pytest.mark.parametrize("form", ["json", "markdown", "fleet-yaml", "spec"])
def test_the_schema_says_that_all_are_needed(form):
    text = " ".join(render([TableSchema.of(make_distances())], form, program="x").split())
    said = (
        "A statement has to say start and end: all are needed. If another table has the values, name it first"
    )
    assert said in text
    assert (
        "FROM other CROSS JOIN distances ON distances.start = other.start AND distances.end = other.end"
        in text
    )


class Shelf(WritableTable[Numbered]):
    """Texts by number."""

    def __init__(self) -> None:
        self.kept: list[Numbered] = []

    def rows(self, query: Query) -> Iterator[Numbered]:
        numbers, texts = query.equals("n"), query.equals("text")
        assert numbers is not None, "asked without a number"
        assert texts is not None, "asked without a text"
        yield from (row for row in self.kept if row.n in numbers and row.text in texts)

    def insert(self, row: Numbered) -> None:
        self.kept.append(row)

    def update(self, old: Numbered, new: Numbered) -> None:
        self.kept[self.kept.index(old)] = new

    def delete(self, row: Numbered) -> None:
        self.kept.remove(row)


def test_a_writable_table_may_need_all(osquery_host):
    shelf = Shelf()
    host = osquery_host(table("shelf", all_required=True)(shelf))
    host.query("insert into shelf (n, text) values (1, 'one'), (2, 'two')")
    host.query("update shelf set text = 'three' where n = 2 and text = 'two'")
    assert shelf.kept == [(1, "one"), (2, "three")]
    for statement in ("update shelf set text = 'x' where n = 1", "delete from shelf where n = 1"):
        with pytest.raises(SqlError, match="shelf was queried without the required column text"):
            host.query(statement)
    with pytest.raises(SqlError, match=r"shelf.text: it may not be NULL"):
        host.query("insert into shelf (n) values (3)")
    host.query("delete from shelf where n = 1 and text = 'one'")
    assert shelf.kept == [(2, "three")]


@pytest.mark.osqueryd
def test_a_real_osqueryd_plans_it_so(tmp_path):
    osqueryi = shutil.which("osqueryi")
    if osqueryi is None:
        pytest.skip("no osqueryi on PATH")
    program = tmp_path / "distances.ext"
    program.write_text(
        f"#!{sys.executable}\n"
        + textwrap.dedent(
            """
            from osquery_sdk import Column, Extension, Row, table

            class Distance(Row):
                start: str = Column("Where to begin", index=True, required=True)
                end: str = Column("Where to go", index=True, required=True)

            class Trip(Row):
                start: str = Column("Where to begin", index=True)
                end: str | None = Column("Where to go", index=True)

            @table("distances", rows=Distance, all_required=True)
            def distances(query):
                return [(start, end) for start in query.equals("start") for end in query.equals("end")]

            @table("trips", rows=Trip)
            def trips(query):
                return [("a", "c"), ("b", "z")]

            raise SystemExit(Extension("required", version="1", plugins=[distances, trips]).run())
            """
        )
    )
    program.chmod(0o755)

    def ask(sql: str) -> tuple[list[tuple[str, ...]], str]:
        flags = ["--extension", str(program), "--allow_unsafe", "--extensions_require=required", "--json"]
        done = subprocess.run(
            [osqueryi, *flags, f"--extensions_socket={tmp_path}/em", sql],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "HOME": str(tmp_path)},
        )
        rows = json.loads(done.stdout) if done.stdout.strip() else []
        return [(row["start"], row["end"]) for row in rows], done.stderr

    both = [("a", "c"), ("b", "z")]
    assert ask("select start, end from trips cross join distances using (start, end)")[0] == both
    four = [("a", "c"), ("a", "d"), ("b", "c"), ("b", "d")]
    sql = (
        "select d.start, d.end from trips r cross join distances d on d.start = r.start "
        "where d.end in ('c', 'd')"
    )
    assert ask(sql)[0] == four
    assert ask("select start, end from distances where start in ('a', 'b') and end in ('c', 'd')")[0] == four
    assert OSQUERYS in ask("select * from distances cross join trips using (start, end)")[1]
    assert OSQUERYS in ask("select * from distances d join trips r using (start, end)")[1]
    said = (
        "distances was queried without the required column end in the WHERE clause: "
        "it needs a value for start and end"
    )
    assert said in ask("select * from distances where start = 'a'")[1]
