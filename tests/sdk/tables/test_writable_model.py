"""Random statements have the same effect on a writable table as on a table of SQLite's own."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from osquery_sdk import RemoteError, table

from ...support.store import ByName, ByNumber

if TYPE_CHECKING:
    from osquery_sdk.asking.client import Client

# What osquery has no word for: text that is NULL, which it has as "", and a REAL that was given as an
# integer.
MODEL = {
    "by_number": (
        "create table by_number "
        "(id integer primary key, name text not null unique, value text default '', weight real)"
    ),
    "by_name": (
        "create table by_name (id integer, name text not null unique, value text default '', weight real)"
    ),
}

NUMBERS = ["-3", "0", "1", "2", "3", "4", "5", "17", "4611686018427387904"]
TEXTS = ["'a'", "'b'", "'A'", "'abc'", "''", "'it''s'", "'é'", "'10'", "'a' || char(10)"]
REALS = ["0.0", "-1.5", "2.0", "1e100", "0.1"]


class Statement(NamedTuple):
    """A statement for osquery, and what it is for SQLite's own table."""

    sql: str
    model: str


number, text, real = st.sampled_from(NUMBERS), st.sampled_from(TEXTS), st.sampled_from(REALS)


def lists(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, max_size=4).map(lambda items: f"({', '.join(items)})")


def terms(columns: str = "id name value weight") -> st.SearchStrategy[str]:
    """One comparison."""
    compare = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
    made = []
    for column, values in (("id", number), ("name", text), ("value", text), ("weight", real)):
        if column in columns:
            made += [
                st.tuples(compare, values).map(lambda pair, c=column: f"{c} {pair[0]} {pair[1]}"),
                lists(values).map(lambda items, c=column: f"{c} in {items}"),
                lists(values).map(lambda items, c=column: f"{c} not in {items}"),
                st.sampled_from([f"{column} is null", f"{column} is not null"]),
            ]
    if "id" in columns:
        made.append(st.tuples(number, number).map(lambda pair: f"id between {pair[0]} and {pair[1]}"))
    if "name" in columns:
        made.append(st.sampled_from(["name like 'a%'", "name glob 'a*'", "length(name) = 1"]))
    return st.one_of(made)


def conditions(columns: str = "id name value weight") -> st.SearchStrategy[str]:
    """A WHERE clause, or none."""
    whole = st.recursive(
        terms(columns),
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(" and ".join).map("({})".format),
            st.tuples(inner, inner).map(" or ".join).map("({})".format),
            inner.map("not ({})".format),
        ),
        max_leaves=4,
    )
    return st.one_of(st.just(""), whole.map(" where {}".format))


