"""Values on their way between an extension's text, SQLite and osqueryd's replies.

Each rule here is osqueryd 5.23's: how a column's text becomes an SQL value (`DynamicTableRow::get_column`), how an
operand becomes text, and how a result cell is rendered for `ExtensionManager.query`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cmp_to_key
from typing import TypeAlias

from .versions import COLLATIONS

SQLiteValue: TypeAlias = int | float | str | bytes | None
Decoder: TypeAlias = Callable[[bytes], SQLiteValue]

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
    """The number at the start of `text` as C's `strtoll` reads it with base detection; None if none fits 64 bits."""
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
    """The decimal number at the start of `text`, as rowids are read; None if none fits 64 bits."""
    match = _DECIMAL.match(text)
    if match is None or len(match[1]) > 400:
        return None
    number = int(match[1])
    return number if INT64_MIN <= number <= INT64_MAX else None


def decode_bigint(value: bytes) -> int | None:
    """BIGINT and UNSIGNED BIGINT: a leading number in base 8, 10 or 16; NULL when there is none or it is too large."""
    # Nearly every value takes this path.
    if value.isdigit() and value[0] != _ZERO and len(value) < 19:
        return int(value)
    return parse_integer(value.decode("latin-1"))


def decode_integer(value: bytes) -> int | None:
    """INTEGER: as BIGINT, then cut to 32 bits."""
    if value.isdigit() and value[0] != _ZERO and len(value) < 10:
        return int(value)
    number = parse_integer(value.decode("latin-1"))
    return None if number is None else (number + 0x80000000 & 0xFFFFFFFF) - 0x80000000


def decode_double(value: bytes) -> float | None:
    """DOUBLE: the whole text must be a C floating point number; NaN is NULL, as SQLite has none."""
    try:
        number = float(value)
    except ValueError:
        pass
    else:
        # Python takes more than C does: underscores, and blanks behind.
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
    """TEXT and BLOB: as it is, and never NULL.

    APSW takes only valid UTF-8 as text. Other bytes go in as a blob, so that they come out of the query unchanged;
    `typeof()` is the one thing that tells.
    """
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def decode_unknown(value: bytes) -> None:
    """A column whose type is none of osquery's: always NULL."""


DECODERS: dict[str, Decoder] = {
    "TEXT": decode_text,
    "BLOB": decode_text,
    "INTEGER": decode_integer,
    "BIGINT": decode_bigint,
    "UNSIGNED BIGINT": decode_bigint,
    "DOUBLE": decode_double,
    "UNKNOWN": decode_unknown,
}


def real_text(number: float) -> str:
    """A REAL as SQLite 3.42 casts it to TEXT: 15 digits and always a decimal point."""
    text = f"{number:.15g}"
    if text in ("inf", "-inf"):
        return text.title()
    mantissa, mark, exponent = text.partition("e")
    return text if "." in mantissa else f"{mantissa}.0{mark}{exponent}"


def value_text(value: SQLiteValue) -> str | None:
    """A value as `sqlite3_value_text` gives it to C code: None for NULL, and ending at the first NUL byte."""
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
    return value.encode(errors="surrogateescape") if isinstance(value, str) else text_of(value).encode()


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
    """A result cell as osqueryd's `query` replies: NULL is `null`, a REAL has a decimal point ("1e+20.0", "inf.0")."""
    if isinstance(value, str):
        return value if "\0" not in value else value.partition("\0")[0]
    if isinstance(value, int):
        return str(value)
    if value is None:
        return null
    if isinstance(value, bytes):
        return value.partition(b"\0")[0].decode(errors="surrogateescape")
    text = f"{value:.15g}"
    return text if "." in text else text + ".0"


def _text_bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _nocase(text: str) -> bytes:
    return _text_bytes(text).lower()  # bytes.lower() folds ASCII only, as SQLite's NOCASE does


def _rtrim(text: str) -> bytes:
    return _text_bytes(text).rstrip(b" ")


def in_order(values: Iterable[SQLiteValue], collation: str) -> list[SQLiteValue]:
    """The operands of an `IN` in the order in which SQLite hands them out: by storage class, then by value.

    Args:
        values: the operands, in any order (APSW collects them in a set).
        collation: name of the collation that the comparison uses.
    """
    numbers, texts, blobs = [], [], []
    for value in values:
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, bytes):
            blobs.append(value)
        elif value is not None:
            numbers.append(value)
    name = collation.upper()
    if name == "NOCASE":
        texts.sort(key=_nocase)
    elif name == "RTRIM":
        texts.sort(key=_rtrim)
    elif name in COLLATIONS:
        texts.sort(key=cmp_to_key(COLLATIONS[name]))
    else:
        texts.sort(key=_text_bytes)
    return [*sorted(numbers), *texts, *sorted(blobs)]
