"""Values that no column can hold fail with table, column and value; values at the limit are sent."""

from __future__ import annotations

import enum
import fractions
import json
import math
import os
import sqlite3
import sys
import time
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from osquery_sdk import (
    Column,
    ColumnType,
    ColumnValueError,
    DefinitionError,
    Extension,
    Query,
    Row,
    SpooledLogger,
    SpoolOptions,
    Table,
    WritableTable,
    table,
)
from osquery_sdk.asking.parameters import quoted, with_parameters
from osquery_sdk.compat import TableColumn, TablePlugin
from osquery_sdk.compat.adapters import adapted
from osquery_sdk.engine import Host, SqlError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

FEW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Color(enum.Enum):
    RED = "red"

    @property
    def value(self) -> str:
        raise SystemExit("no value")


class All(Row):
    text: str | None = Column("text", default=None)
    whole: int | None = Column("number", default=None)
    small: int | None = Column("number", type=ColumnType.INTEGER, default=None)
    real: float | None = Column("number", default=None)
    moment: datetime | None = Column("time", default=None)
    data: bytes | None = Column("bytes", default=None)
    place: PurePosixPath | None = Column("path", default=None)
    items: list[Any] | None = Column("list", default=None)
    facts: dict[str, Any] | None = Column("dict", default=None)


class Bad:
    """Whatever it is asked for, it raises."""

    def __repr__(self) -> str:
        raise SystemExit("repr")

    __index__ = __fspath__ = __str__ = __float__ = __len__ = __iter__ = __repr__  # type: ignore[assignment]


class BadInt(int):
    __slots__ = ()

    def __repr__(self) -> str:
        raise SystemExit("repr")

    __int__ = __index__ = __str__ = __float__ = __repr__  # type: ignore[assignment]
    __lt__ = __le__ = __gt__ = __hash__ = __repr__  # type: ignore[assignment]


