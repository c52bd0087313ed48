"""`Table.configured`: a second table of the same function, with another name, limits and family."""

from collections.abc import Iterator

import pytest

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Budget
from osquery_sdk import Column, ColumnValueError, DefinitionError, Limits, Query, Row, WritableTable, table
from osquery_sdk.engine import SqlError


class Number(Row):
    n: int = Column("A number", key=True)


@table(
    "numbers",
    examples=(
        "select n from numbers where n < 3",
        "select numbers.n, 'numbers' as x from \"numbers\" join o on o.numbers = Numbers.n -- numbers",
    ),
    family="mathematics",
)
def numbers(query: Query) -> Iterator[Number]:
    """Numbers up to a limit."""
    budget = Budget.of(query)
    for n in range(10):
        budget.add_rows()
        yield Number(n=n)


class Kept(WritableTable[Number]):
    """Numbers that are kept."""

    def __init__(self) -> None:
        self.kept = [Number(n=1)]

    def rows(self, query: Query) -> list[Number]:
        return self.kept

    def insert(self, row: Number) -> None:
        self.kept.append(row)


def test_nothing_given_is_the_same_table_with_its_own_counters():
    copy = numbers.configured()
    assert copy is not numbers
    assert copy.counters is not numbers.counters
    assert (copy.name, copy.options, copy.routes()) == (numbers.name, numbers.options, numbers.routes())
    assert copy.rows() == numbers.rows()


def test_a_new_name_is_in_the_examples_and_errors():
    renamed = numbers.configured(name="digits")
    assert renamed.definition.examples == (
        "select n from digits where n < 3",
        "select digits.n, 'numbers' as x from digits join o on o.numbers = digits.n -- numbers",
    )
    assert numbers.name == "numbers"
    with pytest.raises(DefinitionError, match=r"^digits has no column 'm'"):
        renamed.column("m")


def test_a_second_name_takes_the_place_of_the_first():
    twice = numbers.configured(name="digits").configured(name="figures")
    assert twice.definition.examples[0] == "select n from figures where n < 3"
    with pytest.raises(ColumnValueError, match=r"^figures\.n = 'x'"):
        twice.column("n").text("x")


def test_a_definition_does_not_change():
    with pytest.raises(AttributeError):
        numbers.definition.name = "digits"
    assert numbers.definition == numbers.configured().definition


def test_limits_are_what_the_query_says_and_the_deadline_and_rows_of_the_table():
    bounded = numbers.configured(limits=Limits(max_rows=3, max_seconds=5))
    assert (bounded.options.deadline, bounded.options.max_rows) == (5, 3)
    assert Query.of(bounded).limits == Limits(max_rows=3, max_seconds=5)
    assert Query.of(bounded).whole().limits.max_rows == 3
    with pytest.raises(LimitExceeded, match="more than 3 rows"):
        bounded.rows()
    assert Query.of(numbers).limits == Limits()
    assert len(numbers.rows()) == 10


def test_a_family_is_replaced():
    assert numbers.configured(family="counting").options.family == "counting"
    assert numbers.configured(name="digits").options.family == "mathematics"


def test_both_tables_of_a_function_answer_in_one_extension(osquery_host):
    few = numbers.configured(name="few", limits=Limits(max_rows=2))
    host = osquery_host(numbers, few)
    assert len(host.query("select n from numbers").rows) == 10
    with pytest.raises(SqlError, match=r"few: .*more than 2 rows"):
        host.query("select n from few")
    assert (numbers.counters.errors, few.counters.errors) == (0, 1)


def test_a_writable_table_writes_to_the_same_object(osquery_host):
    first = table("kept")(Kept())
    host = osquery_host(first, first.configured(name="kept_too"))
    host.query("insert into kept_too (n) values (7)")
    assert [row["n"] for row in host.query("select n from kept order by n").rows] == ["1", "7"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "select"}, "'select' is a word of SQL"),
        ({"name": "two words"}, "use letters, digits and underscores"),
        ({"limits": (1, 2)}, "limits is a Limits"),
        ({"limits": Limits(max_rows=-1)}, "max_rows is a whole number"),
        ({"limits": Limits(max_seconds=float("nan"))}, "deadline is a number of seconds"),
        ({"family": 5}, "family is a text"),
    ],
)
def test_what_table_refuses_is_refused(settings, message):
    with pytest.raises(DefinitionError, match=message):
        numbers.configured(**settings)
