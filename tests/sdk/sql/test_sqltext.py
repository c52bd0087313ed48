"""SQL as text, with SQLite as the oracle."""

import itertools
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osquery_sdk.sql.conditions import conditions
from osquery_sdk.sql.tokens import is_complete, statements, tables_of, tokens

from ...support.commands import FEW

PIECES = st.lists(
    st.sampled_from(
        [
            "select",
            " ",
            ";",
            "'",
            '"',
            "`",
            "[",
            "]",
            "--",
            "\n",
            "/*",
            "*/",
            "*",
            "/",
            "-",
            "1",
            "a;b",
            "''",
            "x",
        ]
    ),
    max_size=14,
).map("".join)


@FEW
@given(PIECES)
def test_a_statement_is_complete_when_sqlite_says_so(sql):
    assert is_complete(sql) == sqlite3.complete_statement(sql)


@FEW
@given(PIECES)
def test_tokens_leave_out_white_space_and_comments_alone(sql):
    parsed = tokens(sql)
    assert all(sql[token.start : token.end] == token.text for token in parsed)
    assert all(a.end <= b.start for a, b in itertools.pairwise(parsed))


@pytest.mark.parametrize(
    ("sql", "cut"),
    [
        ("select 1; select 2", ["select 1", "select 2"]),
        ("select 'a;b'; -- c;\n;;select \"d;\"", ["select 'a;b'", 'select "d;"']),
        (" ; -- nothing\n /* ; */ ", []),
        ("select [a;b] /* ; */;", ["select [a;b] /* ; */"]),
    ],
)
def test_statements(sql, cut):
    assert list(statements(sql)) == cut


@FEW
@given(
    st.lists(
        st.sampled_from(["select 1", "select ';'", 'select ";" as "a;b"', "select 2 -- ;\n"]), max_size=5
    )
)
def test_statements_are_those_that_sqlite_runs(parts):
    database = sqlite3.connect(":memory:")
    parsed = list(statements(";".join(parts)))
    assert len(parsed) == len(parts)
    for statement in parsed:
        database.execute(statement)  # it refuses more than one statement
    database.close()


QUERIES = [
    "select * from a",
    "select * from a x join b as y on x.n = y.n where x.n > 1",
    "select * from a, b t where a.n = t.n",
    'select * from "a" left join [b] using (n)',
    "select * from main.a as q order by n",
    "with w as (select * from a) select * from w where exists (select 1 from b where b.n = w.n)",
    "select (select max(n) from b) from a limit 1",
    "select n from a union select n from b",
    "insert into a select * from b",
    "update a set n = 1 where n = 2",
    "delete from b where n in (select n from a)",
    "select 'from b' from a -- from b",
]


@pytest.mark.parametrize("sql", QUERIES)
def test_tables_of_a_statement_are_those_without_which_it_fails(sql):
    needed = set()
    for table, other in (("a", "b"), ("b", "a")):
        database = sqlite3.connect(":memory:")
        database.execute(f"create table {other} (n)")
        try:
            database.execute(f"explain {sql}")
        except sqlite3.OperationalError:
            needed.add(table)
        database.close()
    assert set(tables_of(sql).values()) - {"w"} == needed


@pytest.mark.parametrize(
    ("where", "offers", "reason"),
    [
        ("a = 1", [("a", ("=", "IN"))], ""),
        ("1 < t.a", [("a", (">",))], ""),
        ("a = b", [("a", ("=", "IN")), ("b", ("=", "IN"))], ""),
        ('"a" in (1, 2)', [("a", ("=", "IN"))], ""),
        ("a between 1 and 2", [("a", (">=", "<="))], ""),
        ("a is not null", [("a", ("IS NOT", "IS NOT NULL"))], ""),
        ("((a like 'x%'))", [("a", ("LIKE",))], ""),
        ("lower(a) = 'x'", [], "expression"),
        ("a + 1 = 2", [], "expression"),
        ("a not in (1)", [], "NOT IN"),
        ("a like 'x' escape '!'", [], "ESCAPE"),
        ("not a = 1", [], "NOT"),
        ("exists (select 1)", [], "EXISTS"),
        ("a", [], "without a comparison"),
        ("a = 1 or lower(a) = 'b'", [("a", ("=", "IN"))], "an OR with"),
        ("a = 1 or b = 2", [("a", ("=", "IN")), ("b", ("=", "IN"))], ""),
    ],
)
def test_a_condition_and_what_a_table_may_be_offered_of_it(where, offers, reason):
    (condition,) = conditions(f"select * from t where {where} group by a order by b limit 3")
    assert [(offer.column, offer.operators) for offer in condition.offers] == offers
    assert reason in condition.reason
    assert bool(condition.reason) == bool(reason)


def test_conditions_are_cut_at_and_alone():
    sql = (
        "select * from t join u on t.a = u.a and t.b = 1 "
        "where (x between 1 and 2 and (y = 3 and z = 4)) and case when a and b then 1 end = 1"
    )
    assert [condition.text for condition in conditions(sql)] == [
        "t.a = u.a",
        "t.b = 1",
        "x between 1 and 2",
        "y = 3",
        "z = 4",
        "case when a and b then 1 end = 1",
    ]


EXPRESSIONS = (
    "1",
    "a",
    "t.a",
    '"t"."b"',
    "a as x",
    "a x",
    'b AS "y z"',
    "count(*)",
    "count( * ) as n",
    "a + 1",
    "a+b c",
    "'text'",
    "(select max(a) from t) m",
    "case when a then 1 else 2 end",
    "case a when 1 then 2 end as d",
    "a is null",
    "a isnull",
    "null",
    "[b]",
    "max(a, b)",
    "a between 1 and 2",
    "cast(a as text)",
    "-- c\n a",
)


@given(
    st.lists(st.sampled_from(EXPRESSIONS), min_size=1, max_size=4),
    st.sampled_from(["", "distinct ", "all "]),
    st.sampled_from(
        [
            "{}",
            "with w(q) as (select a from t) {}",
            "{} union all {}",
            "select * from ({})",
            "{}; select 1 as other",
        ]
    ),
)
def test_names_of_a_result_are_sqlite_s(expressions, distinct, frame):
    import sqlite3
    from contextlib import closing

    from osquery_sdk.sql.tokens import result_names

    inner = f"select {distinct}{', '.join(expressions)} from t"
    sql = frame.replace("{}", inner)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("create table t (a, b)")
        names = tuple(column[0] for column in connection.execute(sql.partition(";")[0]).description)
    assert result_names(sql) == (() if frame.startswith("select *") else names)