class Zone(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        raise KeyError("no such zone")


def deep(kind: type) -> Any:
    """A list or dict in a list or dict, and so on."""
    value: Any = kind()
    for _ in range(200_000):
        value = [value] if kind is list else {"a": value}
    return value


def circle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


# Column, what makes the value, how it is shown, and why it is refused.
REFUSED: list[tuple[str, Callable[[], Any], str, str]] = [
    (
        "moment",
        lambda: datetime(1, 1, 1),  # noqa: DTZ001
        "datetime.datetime(1, 1, 1, 0, 0)",
        "give it a time zone",
    ),
    ("moment", lambda: datetime(2000, 1, 1, tzinfo=Zone()), "<datetime>", "KeyError: 'no such zone'"),
    ("moment", lambda: "2000-01-01", "'2000-01-01'", "a BIGINT column takes no str"),
    (
        "real",
        lambda: 10**400,
        "1" + "0" * 56 + "...",
        "it is out of range: int too large to convert to float",
    ),
    ("real", lambda: 10**5000, "<int of 16610 bits>", "it is out of range"),
    ("real", lambda: Decimal("1.5"), "Decimal('1.5')", "a DOUBLE column takes no Decimal"),
    ("real", lambda: fractions.Fraction(1, 3), "Fraction(1, 3)", "a DOUBLE column takes no Fraction"),
    ("real", lambda: BadInt(5), "<BadInt>", "SystemExit: repr"),
    ("real", lambda: "1.5", "'1.5'", "a DOUBLE column takes no str"),
    ("whole", lambda: 10**5000, "<int of 16610 bits>", "BIGINT goes from -9223372036854775808 to"),
    ("whole", lambda: 2**63, "9223372036854775808", "BIGINT goes from -9223372036854775808 to"),
    ("small", lambda: -(2**31) - 1, "-2147483649", "INTEGER goes from -2147483648 to 2147483647"),
    ("whole", lambda: 1.5, "1.5", "a BIGINT column takes no float"),
    ("whole", lambda: Decimal(1), "Decimal('1')", "a BIGINT column takes no Decimal"),
    ("whole", Bad, "<Bad>", "SystemExit: repr"),
    ("text", lambda: b"bytes", "b'bytes'", "a TEXT column takes no bytes"),
    ("text", lambda: 5, "5", "a TEXT column takes no int"),
    ("text", lambda: Color.RED, "<Color.RED: 'red'>", "SystemExit: no value"),
    ("place", Bad, "<Bad>", "SystemExit: repr"),
    ("data", lambda: "text", "'text'", "a BLOB column takes no str"),
    ("data", Bad, "<Bad>", "a BLOB column takes no Bad"),
    ("data", lambda: "x" * 10_000_000, "'" + "x" * 56 + "...", "a BLOB column takes no str"),
    ("items", lambda: deep(list), "[[[[[[[...]]]]]]]", "it is nested too deep"),
    ("facts", lambda: deep(dict), "{'a': {'a': {'a': {'a': {'a': {'a': {...}}}}}}}", "it is nested too deep"),
    ("items", circle, "[[...]]", "Circular reference detected"),
    ("facts", lambda: {"a": math.nan}, "{'a': nan}", "JSON has neither nan nor infinity"),
    ("items", lambda: [1, -math.inf], "[1, -inf]", "JSON has neither nan nor infinity"),
    ("facts", lambda: {(1, 2): 3}, "{(1, 2): 3}", "keys must be str, int, float, bool or None, not tuple"),
    ("items", lambda: [{1, 2}], "[{1, 2}]", "Object of type set is not JSON serializable"),
    ("items", lambda: [b"x"], "[b'x']", "Object of type bytes is not JSON serializable"),
    ("items", lambda: [Decimal(1)], "[Decimal('1')]", "Object of type Decimal is not JSON serializable"),
    ("items", lambda: [Bad()], "<list>", "Object of type Bad is not JSON serializable"),
]
NAIVE = datetime(1, 1, 1)  # noqa: DTZ001
POSITIONS = list(All.__columns__)


def str_of(value: object) -> str | None:
    """A name for a case: pytest would ask a value for its text."""
    return value[:60] if type(value) is str else ""


def of(rows: list[tuple[Any, ...]]) -> Table:
    @table("t", rows=All)
    def made(query: Query) -> list[tuple[Any, ...]]:
        """Rows that nobody has checked."""
        return rows

    return made


def row(**values: Any) -> tuple[Any, ...]:
    return tuple(values.get(name) for name in POSITIONS)


@pytest.mark.parametrize("rows", [1, 2, 600])
@pytest.mark.parametrize(
    ("column", "make", "shown", "why"), REFUSED, ids=[f"{c}-{w}"[:50] for c, _, _, w in REFUSED]
)
def test_what_is_refused(column: str, make: Callable[[], Any], shown: str, why: str, rows: int) -> None:
    """It is refused alone, and behind others, which another code path checks."""
    made = of([*[row()] * (rows - 1), row(**{column: make()})])
    with Host([Extension("e", version="1", plugins=[made]).start]) as host, pytest.raises(SqlError) as caught:
        host.query("select * from t")
    said = str(caught.value)
    before, after = f"t.{column} = {shown}: ", why
    if column == "moment" and shown.startswith("<"):
        before = f"t.{column} = "
    assert said.startswith(before)
    assert after in said
    assert len(said) < 300
    assert made.counters.last_error == said


def test_mappings_with_columns_that_are_none() -> None:
    rows: list[Any] = [{"text": "x", 5: 6, "other": 1, (1,): Bad()}]
    with (
        Host([Extension("e", version="1", plugins=[of(rows)]).start]) as host,
        pytest.raises(SqlError) as caught,
    ):
        host.query("select * from t")
    assert str(caught.value) == "t: a row has unknown columns: (1,), 5, other"


@pytest.fixture(scope="module")
def sql() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    yield connection
    connection.close()


@FEW
@given(moment=st.datetimes(timezones=st.just(UTC)))
def test_moments_are_the_seconds_that_sqlite_says(sql: sqlite3.Connection, moment: datetime) -> None:
    """Rounded down, before 1970 as after."""
    # Of the whole second: SQLite itself has milliseconds, and rounds to them.
    whole = moment.strftime("%Y").zfill(4) + moment.strftime("-%m-%d %H:%M:%S")
    (seconds,) = sql.execute("select strftime('%s', ?)", [whole]).fetchone()
    assert of([]).column("moment").text(moment) == seconds
    elsewhere = timezone(timedelta(hours=-11, minutes=30))
    if 1 < moment.year < 9999:
        assert of([]).column("moment").text(moment.astimezone(elsewhere)) == seconds


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Apia"])
@pytest.mark.parametrize(
    ("moment", "utc"),
    [
        (datetime(1969, 12, 31, 23, 59, 59, 500_000), -1),  # noqa: DTZ001
        (datetime(1901, 12, 13, 20, 45, 51, 999_999), -2_147_483_649),  # noqa: DTZ001
        (datetime(1970, 1, 1, 0, 0, 0, 999_999), 0),  # noqa: DTZ001
        (datetime(2038, 1, 19, 3, 14, 8), 2**31),  # noqa: DTZ001
    ],
)
def test_moments_without_a_zone_are_local(
    zone: str, moment: datetime, utc: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        seconds = int(of([]).column("moment").text(moment))
        assert time.localtime(seconds)[:6] == moment.timetuple()[:6]
        assert zone != "UTC" or seconds == utc
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        (datetime.min.replace(tzinfo=UTC), -62_135_596_800),
        (datetime.max.replace(tzinfo=UTC), 253_402_300_799),
        (datetime.max.replace(tzinfo=timezone(-timedelta(hours=14))), 253_402_351_199),
        (
            datetime(
                1970, 1, 1, 0, 0, 0, 600_000, tzinfo=timezone(timedelta(seconds=0, microseconds=500_000))
            ),
            0,
        ),
    ],
)
def test_the_ends_of_time(moment: datetime, seconds: int) -> None:
    assert of([]).column("moment").text(moment) == str(seconds)


