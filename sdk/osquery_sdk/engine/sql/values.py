"""Convert values between an extension's text, SQLite and osqueryd's replies, by the rules of osqueryd 5.23.

- `decode_*`: the text of a column becomes an SQL value (`DynamicTableRow::get_column`).
- `value_*`: an operand or argument becomes a text or number, as SQLite's functions `sqlite3_value_*` give it
  to C code.
- `render`: a value becomes a cell of the reply to `ExtensionManager.query`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import cmp_to_key
from typing import Any, TypeAlias

from .versions import COLLATIONS

SQLiteValue: TypeAlias = int | float | str | bytes | None
Decoder: TypeAlias = Callable[[bytes], SQLiteValue]
Functions: TypeAlias = Mapping[str, tuple[Callable[..., SQLiteValue], tuple[int, ...]]]
"""SQL functions by name, with their numbers of arguments; -1 stands for any number."""

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
_ZERO, _BLANK = b"0 "

_INTEGER = re.compile(r"[ \t\n\v\f\r]*([+-]?)(?:0[xX]([0-9a-fA-F]+)|0([0-7]*)|([1-9][0-9]*))")
_DECIMAL = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)")
_REAL = re.compile(
    r"[ \t\n\v\f\r]*(?P<real>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|[ \t\n\v\f\r]*(?P<hex>[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?)"
    r"|[ \t\n\v\f\r]*(?P<word>[+-]?(?:inf(?:inity)?|nan(?:\([0-9a-z_]*\))?))",
    re.IGNORECASE,
)
_LEADING_REAL = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def parse_integer(text: str) -> int | None:
    """Return the number at the start of `text` as C's `strtoll` with base 0; None if none fits 64 bits."""
    match = _INTEGER.match(text)
    if match is None:
        return None
    sign, hexadecimal, octal, decimal = match.groups()
    if decimal:
        number = int(decimal) if len(decimal) < 20 else INT64_MAX + 2
    elif hexadecimal:
        number = int(hexadecimal, 16)
    else:
        number = int(octal, 8) if octal else 0
    if sign == "-":
        number = -number
    return number if INT64_MIN <= number <= INT64_MAX else None


def parse_decimal(text: str) -> int | None:
    """Return the decimal number at the start of `text`, as for rowids; None if none fits 64 bits."""
    match = _DECIMAL.match(text)
    if match is None or len(match[1]) > 400:
        return None
    number = int(match[1])
    return number if INT64_MIN <= number <= INT64_MAX else None


def decode_bigint(value: bytes) -> int | None:
    """Read a BIGINT or UNSIGNED BIGINT: a leading number in base 8, 10 or 16; NULL if none fits 64 bits."""
    # Nearly every value takes this path.
    if value.isdigit() and value[0] != _ZERO and len(value) < 19:
        return int(value)
    return parse_integer(value.decode("latin-1"))


def decode_integer(value: bytes) -> int | None:
    """Read an INTEGER like a BIGINT, and keep the lowest 32 bits."""
    if value.isdigit() and value[0] != _ZERO and len(value) < 10:
        return int(value)
    number = parse_integer(value.decode("latin-1"))
    return None if number is None else (number + 0x80000000 & 0xFFFFFFFF) - 0x80000000


def decode_double(value: bytes) -> float | None:
    """Read a DOUBLE: the whole text must be a floating point number of C, else it is NULL.

    NaN is NULL, too.
    """
    try:
        number = float(value)
    except ValueError:
        pass
    else:
        # Python also takes underscores, and blanks at the end; C does not.
        if value[0] > _BLANK and value[-1] > _BLANK and b"_" not in value:
            return None if number != number else number
    match = _REAL.fullmatch(value.decode("latin-1").partition("\0")[0])
    if match is None:
        return None
    if match["hex"]:
        try:
            return float.fromhex(match["hex"])
        except OverflowError:
            return float("-inf" if match["hex"][0] == "-" else "inf")
    number = float((match["real"] or match["word"].partition("(")[0]).strip())
    return None if number != number else number


