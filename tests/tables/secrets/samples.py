"""Texts that a pattern matches, made at random: secrets of each rule, none of them anybody's."""

import random
import re
import string
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_WORD = string.ascii_letters + string.digits + "_"
_CATEGORIES = {
    codes.CATEGORY_DIGIT: string.digits,
    codes.CATEGORY_WORD: _WORD,
    codes.CATEGORY_SPACE: " ",
    codes.CATEGORY_NOT_SPACE: _WORD,
}


def sample(pattern: str, source: random.Random) -> str:
    """Return a text that a pattern matches; what it looks ahead or back for is left out.

    As letters after that may not fit, compare the result with the pattern, and try again.
    """
    return "".join(_of(item, source) for item in parser.parse(pattern))


def _of(item: tuple[Any, Any], source: random.Random) -> str:
    code, value = item
    if code is codes.LITERAL:
        return chr(value)
    if code is codes.NOT_LITERAL:
        return source.choice(_WORD.replace(chr(value), ""))
    if code is codes.IN:
        return source.choice(_letters(value))
    if code is codes.BRANCH:
        return "".join(_of(part, source) for part in source.choice(value[1]))
    if code is codes.SUBPATTERN:
        return "".join(_of(part, source) for part in value[3])
    if code is codes.MAX_REPEAT:
        least, most, parts = value
        count = source.randint(least, min(most, max(least, 12)))
        return "".join(_of(part, source) for _ in range(count) for part in parts)
    assert code in (codes.ASSERT, codes.ASSERT_NOT, codes.AT), code
    return ""


def _letters(items: list[tuple[Any, Any]]) -> str:
    letters: list[str] = []
    for code, value in items:
        if code is codes.LITERAL:
            letters.append(chr(value))
        elif code is codes.RANGE:
            letters += map(chr, range(value[0], value[1] + 1))
        elif code is codes.CATEGORY:
            letters += _CATEGORIES[value]
    if items[0][0] is codes.NEGATE:
        return "".join(letter for letter in _WORD if letter not in letters)
    return "".join(letters)


def fitting(pattern: str, source: random.Random) -> str:
    """Return a sample that the pattern matches, the whole of it."""
    for _ in range(2000):
        text = sample(pattern, source)
        # A letter behind it would be another secret's end.
        if re.compile(pattern).fullmatch(text):
            return text
    raise AssertionError(f"no text found that {pattern} matches")