TEXTS = st.text(st.characters(codec=None, exclude_categories=()), max_size=10)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)


def parsed(data: bytes) -> Any:
    """JSON as the strictest reader has it: UTF-8, no nan, no name twice."""

    def refuse(word: str) -> Any:
        raise AssertionError(word)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    return json.loads(data.decode("utf-8"), parse_constant=refuse, object_pairs_hook=unique)


@FEW
@given(value=st.dictionaries(TEXTS, JSON, max_size=4))
def test_json_is_read_back_whatever_texts_are_in_it(value: dict[str, Any]) -> None:
    text = of([]).column("facts").text(value)
    assert parsed(text.encode()) == value


def test_json_of_what_json_calls_otherwise() -> None:
    column = of([]).column("facts")
    assert column.text({1: (1, 2), None: True, 1.5: None}) == '{"1":[1,2],"null":true,"1.5":null}'
    assert column.text({"ä": "ö"}) == '{"ä":"ö"}'


class Seven:
    """An integer of another library."""

    def __index__(self) -> int:
        return 7


class Level(enum.IntEnum):
    HIGH = 3


class Word(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise SystemExit("str")


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("whole", Seven(), "7"),
        ("whole", Level.HIGH, "3"),
        ("whole", True, "1"),
        ("whole", -(2**63), "-9223372036854775808"),
        ("text", Word("word"), "word"),
        ("text", ["a"], '["a"]'),
        ("real", 2**20, "1048576.0"),
        ("real", math.nan, ""),
        ("data", b"\xff\xfe", "\udcff\udcfe"),
        ("data", bytearray(b"x"), "x"),
        ("place", PurePosixPath(os.fsdecode(b"/\xff")), "/\udcff"),
    ],
    ids=str_of,
)
def test_what_is_taken_is_taken_alone_and_in_company(column: str, value: Any, shown: str, rows: int) -> None:
    made = of([row(**{column: value})] * rows)
    with Host([Extension("e", version="1", plugins=[made]).start]) as host:
        found = host.query(f"select {column} from t").rows
    assert [one[column] for one in found] == [shown] * rows


