"""Rows in the forms for people and for machines."""

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osquery_sdk.cli.output import cell_width, render

from ...support.commands import FEW

COLUMNS = st.lists(st.text("abc_", min_size=1, max_size=6), min_size=1, max_size=5, unique=True)
VALUES = st.text(max_size=40)


@st.composite
def results(draw):
    columns = draw(COLUMNS)
    rows = draw(st.lists(st.fixed_dictionaries(dict.fromkeys(columns, VALUES)), max_size=5))
    return columns, rows


@FEW
@given(results())
def test_json_reads_back(result):
    columns, rows = result
    assert json.loads(render(columns, rows, "json")) == rows


@FEW
@given(results())
def test_ndjson_reads_back_line_by_line(result):
    columns, rows = result
    lines = render(columns, rows, "ndjson").split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == rows


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_columns_are_in_the_order_of_the_statement(form):
    text = render(["b", "c", "a"], [{"a": "1", "b": "2", "c": "3"}], form)
    rows = json.loads(text)
    assert list((rows[0] if form == "json" else rows).items()) == [("b", "2"), ("c", "3"), ("a", "1")]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1, "1"),
        (-(2**63), "-9223372036854775808"),
        (2**63 - 1, "9223372036854775807"),
        (1.5, "1.5"),
        (1e300, "1e+300"),
        (None, "null"),
        ("1", '"1"'),
        ("", '""'),
        (float("inf"), '"inf"'),
        (float("-inf"), '"-inf"'),
    ],
)
def test_typed_values_are_those_of_json(value, written):
    assert render(["v"], [{"v": value}], "ndjson") == f'{{"v":{written}}}\n'
    assert render(["v"], [{"v": value}], "json") == f'[\n  {{\n    "v": {written}\n  }}\n]\n'


def shown_by_markdown(text):
    """Return the cells that a reader of GitHub's Markdown finds in a table's text."""
    rows = []
    for line in text.splitlines():
        assert line.startswith("| ")
        assert line.endswith(" |")
        cells = re.split(r"(?<!\\)(?:\\\\)*\|", line[1:-1])
        rows.append([re.sub(r"\\(.)", r"\1", cell.strip().replace("<br>", "\n")) for cell in cells])
    return rows


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "a|b",
        "a\\|b",
        "*bold* _x_ `code`",
        "<b>&amp;</b>",
        "[a](b)",
        "two\nlines",
        "~~x~~",
        "",
        "日本",
        "\\",
    ],
)
def test_markdown_shows_each_value_as_it_is(value):
    text = render(["a", "b|c"], [{"a": value, "b|c": "x"}], "markdown")
    head, rule, row = shown_by_markdown(text)
    assert (head, rule) == (["a", "b|c"], ["---", "---"])
    assert row == [value, "x"]


def test_markdown_has_no_control_characters():
    assert render(["a"], [{"a": "\x1b[31m\x00"}], "markdown") == "| a |\n| --- |\n| \\\\x1b\\[31m\\\\x00 |\n"


def test_json_of_bytes_that_are_no_utf8_is_ascii_there():
    text = render(["a"], [{"a": b"\xff".decode(errors="surrogateescape") + "\x9b日"}], "json")
    assert json.loads(text.encode("utf-8")) == [{"a": "\udcff\x9b日"}]


@FEW
@given(results())
def test_csv_reads_back(result):
    columns, rows = result
    read = list(csv.reader(io.StringIO(render(columns, rows, "csv"), newline="")))
    assert read == [columns, *([row[column] for column in columns] for row in rows)]


@FEW
@given(results(), st.integers(20, 100))
def test_a_table_is_a_rectangle_that_fits(result, width):
    columns, rows = result
    for limit in (None, width):
        lines = render(columns, rows, "table", width=limit).split("\n")[:-1]
        if limit is not None and not (lines and lines[0].startswith("+-")):
            continue  # too many columns: line form
        assert len(lines) == len(rows) + 4
        widths = {cell_width(line) for line in lines}
        assert len(widths) == 1
        assert limit is None or max(widths) <= limit
        assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("form", ["table", "line"])
def test_control_characters_do_not_reach_the_terminal(form):
    text = render(["a"], [{"a": "\x1b[31m\x9b\n\r\t\x7f\u202e"}], form)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert r"\x1b[31m\x9b\n\r\t\x7f\u202e" in text


def test_null_is_empty_in_a_table_as_in_osqueryi():
    assert render(["a", "b"], [{"a": "", "b": "1"}], "table").splitlines()[3] == "|   | 1 |"


def test_wide_characters_take_two_columns():
    assert render(["a"], [{"a": "日本"}, {"a": "abcd"}], "table").splitlines()[3:5] == [
        "| 日本 |",
        "| abcd |",
    ]


def test_a_table_too_wide_for_the_terminal_is_cut_at_its_widest_column():
    lines = render(["n", "long"], [{"n": "7", "long": "x" * 90}], "table", width=30).splitlines()
    assert lines[3] == "| 7 | " + "x" * 21 + "… |"


def test_with_too_many_columns_for_the_terminal_each_has_a_line():
    columns = [f"column_{n}" for n in range(12)]
    text = render(columns, [dict.fromkeys(columns, "some value")], "table", width=60)
    assert text.splitlines() == [f"{column:>9} = some value" for column in columns]


def test_no_rows_leave_the_header():
    assert render(["a"], [], "table") == "+---+\n| a |\n+---+\n+---+\n"
    assert render(["a"], [], "csv") == "a\n"
    assert render(["a"], [], "json") == "[]\n"
    assert render(["a"], [], "line") == ""
