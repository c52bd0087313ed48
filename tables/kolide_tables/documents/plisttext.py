"""Read property lists in OpenStep's text: `{key = value; list = (1, "two"); data = <0fbd77>;}`.

The text of a .strings file is that of a map without its braces. GNUstep's values with a type, such as
`<*I5>` and `<*BY>`, and its `<[base64]>` are read too. Source of the rules: CFOldStylePList.c in Apple's
CoreFoundation, and NSPropertyList.m of GNUstep.
"""

import re
from binascii import Error, a2b_base64
from collections.abc import Callable

from kolide_kit.limits import Budget

from ..reading.parsing import MAX_DEPTH, ParseError, error_at
from ..reading.places import Place, StreamedList, StreamedMap, new_list, new_map
from ..reading.scalars import civil_seconds
from .plistwalk import PropertyList, PropertyListWalker
from .streamed import Root

__all__ = ["TextPropertyList"]

_BLANK = re.compile(r"[ \t-\r\u2028\u2029]+|//[^\r\n\u2028\u2029]*|/\*(?s:.*?)(?:\*/|\Z)")
_IN_QUOTES = {quote: re.compile(rf"[{quote}\\]") for quote in "\"'"}
_WORD = re.compile(r"[A-Za-z0-9_$/:.-]+")
_IN_BRACKETS = re.compile(r"<([^<>]*)>")
_HEX = re.compile(r"[0-9A-Fa-f \t\r\n]*")
_DATE = re.compile(
    r"(-?[0-9]{4,6})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"
)
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|U([0-9A-Fa-f]{1,4})|((?s:.)))")
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

# The upper half of NeXTSTEP's character set, in which the octal escapes are. Source: the table NEXTSTEP.TXT
# that the Unicode Consortium publishes.
_NEXTSTEP = (
    "\xa0ÀÁÂÃÄÅÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖÙÚÛÜÝÞµ×÷©¡¢£⁄¥ƒ§¤’“«‹›ﬁﬂ®–†‡·¦¶•‚„”»…‰¬¿"  # noqa: RUF001
    "¹ˋ´ˆ˜¯˘˙¨²˚¸³˝˛ˇ—±¼½¾àáâãäåçèéêëìÆíªîïðñŁØŒºòóôõöæùúûıüýłøœßþÿ\ufffd\ufffd"  # noqa: RUF001
)


class TextPropertyList(PropertyList):
    """A property list in text: maps, arrays, texts, bytes, and what GNUstep gives a type.

    Data and values with a type that cannot be read are the text that is written.
    """

    def __init__(self, text: str) -> None:
        """Keep the text."""
        self._text = text

    def walk(self, walker: PropertyListWalker, prefix: str, key: str, depth: int) -> None:
        """Collect the rows; raises ParseError."""
        root = Root(walker, prefix, key, depth)
        root.finish(_Reader(self._text, walker.budget, root.place).document())


class _Reader:
    def __init__(self, text: str, budget: Budget, place: Place) -> None:
        self._text = text
        self._budget = budget
        self._position = 0
        self._root = place
        self._place: Place | None = place
        self._names: dict[str, str] = {}

    def document(self) -> object:
        if not self._next():
            if not self._text.strip("\0 \t\r\n"):
                raise ParseError("no property list (it is empty)")
            return {}  # a .strings file with nothing but comments
        value = self._value(0)
        if not self._next():
            return value
        if not isinstance(value, str):
            raise self._error("more after the end of the property list")
        # A text with more after it is the first key of a .strings file.
        self._position = 0
        self._place = self._root
        return self._members("", 1)

    def _error(self, problem: str) -> ParseError:
        return error_at(self._text, self._position, problem)

    def _next(self) -> str:
        """Skip blanks and comments; return the next character, "" at the end."""
        while (blank := _BLANK.match(self._text, self._position)) is not None:
            self._position = blank.end()
        return self._text[self._position : self._position + 1]

    def _value(self, depth: int) -> object:
        self._budget.step()
        character = self._next()
        if character and character in "{(":
            if depth >= MAX_DEPTH:
                raise self._error(f"nested more than {MAX_DEPTH} deep")
            self._position += 1
            return self._members("}", depth + 1) if character == "{" else self._elements(depth + 1)
        return self._in_brackets() if character == "<" else self._string()

    def _members(self, end: str, depth: int) -> dict[str, object]:
        members = new_map(self._place)
        while (character := self._next()) != end:
            if not character:
                raise self._error("a map without its }")
            key = self._string()
            key = self._names.setdefault(key, key)
            if self._next() == "=":
                self._position += 1
                if isinstance(members, StreamedMap):
                    self._place = members.place(key, self._position)
                members[key] = self._value(depth)
            else:
                members[key] = key
            if self._next() == ";":
                self._position += 1
            elif self._next() != end:
                raise self._error("a ; is missing")
        self._position += len(end)
        if isinstance(members, StreamedMap):
            members.finish([])
        return members

    def _elements(self, depth: int) -> list[object]:
        elements = new_list(self._place)
        while self._next() != ")":
            if isinstance(elements, StreamedList):
                self._place = elements.place(self._position)
            elements.append(self._value(depth))
            if self._next() == ",":
                self._position += 1
            elif self._next() != ")":
                raise self._error("an array without its )")
        self._position += 1
        if isinstance(elements, StreamedList):
            elements.flush()
        return elements

    def _string(self) -> str:
        start = self._position
        if self._text[start : start + 1] in ('"', "'"):
            return self._quoted(self._text[start])
        word = _WORD.match(self._text, start)
        if word is None:
            raise self._error("no value" if start == len(self._text) else "an unexpected character")
        self._position = word.end()
        return word[0]

    def _quoted(self, quote: str) -> str:
        start = end = self._position + 1
        while (mark := _IN_QUOTES[quote].search(self._text, end)) is not None:
            if mark[0] == quote:
                self._position = mark.end()
                return _unescaped(self._text[start : mark.start()])
            end = mark.end() + 1
        raise self._error("a text without its closing quote")

    def _in_brackets(self) -> object:
        match = _IN_BRACKETS.match(self._text, self._position)
        if match is None:
            raise self._error("data without its >")
        self._position = match.end()
        try:
            return _bracketed(match[1].strip())
        except (KeyError, ValueError, Error):
            return match[0]


def _bracketed(content: str) -> object:
    if content.startswith("*"):
        return _TYPES[content[1:2]](content[2:].strip().strip('"'))
    if content.startswith("[") and content.endswith("]"):
        return a2b_base64(content[1:-1])
    if _HEX.fullmatch(content) is None:
        raise ValueError(content)
    return bytes.fromhex("".join(content.split()))


def _date(text: str) -> int:
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    sign = -1 if match[7] == "-" else 1
    parts = [int(part) for part in match.group(1, 2, 3, 4, 5, 6)]
    return civil_seconds(*parts) - sign * (3600 * int(match[8]) + 60 * int(match[9]))


_TYPES: dict[str, Callable[[str], object]] = {
    "I": int,
    "R": float,
    "B": lambda text: {"Y": True, "N": False}[text],
    "D": _date,
}


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    # Two escapes of UTF-16 can be one character.
    units = _ESCAPE.sub(_character, text).encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "surrogatepass")


def _character(match: re.Match[str]) -> str:
    octal, code, letter = match.groups()
    if octal:
        number = int(octal, 8) & 255
        return chr(number) if number < 128 else _NEXTSTEP[number - 128]
    return chr(int(code, 16)) if code else _LETTERS.get(letter, letter)
