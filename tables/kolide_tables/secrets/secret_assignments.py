"""Find the values that a text gives to names of secrets, in the forms of settings, data and code.

Every `=`, `:`, `=>`, `:=` between a name and a value counts, elements and attributes of XML, arguments such as
`("NAME", "value")`, and pairs of entries that hold a name and a value (`name: X`, `value: Y`).
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .secret_values import is_code

__all__ = ["Assignment", "assignments"]


class Assignment(NamedTuple):
    """A value under a name."""

    name: str
    start: int
    """Offset of the value."""
    value: str
    quoted: bool
    sure: bool
    """Whether the line is nothing but a name and a value, as in a file of settings."""


_OPERATOR = re.compile(r"[=:,|>][=>:|]{0,3}(?:(?<=>)\s{0,80}|[ \t]{0,8})(?=[^\s,;=)\]}>])")
# All that may be before an operator is matched backwards, from the operator on.
_BEFORE = re.compile(
    r"[?.:+]?[ \t]{0,40}(?:(?:gnirt[sS]|rts|txet|rahc)[ \t]{0,8}:?[ \t]{0,8})?\]?[\"'`]?\\?([\w.\-]{2,80})"
)
_BEFORE_COMMA = re.compile(r"[ \t]{0,4}([\"'])\\?([\w.\-]{2,80})\1")
_BEFORE_TAG = re.compile(r"[^<>]{0,100}<")
_TAG = re.compile(r"<([\w.\-:]{2,64})(?:\s[^<>]{0,40}?(?:name|key|id)=[\"']([\w.\-]{2,64})[\"'])?")
_PAIRS = frozenset(("value", "val", "string", "defaultvalue", "content"))
_PAIR = re.compile(
    r"(?:\b[Nn]ame|\b[Kk]ey|\b[Vv]ariable|\b[Pp]arameter[Nn]ame)[\"']?\s{0,4}[=:>]\s{0,4}[\"']?([\w.\-]{2,64})[\"']?"
    r"(?:\s{0,40}</\w{1,16}>)?[\s,]{0,60}[\"'<]?(?i:value|val|string|defaultvalue|content)[\"']?\s{0,4}\Z"
)
_VALUE = re.compile(
    r"(?:[bBrRuUL@]{1,2}(?=[\"']))?(?:"
    r"\\\"([^\"\\\s]{3,512})\\\""
    r"|\"([^\"\\\s]{0,512}(?:\\.[^\"\\\s]{0,512}){0,32})\""
    r"|'([^'\\\s]{0,512}(?:\\.[^'\\\s]{0,512}){0,32})'"
    r"|`([^`\s]{3,512})`"
    r"|([^\s\"'`<>][^\s\"'`<>]{2,511}))"
)
_BLOCK = re.compile(r"[|>][-+]?[ \t]{0,8}\r?\n[ \t]{1,40}(\S{3,512})(?=\s|\Z)")
# All that may be before a name on a line of settings, and behind its value.
_LINE = re.compile(
    r"[ \t]{0,60}(?:(?:export|set|setx|ENV|ARG|env|declare -x|-e|--env|-)[ \t]{1,4})?(?:\$env:|\$|//\S{1,128}:)?[\"']?[\w.\-]{1,80}"
)
_LINE_END = re.compile(r"[,;]?[ \t]{0,40}(?:#.{0,200}|//.{0,200}|\r)?(?:\n|\Z)")
_ENDS = re.compile(r"[;&,)\]}|\\]")
# The end of a call or of a function's parameters.
_CLOSING = re.compile(r"([\w.\-]{1,128})\){1,4}[:,;{]?\Z")
_LINE_VALUE_ENDS = re.compile(r"[,;]?\Z")


def assignments(text: str, wanted: Callable[[str], bool]) -> Iterator[Assignment]:
    """Yield the values of the names that are `wanted`, in their order.

    A value in quotes is searched for others too: it may be a connection's parameters, or a document.
    """
    position = 0
    while (match := _OPERATOR.search(text, position)) is not None:
        position = match.end()
        name = _name(text, match, wanted)
        if name is None:
            continue
        value = _value(text, match, name)
        if value is not None:
            yield value
            if not value.quoted:
                position = value.start + len(value.value)


def _name(text: str, match: re.Match[str], wanted: Callable[[str], bool]) -> str | None:
    operator, at = text[match.start()], match.start()
    if operator == ">":
        return _name_of_tag(text, at, wanted)
    before = text[max(0, at - 100) : at][::-1]
    if operator == ",":
        argument = _BEFORE_COMMA.match(before)
        name = argument[2] if argument is not None and text[match.end()] in "\"'`" else ""
    else:
        word = _BEFORE.match(before)
        name = word[1] if word is not None else ""
    name = name[::-1].lstrip("-.")
    if not name:
        return None
    if wanted(name):
        return name
    return _name_of_pair(text, at, wanted) if name.lower() in _PAIRS else None


def _name_of_tag(text: str, at: int, wanted: Callable[[str], bool]) -> str | None:
    before = _BEFORE_TAG.match(text[max(0, at - 102) : at][::-1])
    tag = None if before is None else _TAG.match(text, at - before.end())
    if tag is None:
        return None
    if wanted(tag[1]):
        return tag[1]
    if tag[2] and wanted(tag[2]):
        return tag[2]
    return _name_of_pair(text, at, wanted) if tag[1].lower() in _PAIRS else None


def _name_of_pair(text: str, at: int, wanted: Callable[[str], bool]) -> str | None:
    pair = _PAIR.search(text, max(0, at - 200), at)
    return pair[1] if pair is not None and wanted(pair[1]) else None


def _value(text: str, match: re.Match[str], name: str) -> Assignment | None:
    start = match.end()
    value = _BLOCK.match(text, start) if text[start] in "|>" else None
    if value is not None:
        return Assignment(name, value.start(1), value[1], quoted=False, sure=True)
    value = _VALUE.match(text, start)
    if value is None or value.lastindex is None:
        return None
    group = value.lastindex
    found, begins = value[group], value.start(group)
    operator = text[match.start()]
    if operator == ">":
        closed = group == 5 and re.compile(r"\s{0,80}</").match(text, value.end()) is not None
        return Assignment(name, begins, found, quoted=True, sure=True) if closed else None
    is_line = operator in "=:" and _is_line(text, match.start(), value.end())
    if operator == ",":
        # A list of texts looks the same as a name and a value.
        if group == 5 or is_code(found):
            return None
        return Assignment(name, begins, found, quoted=True, sure=False)
    if group != 5:
        sure = is_line or operator in "=:" and text[match.start() - 1 : match.start()] in "\"'"
        return Assignment(name, begins, found, quoted=True, sure=sure)
    if operator == "|":
        return None
    if closing := _CLOSING.match(found):
        found = closing[1]
    end = (_LINE_VALUE_ENDS if is_line else _ENDS).search(found)
    found = found if end is None else found[: end.start()]
    # With blanks around it, a sign of assignment may be one of code.
    before = text[match.start() - 1 : match.start()]
    sure = is_line and text[match.start() : start] in ("=", ": ", ":") and before not in ("'", '"', " ")
    return Assignment(name, begins, found, quoted=False, sure=sure)


def _is_line(text: str, operator: int, end: int) -> bool:
    """Return whether a name and its value are all of a line."""
    begin = text.rfind("\n", max(0, operator - 200), operator) + 1
    if begin == 0 and operator > 200:
        return False
    head = _LINE.match(text, begin, operator)
    if head is None or text[head.end() : operator].strip(" \t\"'?+:"):
        return False
    return _LINE_END.match(text, end) is not None
