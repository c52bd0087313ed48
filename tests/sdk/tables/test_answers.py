"""Thrift's own decoder reads back the rows of any answer, and every row has a number."""

import enum
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osquery_sdk import Column, ColumnType, Query, Row, Table, TableError, table
from osquery_sdk.tables.encoding import Layout
from osquery_sdk.wire.codec import ANSWER_LIMITS
from osquery_sdk.wire.protocol import Request, Response, Status, encode_reply
from osquery_sdk.wire.thrift_decoder import read_response


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Wide(Row):
    big: int = Column("BIGINT")
    small: int = Column("INTEGER", type=ColumnType.INTEGER)
    unsigned: int = Column("UNSIGNED BIGINT", type=ColumnType.UNSIGNED_BIGINT)
    text: str = Column("TEXT")
    maybe: int | None = Column("BIGINT or NULL")
    word: str | None = Column("TEXT or NULL")
    flag: bool = Column("INTEGER")
    real: float = Column("DOUBLE")
    data: bytes = Column("BLOB")
    path: Path = Column("TEXT")
    colour: Colour = Column("TEXT")
    level: Level = Column("BIGINT")
    day: datetime = Column("BIGINT")
    extra: dict[str, int] = Column("TEXT")


class Keyed(Row):
    number: int = Column("Key", key=True)
    text: str = Column("Anything")


def table_of(row: type[Row], **options: Any) -> Table:
    @table("t", rows=row, **options)
    def made(query: Query) -> list[Any]:
        return []

    return made


def answered(
    row: type[Row], rows: Sequence[Any], used: frozenset[str] | None = None
) -> list[dict[str, bytes]]:
    made = table_of(row)
    answer = Layout("t", row, made.columns, used).build(iter(rows), 1_000_000)
    message = b"".join(encode_reply(Request("call", 0, ("table", "t", {})), Response(Status(), answer)))
    # 16 bytes of head: version, "call", sequence.
    status, found = read_response("call", message[16:], lambda: b"", ANSWER_LIMITS)
    assert status.code == 0
    assert len(found) == len(rows)
    return found


def as_read(value: Any) -> bytes:
    """A value as osqueryd is to read it, one at a time and the plain way."""
    if value is None:
        return b""
    if isinstance(value, enum.Enum):
        return as_read(value.value)
    if isinstance(value, bool):
        return b"1" if value else b"0"
    if isinstance(value, datetime):
        return str(int(value.timestamp())).encode()
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    if isinstance(value, float):
        return repr(value).encode()
    text = str(value)
    return "".join(
        "\ufffd" if "\ud800" <= c <= "\udc7f" or "\udd00" <= c <= "\udfff" else c for c in text
    ).encode("utf-8", "surrogateescape")


NUMBERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(), max_size=12)
WIDE = st.builds(
    Wide,
    big=NUMBERS,
    small=st.integers(-(2**31), 2**31 - 1),
    unsigned=st.integers(0, 2**63 - 1),
    text=TEXTS,
    maybe=st.none() | NUMBERS,
    word=st.none() | TEXTS,
    flag=st.booleans(),
    real=st.floats(allow_nan=False),
    data=st.binary(max_size=8),
    path=st.builds(Path, st.text("abé/.", max_size=8)),
    colour=st.sampled_from(Colour),
    level=st.sampled_from(Level),
    day=st.integers(10**7, 10**10).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    extra=st.dictionaries(st.text("ab", max_size=2), st.integers(0, 9), max_size=2),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(WIDE, max_size=5), st.sets(st.sampled_from(list(Wide.__columns__))))
def test_rows_are_read_back(rows: list[Wide], used: set[str]) -> None:
    for names in (None, frozenset(used)):
        sent = (
            list(Wide.__columns__) if names is None else [name for name in Wide.__columns__ if name in names]
        )
        found = answered(Wide, rows, names)
        for row, got in zip(rows, found, strict=True):
            rowid = got.pop("rowid")
            assert 0 <= int(rowid) < 2**63
            assert got == {name: as_read(getattr(row, name)) for name in sent}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.builds(Keyed, number=st.integers(0, 6) | NUMBERS, text=TEXTS), max_size=30))
def test_a_row_s_key_is_its_number_and_no_number_is_there_twice(rows: list[Keyed]) -> None:
    found = [int(row["rowid"]) for row in answered(Keyed, rows)]
    assert len(set(found)) == len(found)
    seen = set[int]()
    for row, rowid in zip(rows, found, strict=True):
        if row.number not in seen:
            assert rowid == row.number
        seen.add(row.number)


@settings(max_examples=100, deadline=None)
@given(st.lists(WIDE, min_size=1, max_size=4, unique_by=lambda row: row.big))
def test_a_row_has_the_same_number_alone_and_among_others(rows: list[Wide]) -> None:
    together = [row["rowid"] for row in answered(Wide, rows)]
    assert together == [answered(Wide, [row])[0]["rowid"] for row in rows]
    assert together == [row["rowid"] for row in answered(Wide, rows, frozenset({"text"}))]


def test_many_rows_are_numbered_over_all_blocks() -> None:
    rows = [(number % 2000, f"row {number} {'é' * (number % 3)}") for number in range(3000)]
    found = answered(Keyed, rows)
    assert [row["text"].decode() for row in found] == [text for _, text in rows]
    assert [row["number"] for row in found] == [str(number).encode() for number, _ in rows]
    assert len({row["rowid"] for row in found}) == 3000
    assert [row["rowid"] for row in found[:2000]] == [row["number"] for row in found[:2000]]


class Other(Row):
    number: int = Column("The same width as Keyed")
    text: str = Column("The same names, even")


@pytest.mark.parametrize("others", [0, 1, 600])
@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ((2**63, "x"), "goes from"),
        (("1", "x"), "takes no str"),
        ((1.5, "x"), "takes no float"),
        ((None, "x"), "declare the type with"),
        ((1, 5), "takes no int"),
        ((1, None), "declare the type with"),
        ((1, b"x"), "takes no bytes"),
        ((1,), "a row has 1 values, not 2"),
        ((1, "x", 3), "a row has 3 values, not 2"),
        ("ab", "not str"),
        ({"number": 1, "text": "x"}, "not dict"),
        ([1, "x"], "not list"),
        (Other(number=1, text="x"), "not Other"),
    ],
)
def test_a_wrong_row_is_refused_wherever_it_is(bad: Any, complaint: str, others: int) -> None:
    good = [(number, "x") for number in range(others)]
    for rows in ([*good, bad], [bad, *good]):
        with pytest.raises(TableError, match=complaint):
            answered(Keyed, rows)


def test_more_rows_than_allowed_are_refused() -> None:
    made = table_of(Keyed)
    for most in (0, 1, 600):
        rows = [(number, "x") for number in range(most + 1)]
        with pytest.raises(TableError, match=f"more than {most} rows"):
            Layout("t", Keyed, made.columns, None).build(iter(rows), most)
        assert Layout("t", Keyed, made.columns, None).build(iter(rows[:-1]), most).count == most
