"""A query says which rows a statement may want."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osquery_sdk import Column, Query, Row, table


class Word(Row):
    word: str = Column("Text")


@table("words")
def words() -> Iterator[Word]:
    """Words."""
    yield Word(word="x")


@pytest.fixture(scope="module")
def sqlite() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as database:
        yield database


@given(pattern=st.text("aAb%_.\n", max_size=9), value=st.text("aAbB.\n", max_size=10))
def test_like_is_sqlite_s(sqlite: sqlite3.Connection, pattern: str, value: str) -> None:
    ((expected,),) = sqlite.execute("select ? like ?", (value, pattern))
    assert Query.of(words, like={"word": pattern}).matches("word", value) == bool(expected)


@pytest.mark.parametrize(
    "pattern", ["%a" * 7 + "%b", "%a_" * 50 + "b", "%" * 100 + "b", "%aa%a" * 20 + "b%", "a%" * 1000 + "b"]
)
def test_no_pattern_takes_long(pattern: str) -> None:
    query = Query.of(words, like={"word": pattern})
    started = time.process_time()
    assert not query.matches("word", "a" * 20_000)
    assert time.process_time() - started < 2
