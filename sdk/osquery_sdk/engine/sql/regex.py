"""Translate ECMAScript regular expressions, as osquery's `regex_*` functions take them, for Python's `re`.

osquery uses C++'s `std::regex` on bytes. Python shares most of its syntax. A pattern is read token by token,
and these parts are rewritten: `$` and `.`, empty classes, POSIX classes, repeated quantifiers, escapes.
"""

from __future__ import annotations

import re
from functools import lru_cache

_QUANTIFIER = re.compile(rb"(?:[*+?]|\{\d+(?:,\d*)?\})\??")
_POSIX = {
    b"alnum": rb"0-9A-Za-z",
    b"alpha": rb"A-Za-z",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"d": rb"0-9",
    b"digit": rb"0-9",
    b"graph": rb"!-~",
    b"lower": rb"a-z",
    b"print": rb" -~",
    b"punct": rb"!-/:-@\[-`{-~",
    b"s": rb"\s",
    b"space": rb"\s",
    b"upper": rb"A-Z",
    b"w": rb"\w",
    b"xdigit": rb"0-9A-Fa-f",
}
_ESCAPE = re.compile(rb"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|c[A-Za-z]|[0-9]+|.)", re.DOTALL)


class BadRegex(Exception):
    """The pattern is not valid."""


def _escape(pattern: bytes, start: int, *, in_class: bool) -> tuple[bytes, int]:
    """Translate the backslash at `start` and the characters that belong to it; return it with its end."""
    match = _ESCAPE.match(pattern, start)
    if match is None or match[0] in (b"\\u", b"\\c", b"\\x"):
        raise BadRegex("bad escape")
    token, letter = match[0], match[0][1:2]
    if letter == b"u":
        token = re.escape(bytes.fromhex(token[4:].decode()))
    elif letter == b"c":
        token = b"\\x%02x" % (token[2] % 32)
    elif token == b"\\0":
        token = b"\\x00"
    elif in_class and letter == b"b":
        token = b"\\x08"
    elif letter not in b"dDsSwWfnrtvxbB" and not letter.isdigit():
        token = re.escape(letter)
    return token, match.end()


def _character_class(pattern: bytes, start: int) -> tuple[bytes, int]:
    """Translate the class that opens at `start`; return it with its end.

    ECMAScript has empty ones: `[]` and `[^]`.
    """
    position = start + 1
    negated = pattern[position : position + 1] == b"^"
    position += negated
    body = b""
    # A hyphen is a range's operator only between two single characters. Escape all others: Python warns of
    # "--".
    may_begin_range = in_range = False
    while True:
        letter = pattern[position : position + 1]
        if not letter:
            raise BadRegex("unclosed class")
        if letter == b"]":
            break
        posix = re.compile(rb"\[:(\w+):\]").match(pattern, position)
        if posix:
            if posix[1].lower() not in _POSIX:
                raise BadRegex("unknown class")
            body += _POSIX[posix[1].lower()]
            position = posix.end()
        elif letter == b"\\":
            escape, position = _escape(pattern, position, in_class=True)
            body += escape
        else:
            following = pattern[position + 1 : position + 2]
            position += 1
            if letter == b"-" and may_begin_range and not in_range and following != b"]":
                body += letter
                in_range = True
                continue
            body += re.escape(letter)
        ends_with_range = in_range or (posix is not None and body[-2:-1] == b"-")
        may_begin_range, in_range = not ends_with_range, False
    if not body:
        return (rb"[\x00-\xff]" if negated else rb"(?!)"), position + 1
    return b"[" + (b"^" if negated else b"") + body + b"]", position + 1


def _translate(pattern: bytes) -> bytes:
    out: list[bytes] = []
    groups: list[int] = []
    quantified = False
    last: int | None = None  # index in `out` of the item that a quantifier would repeat
    position = 0
    while position < len(pattern):
        letter = pattern[position : position + 1]
        quantifier = _QUANTIFIER.match(pattern, position)
        if quantifier:
            if last is None:
                raise BadRegex("nothing to repeat")
            if quantified:
                # `a**` repeats the item together with its first quantifier.
                out[last:] = [b"(?:", *out[last:], b")"]
            out.append(quantifier[0])
            quantified = True
            position = quantifier.end()
            continue
        if letter in b"+?*{":
            raise BadRegex("bad quantifier")
        quantified = False
        if letter in b"[\\":
            last = len(out)
            translated, position = (
                _character_class(pattern, position)
                if letter == b"["
                else _escape(pattern, position, in_class=False)
            )
            out.append(translated)
            continue
        position += 1
        if letter == b"(":
            opening = b"("
            if pattern[position : position + 1] == b"?":
                opening = pattern[position - 1 : position + 2]
                if opening not in (b"(?:", b"(?=", b"(?!"):
                    raise BadRegex("unknown group")
                position += 2
            groups.append(len(out))
            out.append(opening)
            last = None
        elif letter == b")":
            if not groups:
                raise BadRegex("unbalanced parenthesis")
            last = groups.pop()
            out.append(letter)
        elif letter in b"|^$":
            out.append(rb"\Z" if letter == b"$" else letter)
            last = None
        else:
            last = len(out)
            out.append(rb"[^\n\r]" if letter == b"." else re.escape(letter))
    if groups:
        raise BadRegex("unbalanced parenthesis")
    return b"".join(out)


@lru_cache(maxsize=64)
def compile_ecmascript(pattern: bytes) -> re.Pattern[bytes]:
    """Compile a pattern.

    Raises:
        BadRegex: the pattern is not valid.
    """
    try:
        return re.compile(_translate(pattern))
    except (re.error, OverflowError, RecursionError) as exc:
        raise BadRegex(str(exc)) from exc
