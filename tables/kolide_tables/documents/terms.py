"""Parse the query language: which values of a document are wanted, one term a depth, separated by `/`.

Below the last term everything matches. A text matches `x`, `x*`, `*x` or `*x*`, case-sensitively; `*` matches
anything.

- On a map a term matches keys.
- On an array a term is `*`; or the index of an element; or, for elements that are maps, `k` (has the key k)
  or `k=>v` (a key that matches k has a value that matches v); or, for scalars, a text that the value matches.
  Arrays in arrays match `*` only.
- `#k` and `#k=>v` on an array put the text of an element's key k in place of its index, if it matches v;
  elements without a text k are left out.
- A scalar that is reached with a term left has to match that term.
"""

import re
from collections.abc import Callable

from ..reading.scalars import key_text, text_of

__all__ = ["Term", "parse_query"]

_WILDCARD = "*"
_REWRITE = "#"
_ARROW = "=>"
# No array has an index of more digits.
_INDEX = re.compile(r"[+-]?[0-9]{1,18}")


class Term:
    """One term of a query, parsed once and matched many times.

    Attributes:
        any: whether the term matches everything, so that nothing has to be compared.
        index: the array index that the term is, or None.
        matches: a function that says whether a text matches, a map's key or a scalar's value.
        by_content: whether an array's element has to be decoded to know if it matches.
    """

    __slots__ = ("_exact_key", "_key", "_named", "_text", "_value", "any", "by_content", "index", "matches")

    def __init__(self, text: str) -> None:
        """Parse one term; every text is one."""
        self._text = text
        self.any = text == _WILDCARD
        self.index = int(text) if _INDEX.fullmatch(text) else None
        self.matches = _matcher(text)
        self.by_content = not self.any and self.index is None
        key, arrow, value = text.removeprefix(_REWRITE).partition(_ARROW)
        self._named = key if text.startswith(_REWRITE) else None
        self._key = _matcher(key) if arrow else None
        self._exact_key = None if _WILDCARD in key[:1] + key[-1:] else key
        self._value = _value_matcher(value) if arrow else None

    def name_element(self, index: int, element: object) -> str | None:
        """Return the name of an array's element in the row's key, or None if the term does not select it."""
        if self._named is not None:
            return self._renamed(element)
        if self.any or (self.index == index if self.index is not None else self._selects(element)):
            return str(index)
        return None

    def _renamed(self, element: object) -> str | None:
        name = element.get(self._named) if isinstance(element, dict) else None
        if not isinstance(name, str) or not (self._value is None or self._value(name)):
            return None
        return text_of(name)

    def _selects(self, element: object) -> bool:
        if not isinstance(element, dict):
            return element is not None and not isinstance(element, list) and self.matches(text_of(element))
        if self._key is None or self._value is None:
            return self._text in element
        has_key, has_value = self._key, self._value
        if self._exact_key is not None:
            return self._exact_key in element and has_value(element[self._exact_key])
        return any(has_key(key_text(key)) and has_value(value) for key, value in element.items())


def parse_query(query: str) -> tuple[Term, ...]:
    """Return the terms of a query; every text is a query, though nothing may match it."""
    return tuple(Term(text) for text in query.split("/"))


def _matcher(text: str) -> Callable[[str], bool]:
    """Return a function that says whether its argument matches."""
    if text == _WILDCARD:
        return lambda _: True
    ends_open, starts_open = text.endswith(_WILDCARD), text.startswith(_WILDCARD)
    if starts_open and ends_open:
        middle = text[1:-1]
        return lambda candidate: middle in candidate
    if starts_open:
        end = text[1:]
        return lambda candidate: candidate.endswith(end)
    if ends_open:
        start = text[:-1]
        return lambda candidate: candidate.startswith(start)
    return lambda candidate: candidate == text


def _value_matcher(text: str) -> Callable[[object], bool]:
    if text == _WILDCARD:
        return lambda _: True
    matches = _matcher(text)
    return lambda value: value is not None and not isinstance(value, (dict, list)) and matches(text_of(value))
