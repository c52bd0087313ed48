"""osquery's SQL functions on texts: parts, regular expressions, joins and versions.

Regular expressions are Python's; `regex` translates the parts of ECMAScript's syntax that differ in meaning.
"""

from __future__ import annotations

import re

import apsw

from .regex import BadRegex, compile_ecmascript
from .values import Functions, SQLiteValue, decode_text, encoded, text_of, value_int32
from .versions import FLAVORS, GENERIC, compare

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
        return compile_ecmascript(encoded(text_of(value)))
    except BadRegex as exc:
        raise apsw.SQLError("Invalid regex") from exc


def _regex_split(value: SQLiteValue, pattern: SQLiteValue, index: SQLiteValue) -> str | bytes | None:
    if value is None or pattern is None or index is None:
        return None
    text = encoded(text_of(value))
    source = text_of(pattern)
    if not source:
        raise apsw.SQLError("Invalid input to split function")
    if len(encoded(source)) > _REGEX_MAX:
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
    if len(encoded(text_of(pattern))) > _REGEX_MAX:
        raise apsw.SQLError(f"Invalid regex: too big, max size is {_REGEX_MAX} bytes")
    match = _pattern(pattern).search(encoded(text_of(value)))
    number = value_int32(index)
    if match is None or not 0 <= number <= match.re.groups:
        return None
    return decode_text(match[number] or b"")


def _joined(separator: str, values: tuple[SQLiteValue, ...]) -> str | None:
    if not values:
        return None
    # As osquery: a separator follows each value but the last argument, so NULLs at the end leave one behind.
    return "".join(text_of(value) + separator for value in values[:-1] if value is not None) + text_of(
        values[-1]
    )


def _concat(*values: SQLiteValue) -> str | None:
    return _joined("", values)


def _concat_ws(*values: SQLiteValue) -> str | None:
    if not values:
        raise apsw.SQLError("Missing separator to concat_ws")
    return _joined(text_of(values[0]), values[1:])


def _soundex(value: SQLiteValue) -> str:
    letters = re.sub(rb"^[^A-Za-z]+", b"", encoded(text_of(value)))
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
    flavor = GENERIC
    if len(values) > 2:
        if not isinstance(values[2], str):
            raise apsw.SQLError("The optional third parameter is not a string.")
        if text_of(values[2]).upper() not in FLAVORS:
            raise apsw.SQLError("The optional third parameter does not match one of: (ARCH, DPKG, RHEL).")
        flavor = FLAVORS[text_of(values[2]).upper()]
    difference = compare(text_of(values[0]), text_of(values[1]), flavor)
    return (difference > 0) - (difference < 0)


FUNCTIONS: Functions = {
    "split": (_split, (3,)),
    "regex_split": (_regex_split, (3,)),
    "regex_match": (_regex_match, (3,)),
    "concat": (_concat, (-1,)),
    "concat_ws": (_concat_ws, (-1,)),
    "soundex": (_soundex, (1,)),
    "version_compare": (_version_compare, (-1,)),
}