# Terms and parameters


@pytest.mark.parametrize(
    ("column", "value", "sent"),
    [
        ("text", "as it is", "as it is"),
        ("text", 5, "5"),
        ("whole", "any text", "any text"),
        ("whole", 5, "5"),
        ("whole", 1.5, "1.5"),
        ("small", 2**40, "1099511627776"),
        ("real", 5, "5"),
        ("whole", False, "0"),
        ("moment", datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC), "-1"),
        ("place", PurePosixPath("/x"), "/x"),
        ("text", Word("word"), "word"),
    ],
)
def test_terms_of_a_test_s_query(column: str, value: Any, sent: str) -> None:
    for operator in ("equals", "like"):
        query = Query.of(of([]), **{operator: {column: [value, value]}})
        assert [term.value for term in query.constraints(column)] == [sent, sent]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        (
            "moment",
            NAIVE,
            "t.moment = datetime.datetime(1, 1, 1, 0, 0): the system knows no local time",
        ),
        ("real", 10**400, "t.real = 1000"),
        ("whole", 2**63, "t.whole = 9223372036854775808: it is no number of SQL"),
        ("whole", Bad(), "t.whole = <Bad>: SystemExit: repr"),
        ("whole", None, "t.whole = None: osqueryd sends no term with NULL"),
        ("data", 5, "t.data = 5: a BLOB column takes no int"),
    ],
    ids=str_of,
)
def test_terms_that_no_statement_has(column: str, value: Any, said: str) -> None:
    with pytest.raises(ColumnValueError) as caught:
        of([]).rows(**{column: value})
    assert str(caught.value).startswith(said)
    with pytest.raises(DefinitionError, match="t has no column 'other'"):
        of([]).rows(other=1)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (10**400, f"= 1{'0' * 56}...: it is no number of SQL"),
        (10**5000, "= <int of 16610 bits>: it is no number of SQL"),
        (NAIVE, "= datetime.datetime(1, 1, 1, 0, 0): the system knows no local time"),
        (Bad(), "= <Bad>: SystemExit: repr"),
        (Decimal(1), "= Decimal('1'): SQL has no Decimal"),
        ({"a": 1}, "= {'a': 1}: SQL has no dict"),
        ([[1]], "= [[1]]: a list in a list"),
        ([object], "= [<class 'object'>]: SQL has no type"),
        (Color.RED, "= <Color.RED: 'red'>: SystemExit: no value"),
        ("\0\ud800", "= '\\x00\\ud800': "),
    ],
    ids=str_of,
)
def test_parameters_that_sql_has_not(value: Any, said: str) -> None:
    for sql_text, parameters, name in (
        ("select ?, ?", [1, value], "2"),
        ("select :a, :b", {"a": 1, "b": value}, "b"),
    ):
        with pytest.raises(ValueError, match="parameter") as caught:
            with_parameters(sql_text, parameters)
        assert str(caught.value).startswith(f"parameter {name} {said}")
        assert len(str(caught.value)) < 300


def test_parameters_of_other_classes(sql: sqlite3.Connection) -> None:
    class Real(float):
        __slots__ = ()

        def __repr__(self) -> str:
            return "Real(1.5)"

    values = [
        Seven(),
        Real(1.5),
        Word("it's"),
        Level.HIGH,
        True,
        datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
    ]
    assert sql.execute("select " + ", ".join(map(quoted, values))).fetchone() == (7, 1.5, "it's", 3, 1, -1)


# Values that are written, and read


class Odd(PurePosixPath):
    """A path that does not take every text."""

    def __new__(cls, *parts: Any) -> Self:
        if parts and "bad" in str(parts[0]):
            raise SystemExit("no such path")
        return super().__new__(cls, *parts)

    def __init__(self, *parts: Any) -> None:
        if sys.version_info >= (3, 12):
            super().__init__(*parts)


