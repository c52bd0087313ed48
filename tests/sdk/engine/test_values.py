"""Text to SQL values and back, with C's own functions as the oracle."""

from __future__ import annotations

import ctypes
import json
import math
import sys

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osquery_sdk.engine.sql.context import json_double, json_string, values_json
from osquery_sdk.engine.sql.regex import BadRegex, compile_ecmascript
from osquery_sdk.engine.sql.values import (
    DECODERS,
    decode_bigint,
    decode_double,
    decode_integer,
    decode_text,
    in_order,
    parse_decimal,
    real_text,
    render,
    value_text,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a C library like glibc as the oracle")

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.strtoll.restype = ctypes.c_longlong
LIBC.strtoll.argtypes = (ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p), ctypes.c_int)
LIBC.strtod.restype = ctypes.c_double
LIBC.strtod.argtypes = (ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p))


def strtoll(text: bytes, base: int) -> int | None:
    """Return the result of C++'s `stoll`; None if it throws."""
    end = ctypes.c_char_p()
    ctypes.set_errno(0)
    number = LIBC.strtoll(text, ctypes.byref(end), base)
    consumed = len(text.split(b"\0")[0]) - len(end.value or b"")
    return None if not consumed or ctypes.get_errno() else int(number)


def strtod(text: bytes) -> float | None:
    end = ctypes.c_char_p()
    number = float(LIBC.strtod(text, ctypes.byref(end)))
    consumed = len(text.split(b"\0")[0]) - len(end.value or b"")
    return None if not consumed or end.value or math.isnan(number) else number


numbers = st.one_of(
    st.integers().map(str),
    st.integers(-(2**70), 2**70).map(lambda number: f"{number:#x}"),
    st.floats().map(repr),
    st.floats().map(float.hex),
    st.text("0123456789abcdefxXpPeE+-._ \t\n\0naifty()", max_size=24),
    st.text(max_size=8),
).map(lambda text: text.encode(errors="surrogatepass"))


@given(numbers)
def test_bigint_is_read_as_c_reads_it(text: bytes) -> None:
    assert decode_bigint(text) == strtoll(text, 0)


@given(numbers)
def test_integer_is_cut_to_32_bits(text: bytes) -> None:
    number = strtoll(text, 0)
    assert decode_integer(text) == (None if number is None else ctypes.c_int32(number).value)


@given(numbers)
def test_rowid_is_read_as_c_reads_it(text: bytes) -> None:
    assert parse_decimal(text.decode("latin-1")) == strtoll(text, 10)


@given(numbers)
def test_double_is_read_as_c_reads_it(text: bytes) -> None:
    number, expected = decode_double(text), strtod(text)
    assert (number is None) == (expected is None)
    assert number == expected


@given(st.binary())
def test_text_comes_back_unchanged(data: bytes) -> None:
    rendered = render(decode_text(data))
    assert rendered.encode(errors="surrogateescape") == data.split(b"\0")[0]


def test_there_is_a_decoder_for_each_type_of_osquery() -> None:
    assert sorted(DECODERS) == ["BIGINT", "BLOB", "DOUBLE", "INTEGER", "TEXT", "UNKNOWN", "UNSIGNED BIGINT"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5, "1.5"),
        (3.0, "3.0"),
        (1e15, "1.0e+15"),
        (1e14, "100000000000000.0"),
        (1e20, "1.0e+20"),
        (1e-5, "1.0e-05"),
        (0.1 + 0.2, "0.3"),
        (math.inf, "Inf"),
        (-math.inf, "-Inf"),
        (1.25e-7, "1.25e-07"),
        (-2.5e300, "-2.5e+300"),
    ],
)
def test_operand_of_a_double(value: float, text: str) -> None:
    assert real_text(value) == text == value_text(value)


@given(st.floats(allow_nan=False))
def test_operand_is_what_sqlite_makes_of_it(value: float) -> None:
    connection = apsw.Connection(":memory:")
    if hasattr(apsw, "SQLITE_DBCONFIG_FP_DIGITS"):
        connection.config(apsw.SQLITE_DBCONFIG_FP_DIGITS, 15)
    ((text,),) = connection.execute("select cast(? as text)", (value,)).fetchall()
    connection.close()
    # What lies halfway between two numbers of 15 digits goes either way, even from one release of SQLite to
    # the next.
    assert float(real_text(value)) == pytest.approx(float(str(text)), rel=1.01e-14)
    assert ("e" in real_text(value)) == ("e" in str(text))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (1, "1"),
        (1.0, "1.0"),
        (1e20, "1e+20.0"),
        (math.inf, "inf.0"),
        (0.1, "0.1"),
        ("a\0b", "a"),
        (b"\x01\x02", "\x01\x02"),
        (b"a\0b", "a"),
        (b"\xff", "\udcff"),
        ("é", "é"),
        (1 / 3, "0.333333333333333"),
    ],
)
def test_result_cell(value: str | bytes | float | None, text: str) -> None:
    assert render(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_json_double_is_the_number(value: float) -> None:
    text = json_double(value)
    assert json.loads(text) == value
    assert str(json.loads(text))[:1] == str(value)[:1]  # -0.0 keeps its sign
    mantissa, _, exponent = text.partition("e")
    assert "." in mantissa or exponent


@given(st.text())
def test_json_string_is_the_text(text: str) -> None:
    assert json.loads(json_string(text)) == text


def test_json_escapes_as_rapidjson_does() -> None:
    assert json_string('"\\\b\f\n\r\t\x01\x1f\x7fé/') == '"\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001F\x7fé/"'


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((), "[]"),
        ((1, None, "a", 2.5), '[1,null,"a",2.5]'),
        ((1, math.inf, 2), "[1,"),
        ((b"\xff",), '["\udcff"]'),
    ],
)
def test_values_of_a_write(values: tuple[str | bytes | float | None, ...], text: str) -> None:
    assert values_json(values) == text


@given(
    st.sets(st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(), st.binary())),
    st.sampled_from(["BINARY", "NOCASE", "RTRIM"]),
)
def test_in_has_sqlites_order(values: set[str | bytes | float], collation: str) -> None:
    values = {value for value in values if not isinstance(value, str) or "\0" not in value}
    connection = apsw.Connection(":memory:")
    connection.execute("create table t(v)")
    connection.executemany("insert into t values (?)", [(value,) for value in values])
    ordered = [value for (value,) in connection.execute(f"select v from t order by v collate {collation}")]
    connection.close()

    def key(value: object) -> object:
        if not isinstance(value, str):
            return value
        return {"NOCASE": value.encode().lower(), "RTRIM": value.rstrip(" ")}.get(collation, value)

    # Values that the collation takes for equal may stand in any order: an IN has only one of them.
    assert list(map(key, in_order(values, collation))) == list(map(key, ordered))


@pytest.mark.parametrize(
    "pattern", ["(", "[", ")", "*a", "a{1", "(?i)a", "(?<n>a)", "(?#x)a", "[[:nope:]]", "\\", "[z-a]"]
)
def test_bad_regex(pattern: str) -> None:
    with pytest.raises(BadRegex):
        compile_ecmascript(pattern.encode())


@given(st.text("ab.+*?{}[]()|^$\\1,2-:x", max_size=12))
def test_any_regex_is_compiled_or_refused(pattern: str) -> None:
    try:
        compile_ecmascript(pattern.encode()).search(b"abab")
    except BadRegex:
        return
