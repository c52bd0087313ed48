"""osquery's SQL functions on texts: parts, regular expressions, joins and versions.

Regular expressions are Python's; `regex` translates the parts of ECMAScript's syntax that differ in meaning.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import apsw

from .regex import BadRegex, compile_ecmascript
from .values import decode_text, text_of, value_int32
from .versions import FLAVORS, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .values import SQLiteValue

_REGEX_MAX = 256
_SOUNDEX = {
    letter: digit
    for digit, letters in enumerate(("BFPV", "CGJKQSXZ", "DT", "L", "MN", "R"), 1)
    for letter in letters
}


def _split(value: SQLiteValue, tokens: SQLiteValue, index: SQLiteValue) -> str | None:
    if value is None or tokens is None or index is None:
        return None
    if not text_of(tokens):
        raise apsw.SQLError("Invalid input to split function")
    parts = [part.strip() for part in re.split(f"[{re.escape(text_of(tokens))}]", text_of(value)) if part]
    number = value_int32(index)
    return parts[number] if 0 <= number < len(parts) else None


def _pattern(value: SQLiteValue) -> re.Pattern[bytes]:
    try:
        return compile_ecmascript(text_of(value).encode(errors="surrogateescape"))
    except BadRegex as exc:
        raise apsw.SQLError("Invalid regex") from exc


def _regex_split(value: SQLiteValue, pattern: SQLiteValue, index: SQLiteValue) -> str | bytes | None:
    if value is None or pattern is None or index is None:
        return None
    text = text_of(value).encode(errors="surrogateescape")
    source = text_of(pattern)
    if not source:
        raise apsw.SQLError("Invalid input to split function")
    if len(source.encode(errors="surrogateescape")) > _REGEX_MAX:
        raise apsw.SQLError("Invalid regex")
    parts, end = [], 0
    for match in _pattern(pattern).finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
    if end < len(text) or not parts:
        parts.append(text[end:])
    number = value_int32(index)
    return decode_text(parts[number]) if 0 <= number < len(parts) else None


def _regex_match(value: SQLiteValue, pattern: SQLiteValue, index: SQLiteValue) -> str | bytes | None:
    if value is None or pattern is None or index is None:
        return None
    if len(text_of(pattern).encode(errors="surrogateescape")) > _REGEX_MAX:
        raise apsw.SQLError(f"Invalid regex: too big, max size is {_REGEX_MAX} bytes")
    match = _pattern(pattern).search(text_of(value).encode(errors="surrogateescape"))
    number = value_int32(index)
    if match is None or not 0 <= number <= match.re.groups:
        return None
    return decode_text(match[number] or b"")


def _joined(separator: str, values: tuple[SQLiteValue, ...]) -> str | None:
    if not values:
        return None
    out = ""
    for position, value in enumerate(values, 1):
        if value is not None:
            # As osquery: a separator follows each value but the last argument, so NULLs at the end leave one
            # behind.
            out += text_of(value) + (separator if position < len(values) else "")
    return out


def _concat(*values: SQLiteValue) -> str | None:
    return _joined("", values)


def _concat_ws(*values: SQLiteValue) -> str | None:
    if not values:
        raise apsw.SQLError("Missing separator to concat_ws")
    return _joined(text_of(values[0]), values[1:])


def _soundex(value: SQLiteValue) -> str:
    letters = re.sub(rb"^[^A-Za-z]+", b"", text_of(value).encode(errors="surrogateescape"))
    if not letters:
        return "?000"
    # As SQLite: the lower seven bits of a byte count.
    digits = [_SOUNDEX.get(chr(byte & 0x7F).upper(), 0) for byte in letters]
    code, previous = chr(letters[0]).upper(), digits[0]
    for digit in digits[1:]:
        if digit and digit != previous:
            code += str(digit)
        previous = digit
    return code[:4].ljust(4, "0")


def _version_compare(*values: SQLiteValue) -> int:
    if len(values) < 2 or not isinstance(values[0], str) or not isinstance(values[1], str):
        raise apsw.SQLError("Must provide two version strings to compare.")
    arguments: dict[str, Any] = {}
    if len(values) > 2:
        if not isinstance(values[2], str):
            raise apsw.SQLError("The optional third parameter is not a string.")
        flavor = FLAVORS.get(text_of(values[2]).upper())
        if flavor is None:
            raise apsw.SQLError("The optional third parameter does not match one of: (ARCH, DPKG, RHEL).")
        arguments["flavor"] = flavor
    difference = compare(text_of(values[0]), text_of(values[1]), **arguments)
    return (difference > 0) - (difference < 0)


FUNCTIONS: Mapping[str, tuple[Callable[..., SQLiteValue], tuple[int, ...]]] = {
    "split": (_split, (3,)),
    "regex_split": (_regex_split, (3,)),
    "regex_match": (_regex_match, (3,)),
    "concat": (_concat, (-1,)),
    "concat_ws": (_concat_ws, (-1,)),
    "soundex": (_soundex, (1,)),
    "version_compare": (_version_compare, (-1,)),
}