class Note(Row):
    id: int | None = Column("number", key=True, index=True, default=None)
    place: Odd | None = Column("path", default=None)
    moment: datetime | None = Column("time", default=None)
    facts: dict[str, Any] | None = Column("dict", default=None)
    real: float | None = Column("number", default=None)


class Notes(WritableTable[Note]):
    """Takes everything."""

    def __init__(self) -> None:
        self.kept: list[Note] = []

    def rows(self, query: Query) -> list[Note]:
        return self.kept

    def insert(self, row: Note) -> int:
        self.kept.append(row)
        return len(self.kept)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("place", "'/bad'", "notes.place = '/bad': SystemExit: no such path"),
        ("moment", "253402300800", "notes.moment = 253402300800: it takes Unix seconds of a year up to 9999"),
        ("moment", "-62135596801", "notes.moment = -62135596801: it takes Unix seconds of a year up to 9999"),
        (
            "facts",
            "'{\"a\": NaN}'",
            "notes.facts = {'a': nan}: JSON has neither nan nor infinity: give None, or a text",
        ),
        ("facts", "'[1]'", "notes.facts = '[1]': it takes a JSON object"),
        (
            "facts",
            f"'{'[' * 100_000}'",
            "notes.facts = '[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[...: it takes JSON",
        ),
    ],
)
def test_written_values_that_fit_no_column(column: str, value: str, said: str) -> None:
    store = Notes()
    with Host([Extension("e", version="1", plugins=[table("notes")(store)]).start]) as host:
        with pytest.raises(SqlError) as caught:
            host.query(f"insert into notes ({column}) values ({value})")
        assert str(caught.value) == said
        assert store.kept == []
        host.query("insert into notes (id, moment, place) values (1, -1, '/good')")
    assert store.kept[0].moment == datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_an_old_table_s_value_without_a_text() -> None:
    class Old(TablePlugin):
        def name(self) -> str:
            return "old"

        def columns(self) -> list[Any]:
            return [TableColumn(name="a", type="TEXT"), TableColumn(name="b", type="TEXT")]

        def generate(self, context: Any) -> Any:
            return [{"a": "x", "b": "\ud800"}, {"a": "x", "b": Bad()}]

    with (
        Host([Extension("e", version="1", plugins=[adapted(Old())]).start]) as host,
        pytest.raises(SqlError) as caught,
    ):
        host.query("select * from old")
    assert str(caught.value) == "old.b = <Bad>: SystemExit: repr"


# Definitions


class Item(Row):
    n: int = Column("number")