def nullable(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(values, st.just("null"))


def statement(sql: str) -> Statement:
    """An insert or update that fails keeps the rows it has written: osquery's tables have no transactions."""
    first, _, rest = sql.partition(" ")
    return Statement(sql, sql if first not in ("insert", "update") else f"{first} or fail {rest}")


@st.composite
def inserts(draw: st.DrawFn, name: str) -> Statement:
    names = st.sampled_from([*TEXTS, *TEXTS, "null"])
    row = st.tuples(nullable(number), names, nullable(text), nullable(real))
    rows = draw(st.lists(row, min_size=1, max_size=4))
    columns = draw(
        st.sampled_from(["id name value weight", "weight name id", "name value", "name", "value weight"])
    ).split()
    if name == "by_number" and draw(st.booleans()):
        columns = ["rowid" if column == "id" else column for column in columns]
    places = {"id": 0, "rowid": 0, "name": 1, "value": 2, "weight": 3}
    shown = [
        [f"coalesce({row[places[c]]}, '')" if c == "value" else row[places[c]] for c in columns]
        for row in rows
    ]
    given = [[row[places[c]] for c in columns] for row in rows]
    made = [
        f"insert into {name} ({', '.join(columns)}) values "
        + ", ".join(f"({', '.join(row)})" for row in values)
        for values in (given, shown)
    ]
    return Statement(made[0], statement(made[1]).model)


@st.composite
def copies(draw: st.DrawFn, name: str) -> Statement:
    suffix = draw(st.sampled_from(["'!'", "id", "''"]))
    # The order decides which rows are there when one is refused.
    return statement(
        f"insert into {name} (name, value, weight) select name || {suffix}, value, weight from {name}"
        f"{draw(conditions('value weight'))} order by {'id' if name == 'by_number' else 'name'}"
    )


@st.composite
def updates(draw: st.DrawFn, name: str) -> Statement:
    may_clash = draw(st.booleans())
    value = draw(st.one_of(text, st.sampled_from(["value || 'x'", "name", "null"])))
    weight = draw(st.one_of(nullable(real), st.just("weight * 2.0")))
    sets = [f"value = {value}", f"weight = {weight}"]
    model = [f"value = coalesce({value}, '')", sets[1]]
    kept = draw(st.sets(st.sampled_from([0, 1]), min_size=0 if may_clash else 1))
    if may_clash:
        clash = draw(
            st.sampled_from(
                [
                    "id = id + 1",
                    "id = -id",
                    "id = 4",
                    "id = null",
                    "name = 'a'",
                    "name = name || 'x'",
                    "name = null",
                ]
            )
        )
        if name == "by_number" and clash == "id = null":
            clash = "rowid = id + 10"
        sets.append(clash)
        model.append(clash)
        kept |= {2}
    # What may be refused half way is refused at the same row, for both read the rows in the same order.
    where = draw(conditions("value weight" if may_clash else "id name value weight"))
    return Statement(
        f"update {name} set {', '.join(sets[i] for i in sorted(kept))}{where}",
        f"update or fail {name} set {', '.join(model[i] for i in sorted(kept))}{where}",
    )


def statements(name: str) -> st.SearchStrategy[list[Statement]]:
    first = Statement(
        *[f"insert into {name} values (1, 'a', '', 0.5), (2, 'b', 'a', null), (5, 'abc', 'é', 2.0)"] * 2
    )
    more = st.lists(
        st.one_of(
            inserts(name),
            inserts(name),
            copies(name),
            updates(name),
            conditions().map(lambda where: statement(f"delete from {name}{where}")),
            conditions().map(
                lambda where: statement(f"select id, name, value, weight from {name}{where} order by name")
            ),
        ),
        min_size=1,
        max_size=8,
    )
    return more.map(lambda made: [first, *made])


class Seen(NamedTuple):
    """A row as a statement returns it."""

    id: int | None
    name: str
    value: str
    weight: float | None


def ask(client: Client, sql: str) -> tuple[list[Seen], str]:
    try:
        return client.query(sql, rows=Seen), ""
    except RemoteError as error:
        return [], str(error)


def run_model(model: sqlite3.Connection, sql: str) -> tuple[list[Seen], bool]:
    try:
        found = model.execute(sql).fetchall()
    except sqlite3.IntegrityError:
        return [], True
    return [Seen(i, n, v or "", w) for i, n, v, w in found], False


@pytest.mark.parametrize("name", MODEL)
@pytest.mark.parametrize("examples", [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_no_difference(serve, name: str, examples: int) -> None:
    store = ByNumber() if name == "by_number" else ByName()
    client: Client = serve(table(name)(store))
    refused = changed = 0

    @settings(
        max_examples=examples,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        derandomize=examples == 100,
    )
    @given(statements(name))
    def check(made: list[Statement]) -> None:
        nonlocal refused, changed
        store.kept.clear()
        model = sqlite3.connect(":memory:", isolation_level=None)
        try:
            model.execute(MODEL[name])
            for one in made:
                wanted, fails = run_model(model, one.model)
                got, problem = ask(client, one.sql)
                assert bool(problem) == fails, (one.sql, problem)
                assert got == wanted, one.sql
                refused += fails
                whole = f"select id, name, value, weight from {name} order by id, name"
                after = run_model(model, whole)[0]
                assert client.query(whole, rows=Seen) == after, one.sql
                changed += bool(after)
        finally:
            model.close()

    check()
    # It is no proof if every statement is refused, or none.
    assert refused > 30
    assert changed > 200