def decode_text(value: bytes) -> str | bytes:
    """Read a TEXT or BLOB: the text as it is, and never NULL.

    APSW takes only valid UTF-8 as text. Other bytes become a blob, so that the query returns them unchanged;
    only `typeof()` shows the difference.
    """
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def decode_unknown(value: bytes) -> None:
    """Return NULL, the value of every column whose type osquery does not know."""


DECODERS: dict[str, Decoder] = {
    "TEXT": decode_text,
    "BLOB": decode_text,
    "INTEGER": decode_integer,
    "BIGINT": decode_bigint,
    "UNSIGNED BIGINT": decode_bigint,
    "DOUBLE": decode_double,
    "UNKNOWN": decode_unknown,
}


def known_type(name: str | None) -> str:
    """Return the name of a column's type if it is one of osquery's, else UNKNOWN."""
    return name if name in DECODERS else "UNKNOWN"


def real_text(number: float) -> str:
    """Return a REAL as SQLite 3.42 casts it to TEXT: with 15 digits, and always with a decimal point."""
    text = f"{number:.15g}"
    if text in ("inf", "-inf"):
        return text.title()
    mantissa, mark, exponent = text.partition("e")
    return text if "." in mantissa else f"{mantissa}.0{mark}{exponent}"


def value_text(value: SQLiteValue) -> str | None:
    """Return a value as `sqlite3_value_text` gives it to C code:

    None for NULL, and a text up to the first NUL byte.
    """
    if isinstance(value, str):
        return value.partition("\0")[0]
    if value is None:
        return None
    if isinstance(value, bytes):
        return value.partition(b"\0")[0].decode(errors="surrogateescape")
    return str(value) if isinstance(value, int) else real_text(value)


def text_of(value: SQLiteValue) -> str:
    """Return a value's text; "" for NULL."""
    return value_text(value) or ""


def bytes_of(value: SQLiteValue) -> bytes:
    """Return the bytes of a blob, or of a value's text, which does not end at a NUL byte here."""
    if isinstance(value, bytes):
        return value
    return encoded(value) if isinstance(value, str) else text_of(value).encode()


def value_real(value: SQLiteValue) -> float:
    """Return a value as `sqlite3_value_double` does: of a text or blob, the number at its start, or 0."""
    if isinstance(value, (int, float)):
        return float(value)
    match = _LEADING_REAL.match(text_of(value))
    return float(match[0]) if match else 0.0


def value_int32(value: SQLiteValue) -> int:
    """Return a value as `sqlite3_value_int` does: the lowest 32 bits, with their sign."""
    if isinstance(value, float):
        number = int(max(min(value, 2.0**63), -(2.0**63)))
    elif isinstance(value, int):
        number = value
    else:
        number = parse_decimal(text_of(value)) or 0
    return (number + 0x80000000 & 0xFFFFFFFF) - 0x80000000


def render(value: SQLiteValue, null: str = "") -> str:
    """Return a cell of osqueryd's reply:

    NULL is `null`, and a REAL has a decimal point ("1e+20.0", "inf.0").
    """
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = f"{value:.15g}"
        return text if "." in text else text + ".0"
    text_or_null = value_text(value)
    return null if text_or_null is None else text_or_null


def encoded(text: str) -> bytes:
    """Return the bytes that a text was decoded from. SQLite and osqueryd sort texts by them."""
    return text.encode(errors="surrogateescape")


_SORT_KEYS: Mapping[str, Callable[[str], Any]] = {
    "NOCASE": lambda text: encoded(text).lower(),  # bytes.lower() folds ASCII only, as SQLite's NOCASE does
    "RTRIM": lambda text: encoded(text).rstrip(b" "),
    **{name: cmp_to_key(compare) for name, compare in COLLATIONS.items()},
}


def in_order(values: Collection[SQLiteValue], collation: str) -> list[SQLiteValue]:
    """Return the operands of an `IN` in SQLite's order: by storage class, then by value. NULL is left out.

    Args:
        values: the operands in any order, as APSW collects them in a set.
        collation: name of the collation of the comparison.
    """
    numbers = sorted(value for value in values if isinstance(value, (int, float)))
    texts = (value for value in values if isinstance(value, str))
    blobs = sorted(value for value in values if isinstance(value, bytes))
    return [*numbers, *sorted(texts, key=_SORT_KEYS.get(collation.upper(), encoded)), *blobs]