def one(**options: Any) -> Table:
    return table("t", rows=Item, **options)(lambda query: [])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": None}, "an extension needs a name that can be printed, not None"),
        ({"name": 5}, "an extension needs a name that can be printed, not 5"),
        ({"name": ""}, "an extension needs a name that can be printed, not ''"),
        ({"name": "  "}, "an extension needs a name that can be printed, not '  '"),
        ({"name": "two\nlines"}, "an extension needs a name that can be printed, not 'two\\nlines'"),
        ({"name": "half \ud800"}, "an extension needs a name that can be printed, not 'half \\ud800'"),
        ({"name": "x" * 257}, "an extension needs a name of 256 characters at the most, not 257"),
        ({"version": None}, "extension e needs a version that can be printed, not None"),
        ({"version": 1.5}, "extension e needs a version that can be printed, not 1.5"),
        ({"version": ""}, "extension e needs a version that can be printed, not ''"),
        ({"version": "1\0"}, "extension e needs a version that can be printed, not '1\\x00'"),
        (
            {"version": "1" * 1_000_000},
            "extension e needs a version of 256 characters at the most, not 1,000,000",
        ),
        ({"version": Bad()}, "extension e needs a version that can be printed, not <Bad>"),
        ({"plugins": None}, "extension e: plugins is a list of tables and plugins, not None"),
        ({"plugins": 5}, "extension e: plugins is a list of tables and plugins, not 5"),
        ({"plugins": "t"}, "extension e: plugins is a list of tables and plugins, not 't'"),
        ({"plugins": {"t": one()}}, "extension e: plugins is a list of tables and plugins, not {'t': <osq"),
        (
            {"plugins": one()},
            "extension e: plugins is a list of tables and plugins, not <osquery_sdk.tables.table.Table",
        ),
        ({"plugins": [Bad]}, "extension e: <class '"),
        ({"plugins": [Bad()]}, "extension e: <Bad> is no table; decorate the function with @table"),
        ({"log": "stderr"}, "extension e: log is a function to call, not 'stderr'"),
        ({"left_out": []}, "extension e: left_out is a function to call, not []"),
        ({"telemetry": True}, "extension e: telemetry is a Telemetry object, not True"),
    ],
    ids=str_of,
)
def test_an_extension_s_arguments(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        Extension(**{"name": "e", "version": "1", "plugins": [], **options})
    assert str(caught.value).startswith(said)


def test_an_extension_s_arguments_that_are_right() -> None:
    assert len(Extension("é 日本", version="1.0~β", plugins=(table for table in [one()])).plugins) == 1
    assert len(Extension("e", version="1", plugins={one()}).plugins) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"deadline": "5"}, "deadline is a number of seconds, not '5'"),
        ({"deadline": -1}, "deadline is a number of seconds, not -1"),
        ({"deadline": math.nan}, "deadline is a number of seconds, not nan"),
        ({"deadline": math.inf}, "deadline is a number of seconds, not inf"),
        ({"cache": "1"}, "cache is a number of seconds, not '1'"),
        ({"cache": -1}, "cache is a number of seconds, not -1"),
        ({"max_rows": 1.5}, "max_rows is a whole number, not 1.5"),
        ({"max_rows": None}, "max_rows is a whole number, not None"),
        ({"attributes": "x"}, "attributes is a whole number, not 'x'"),
        ({"aliases": "abc"}, "aliases is a tuple of texts, not 'abc'"),
        ({"aliases": (5,)}, "aliases is a tuple of texts, not (5,)"),
        ({"examples": "select 1"}, "examples is a tuple of texts, not 'select 1'"),
        ({"platforms": "linux"}, "platforms is a tuple of texts, not 'linux'"),
        ({"platforms": ("linux",), "elsewhere": 5}, "elsewhere is a text, not 5"),
        ({"privilege": None}, "privilege is a text, not None"),
        ({"rows": Table}, "rows is a class that derives from Row, not <class"),
    ],
)
def test_a_table_s_options(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        table("t", **{"rows": Item, **options})(lambda query: [])
    assert str(caught.value).startswith(f"table t: {said}")


@pytest.mark.parametrize("name", [None, 5, b"t", Bad()], ids=str_of)
def test_a_table_s_name(name: Any) -> None:
    with pytest.raises(DefinitionError, match="use letters, digits and underscores"):
        table(name)
    with pytest.raises(DefinitionError, match="it is made of a function, not of 5"):
        table("t", rows=Item)(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"collate": "german"}, "collate is one of binary, nocase, rtrim, version, version_arch"),
        ({"type": "TEXT"}, "type is one of ColumnType, not 'TEXT'"),
        ({"aliases": "abc"}, "aliases is a tuple of texts, not 'abc'"),
        ({"description": None}, "its description is a text, not None"),
    ],
)
def test_a_column_s_options(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        type(
            "Made",
            (Row,),
            {"__annotations__": {"n": int}, "n": Column(**{"description": "number", **options})},
        )
    assert str(caught.value).startswith(f"column Made.n: {said}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"spool": 5}, "spool is the path of a folder, not 5"),
        (
            {"options": SpoolOptions(max_bytes="1")},  # type: ignore[arg-type]
            "max_bytes is a whole number, not '1'",
        ),
        ({"options": SpoolOptions(last_retry=math.inf)}, "last_retry is a number of seconds, not inf"),
        ({"options": SpoolOptions(batch_seconds=-1)}, "batch_seconds is a number of seconds, not -1"),
    ],
)
def test_a_spool_s_options(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        SpooledLogger("spooled", **{"spool": "/nonexistent", **options})
    assert str(caught.value).startswith(f"logger spooled: {said}")
