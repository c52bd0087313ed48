"""Find the values that a text gives to names of secrets, in the forms of settings, data and code.

Every `=`, `:`, `=>`, `:=` between a name and a value counts, elements and attributes of XML, arguments such
as `("NAME", "value")`, and pairs of entries that hold a name and a value (`name: X`, `value: Y`).
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from .secret_values import is_camel_case, is_code, is_of_prose, is_placeholder

__all__ = ["Assignment", "assignments"]


class Assignment(NamedTuple):
    """A value under a name."""

    name: str
    start: int
    """Offset of the value."""
    value: str
    quoted: bool
    sure: bool
    """True if the line is nothing but a name and a value, as in a file of settings."""
    spaced: bool = False
    """True if it is so with blanks around the sign, as in files of settings and in code."""


# What follows has to be long enough for a secret: most signs in code and prose are passed over at once.
_OPERATOR = re.compile(
    r"[=:][=>:]{0,3}[ \t]{0,8}(?=[\"'`][^\"'`\n]{6}|[|>][-+]?[ \t]{0,4}\r?\n"
    r"|[^\s,;=)\]}>(\[{]\S{5})|\|\|[ \t]{0,8}(?=[\"'`]\S{5})"
)
_COMMA = re.compile(r"[\"'],[ \t]{0,8}(?=[\"'`]\S{5})")
_TAG_END = re.compile(r">\s{0,80}(?:<!\[CDATA\[)?(?=[^\s<>=,;]\S{3})")
# All that may be before an operator is matched backwards, in the reversed text.
_BEFORE = re.compile(
    r"[?.:+]?[ \t]{0,40}(?:(?:gnirt[sS]|rts|txet|rahc)(?: sA| citats')?&?[ \t]{0,8}:?[ \t]{0,8})?"
    r"(?:\]\d{0,5}\[|\]?)[\"'`]?\\?([\w.\-]{2,80})"
)
_BEFORE_COMMA = re.compile(r"([\"'])\\?([\w.\-]{2,80})\1\\?\s{0,4}[(\[]")
_FIRST_ARGUMENT = re.compile(r"[(\[]\s{0,4}\\?[\"']")
_BEFORE_TAG = re.compile(r"[^<>]{0,100}<")
_TAG = re.compile(r"<([\w.\-:]{2,64})(?:\s[^<>]{0,40}?(?:name|key|id)=[\"']([\w.\-]{2,64})[\"'])?")
_PAIRS = frozenset(("value", "val", "string", "defaultvalue", "content", "param-value"))
_PAIR = re.compile(
    r"(?:\b[Nn]ame|\b[Kk]ey|\b[Vv]ariable|\b[Pp]arameter[Nn]ame)[\"']?\s{0,4}[=:>]\s{0,4}[\"']?"
    r"([\w.\-]{2,64})[\"']?"
    r"(?:\s{0,40}</[\w\-]{1,16}>)?[\s,]{0,60}[\"'<]?"
    r"(?i:(?:param-)?value|val|string|defaultvalue|content)[\"']?\s{0,4}\Z"
)
_OUTER_TAG = re.compile(_TAG.pattern + r"[^<>]{0,200}>\s{0,80}\Z")
_VALUE = re.compile(
    r"(?:[bBrRuUL@]{1,2}(?=[\"']))?(?:"
    r"\\\"([^\"\\\s]{3,512})\\\""
    r"|\"([^\"\\\s]{0,512}(?:\\.[^\"\\\s]{0,512}){0,32})\""
    r"|'([^'\\\s]{0,512}(?:\\.[^'\\\s]{0,512}){0,32})'"
    r"|`([^`\s]{3,512})`"
    r"|([^\s\"'`<>][^\s\"'`<>]{2,511}))"
)
_BLANKS = re.compile(r"([\"'])([^\"'\\\n]{6,64})\1")
_MIXED = re.compile(r"[A-Za-z][^A-Za-z\s'.,\-/]|[0-9][A-Za-z]{2}")
_BLOCK = re.compile(r"[|>][-+]?[ \t]{0,8}\r?\n[ \t]{1,40}(\S{3,512})(?=\s|\Z)")
# All that may be before a name on a line of settings, and behind its value.
_LINE = re.compile(
    r"[ \t]{0,60}(?:(?:export|set|setx|ENV|ARG|env|declare -x|-e|--env|-)[ \t]{1,4})?(?:\$env:"
    r"|\$|//\S{1,128}:)?[\"']?[\w.\-]{1,80}"
)
_LINE_END = re.compile(r"[,;]?[ \t]{0,40}(?:#.{0,200}|//.{0,200}|\r)?(?:\n|\Z)")
_ENDS = re.compile(r"[;&,)\]}|\\]")
# The end of a call or of a function's parameters.
_TAG_CLOSES = re.compile(r"(?:\]\]>)?\s{0,80}</")
# What follows the quote at the end of a text, such as "Password: ", in code.
_BEHIND_QUOTE = re.compile(r"[)\],;]|[ \t]{0,4}[+.][ \t]{0,4}[$\w(]")
_CLOSING = re.compile(r"([\w.\-]{1,128})\){1,4}[:,;{]?\Z")
_LINE_VALUE_ENDS = re.compile(r"[,;]?\Z")


def assignments(text: str, wanted: Callable[[str], bool]) -> Iterator[Assignment]:
    """Yield the values of the names that are `wanted`.

    A value in quotes is searched for others too: it may be a connection's parameters, or a document.
    """
    backwards = text[::-1]
    # The same words are in the place of many values. What is kept of values is kept no longer than this.
    placeholder = lru_cache(maxsize=256)(is_placeholder)
    yield from _found(
        text, _OPERATOR, lambda match: _name(text, backwards, match.start(), wanted), placeholder
    )
    if _FIRST_ARGUMENT.search(text):
        size = len(text) - 1
        yield from _found(
            text,
            _COMMA,
            lambda match: _name_of_argument(backwards, size - match.start(), wanted),
            placeholder,
        )
    if "</" in text:
        yield from _found(
            text, _TAG_END, lambda match: _name_of_tag(text, backwards, match.start(), wanted), placeholder
        )


def _found(
    text: str,
    operator: re.Pattern[str],
    named: Callable[[re.Match[str]], str | None],
    placeholder: Callable[[str], bool],
) -> Iterator[Assignment]:
    position = 0
    for match in operator.finditer(text):
        if match.start() < position:
            continue  # a sign within the last value
        name = named(match)
        value = None if name is None else _value(text, match, name, placeholder)
        if value is not None:
            yield value
            if not value.quoted:
                position = value.start + len(value.value)


def _name(text: str, backwards: str, at: int, wanted: Callable[[str], bool]) -> str | None:
    word = _BEFORE.match(backwards, len(text) - at)
    if word is None:
        return None
    name = word[1][::-1]
    if wanted(name):
        return None if _is_of_address(text, backwards, word, at) else name
    return _name_of_pair(text, at, wanted) if name.lower() in _PAIRS else None


def _is_of_address(text: str, backwards: str, word: re.Match[str], at: int) -> bool:
    """Return whether a name and a colon are parts of a path, a URN or a name of code: a/token:x, a:token:x,
    Token::x.
    """
    before = backwards[word.end() : word.end() + 2]
    if before[:1] == "/" and before[1:].isalnum():
        return True
    operator = text[at : at + 3]
    if before[:1] == ":":
        return operator[:1] == ":" and operator[1:2].isalnum()
    return operator[:2] == "::" and operator[2:].isalnum()


def _name_of_argument(backwards: str, at: int, wanted: Callable[[str], bool]) -> str | None:
    argument = _BEFORE_COMMA.match(backwards, at)
    name = "" if argument is None else argument[2][::-1]
    return name if name and wanted(name) else None


def _name_of_tag(text: str, backwards: str, at: int, wanted: Callable[[str], bool]) -> str | None:
    before = _BEFORE_TAG.match(backwards, len(text) - at)
    tag = None if before is None else _TAG.match(text, at - len(before[0]))
    if tag is None:
        return None
    if wanted(tag[1]):
        return tag[1]
    if tag[2] and wanted(tag[2]):
        return tag[2]
    if tag[1].lower() not in _PAIRS:
        return None
    return _name_of_outer_tag(text, tag.start(), wanted) or _name_of_pair(text, at, wanted)


def _name_of_outer_tag(text: str, at: int, wanted: Callable[[str], bool]) -> str | None:
    """Return the name of the element that an element called value is in."""
    begin = text.rfind("<", max(0, at - 300), at)
    outer = _OUTER_TAG.match(text[begin:at]) if begin >= 0 else None
    names = [] if outer is None else [outer[2], outer[1]]
    return next((name for name in names if name and wanted(name)), None)


def _name_of_pair(text: str, at: int, wanted: Callable[[str], bool]) -> str | None:
    pair = _PAIR.search(text, max(0, at - 200), at)
    return pair[1] if pair is not None and wanted(pair[1]) else None


def _value(
    text: str, match: re.Match[str], name: str, placeholder: Callable[[str], bool]
) -> Assignment | None:
    start = match.end()
    value = _BLOCK.match(text, start) if text[start] in "|>" else None
    if value is not None:
        return Assignment(name, value.start(1), value[1], quoted=False, sure=True)
    value = _VALUE.match(text, start)
    if value is None or value.lastindex is None:
        return _with_blanks(text, match, name)
    group = value.lastindex
    found, begins = value[group], value.start(group)
    operator = match[0].strip("\"'")[0]
    if operator == ">":
        found = found.removesuffix("]]")
        closed = group == 5 and _TAG_CLOSES.match(text, begins + len(found)) is not None
        return Assignment(name, begins, found, quoted=True, sure=True) if closed else None
    if operator == ",":
        # A list of texts looks the same as a name and a value.
        if group == 5 or is_code(found) or is_camel_case(found):
            return None
        return Assignment(name, begins, found, quoted=True, sure=False)
    if found.isalpha() and placeholder(found):
        return None
    is_line = operator in "=:" and _is_line(text, match.start(), value.end())
    if group != 5:
        if not is_line and _BEHIND_QUOTE.match(found):
            return None
        sure = is_line or (operator in "=:" and text[match.start() - 1 : match.start()] in "\"'")
        return Assignment(name, begins, found, quoted=True, sure=sure)
    if operator == "|":
        return None
    if closing := _CLOSING.match(found):
        found = closing[1]
    end = (_LINE_VALUE_ENDS if is_line else _ENDS).search(found)
    found = found if end is None else found[: end.start()]
    if operator == ":" and not is_line and text[start - 1] == " " and is_of_prose(found):
        return None  # a password: PKCS#12 has one
    # With blanks around it, a sign of assignment may be one of code.
    before = text[match.start() - 1 : match.start()]
    sure = is_line and text[match.start() : start] in ("=", ": ", ":") and before not in ("'", '"', " ")
    return Assignment(name, begins, found, quoted=False, sure=sure, spaced=is_line)


def _with_blanks(text: str, match: re.Match[str], name: str) -> Assignment | None:
    """Return a value in quotes with blanks in it, if it is all of a line and a part of it is no word."""
    value = _BLANKS.match(text, match.end())
    if value is None or not _is_line(text, match.start(), value.end()):
        return None
    parts = value[2].split()
    if any(_MIXED.search(part) and not is_code(part.strip(".,:;!?")) for part in parts):
        return Assignment(name, value.start(2), value[2], quoted=True, sure=True)
    return None


def _is_line(text: str, operator: int, end: int) -> bool:
    """Return whether a name and its value are all of a line."""
    if _LINE_END.match(text, end) is None:
        return False
    begin = text.rfind("\n", max(0, operator - 200), operator) + 1
    if begin == 0 and operator > 200:
        return False
    head = _LINE.match(text, begin, operator)
    return head is not None and not text[head.end() : operator].strip(" \t\"'+?:")
