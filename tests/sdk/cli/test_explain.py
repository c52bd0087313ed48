"""Compare the report of explain, for each statement, with the requests that reached the table."""

import json

import pytest

from osquery_sdk import Extension
from osquery_sdk.engine import Host
from osquery_sdk.engine.explain import explain

from ...support.commands import EXTENSION, SDK, run


@pytest.fixture(scope="module")
def host(sample):
    extension = Extension("sample", version="1", plugins=[sample.numbers, sample.texts, sample.naps])
    with Host([extension.start]) as host:
        yield host


def pushed(loop):
    return [(term.column, term.operator, term.operands) for term in loop.pushed]


def sent(calls):
    """Return the terms that arrived at the table, read from the requests."""
    return [
        (column["name"], term["op"], term["expr"])
        for call in calls
        for column in json.loads(call.request["context"])["constraints"]
        for term in column["list"]
    ]


@pytest.mark.parametrize(
    ("where", "expected", "withheld", "unoffered"),
    [
        ("n = 3", [("n", "=", ("3",))], [], []),
        ("n in (1, 2)", [("n", "IN", ("1", "2"))], [], []),
        ("n > 3 and n <= 5", [("n", ">", ("3",)), ("n", "<=", ("5",))], [], []),
        ("n = 1 or n = 2", [("n", "IN", ("1", "2"))], [], []),
        # SQLite turns a LIKE on a column without regard to case into a range as well.
        (
            "word like 't%'",
            [("word", "LIKE", ("t%",))],
            [("word", ">=", "osqueryd never pushes down"), ("word", "<", "osqueryd never pushes down")],
            [],
        ),
        ("word > 'm'", [], [("word", ">", "osqueryd never pushes down < <= > >= on TEXT")], []),
        ("square = 9", [], [("square", "=", "the column is neither INDEX, REQUIRED nor ADDITIONAL")], []),
        ("word = ''", [], [("word", "=", "the operand is the empty string")], []),
        ("n = null", [], [("n", "=", "the operand is NULL")], []),
        ("rowid = 3", [], [("rowid", "=", "terms on the rowid are never pushed down")], []),
        ("n = square", [], [], ["n = square"]),
        ("lower(word) = 'two'", [], [], ["lower(word) = 'two'"]),
        ("n + 0 = 1", [], [], ["n + 0 = 1"]),
        ("n not in (1, 2)", [], [], ["n not in (1, 2)"]),
        ("square = 1 or half = 1.0", [], [], ["square = 1 or half = 1.0"]),
        ("n = 2 and length(word) = 3", [("n", "=", ("2",))], [], ["length(word) = 3"]),
    ],
)
def test_terms_of_one_table(host, where, expected, withheld, unoffered):
    report = explain(host, f"select word from sample_numbers where {where}")
    assert report.error is None
    (loop,) = report.loops
    assert (loop.table, loop.calls) == ("sample_numbers", 1)
    assert sorted(pushed(loop)) == sorted(expected)
    assert [(term.column, term.operator) for term in loop.withheld] == [(c, op) for c, op, _ in withheld]
    for term, (_, _, reason) in zip(loop.withheld, withheld, strict=True):
        assert reason in term.reason
    assert [condition.text for condition in report.unoffered] == unoffered
    # The terms reported as pushed down are those that were sent.
    calls = []
    host.observer = calls.append
    host.query(f"select word from sample_numbers where {where}")
    host.observer = None
    assert sorted((c, e) for c, _, e in sent(calls)) == sorted((c, v) for c, _, vs in expected for v in vs)


def test_an_or_over_two_columns_that_can_be_looked_up_is_two_scans(host):
    report = explain(host, "select n from sample_numbers where n = 1 or word = 'two'")
    assert report.rows == 2
    assert sorted(pushed(loop)[0] for loop in report.loops) == [("n", "=", ("1",)), ("word", "=", ("two",))]
    assert report.unoffered == ()


def test_the_inner_side_of_a_join_is_called_for_each_row(host):
    report = explain(
        host, "select * from sample_numbers a cross join sample_numbers b on b.n = a.n + 1 where a.n < 20"
    )
    outer, inner = report.loops
    assert (outer.calls, inner.calls, report.rows) == (1, 19, 19)
    ((column, operator, operands),) = pushed(inner)
    assert (column, operator) == ("n", "=")
    assert operands == tuple(str(n) for n in range(2, 10))
    assert inner.pushed[0].more == 11
    assert "one call for each row of what is joined before it" in report.as_text()
    assert "n = 2, 3, 4, 5, 6, 7, 8, 9, and 11 more" in report.as_text()


def test_a_limit_is_sent_as_a_term_and_said_to_be_none(host):
    report = explain(host, "select n from sample_numbers where n > 4 limit 3")
    limits = [term for term in report.loops[0].pushed if term.operator == "LIMIT"]
    assert [term.operands for term in limits] == [("3",)]
    assert "a table must not apply it" in limits[0].reason


def test_a_table_behind_an_empty_one_is_never_called(host):
    report = explain(host, "select * from sample_numbers a cross join sample_texts b where a.n = 99")
    assert report.never_called == ("sample_texts",)
    assert "Not called: sample_texts" in report.as_text()


def test_a_condition_on_a_result_is_not_said_to_be_about_a_table(host):
    report = explain(
        host, "select * from (select count(*) as many from sample_numbers group by half) where many > 1"
    )
    assert [condition.reason for condition in report.unoffered] == [
        "about a result, not about a column of a table"
    ]


def test_the_other_name_of_a_column_is_no_reason_for_a_remark(host):
    report = explain(host, "select n from sample_numbers where called = 'two'")
    assert report.rows == 1
    assert report.unoffered == ()


def test_the_columns_that_are_used(host):
    assert explain(host, "select n, half from sample_numbers").loops[0].columns == ("n", "half")


def test_an_error_is_part_of_the_explanation(host):
    report = explain(host, "select * from sample_naps")
    assert report.error == "Table sample_naps was queried without a required column in the WHERE clause"
    assert f"failed: {report.error}" in report.as_text()


def test_the_observer_is_put_back(host):
    calls = []
    host.observer = calls.append
    explain(host, "select * from sample_numbers")
    host.query("select * from sample_numbers")
    host.observer = None
    assert len(calls) == 1


@pytest.mark.parametrize(
    "command",
    [(EXTENSION, "explain"), (SDK, "explain", "--extension", EXTENSION[1])],
    ids=["extension", "osquery-sdk"],
)
def test_the_command(command):
    program, *arguments = command
    sql = "select word from sample_numbers where n = 2 and half > 0.5"
    text = run(program, *arguments, sql)
    assert (text.returncode, text.stderr) == (0, "")
    assert "sample_numbers: 1 call, 1 row, " in text.stdout
    assert "  pushed down   n = 2 " in text.stdout
    (report,) = json.loads(run(program, *arguments, "--json", sql).stdout)
    assert report["sql"] == sql
    assert report["rows"] == 1
    assert report["loops"][0]["pushed"][0]["operands"] == ["2"]
    assert report["loops"][0]["withheld"][0]["column"] == "half"
    assert report["error"] is None
