"""Read property lists in XML.

Only the function that reads such a file imports this module, because of `markup`.
"""

import re
from binascii import Error, a2b_base64
from collections.abc import Callable

from kolide_kit.limits import Budget

from ..reading.parsing import ParseError
from ..reading.places import Place, StreamedList, StreamedMap, new_list, new_map
from ..reading.scalars import civil_seconds
from .markup import Elements, markup_text, parse
from .plistwalk import PropertyList, PropertyListWalker
from .streamed import Root

__all__ = ["XmlPropertyList"]

_DATE = re.compile(r"(-?[0-9]{4,6})-([0-9]{2})-([0-9]{2})(?:T([0-9]{2})(?::([0-9]{2})(?::([0-9]{2}))?)?)?Z")
# Members that come before a map or array is walked.
_AT_ONCE = 512
# About so many characters are in an element.
_LENGTH = 32


class XmlPropertyList(PropertyList):
    """A property list in XML: maps, arrays, texts, numbers, booleans, bytes, and times as integers.

    A value that its type cannot have is the text that is written; elements inside a value are left out.
    """

    def __init__(self, data: bytes) -> None:
        """Keep the text; raises ParseError."""
        self._text = markup_text(data)

    def walk(self, walker: PropertyListWalker, prefix: str, key: str, depth: int) -> None:
        """Collect the rows; raises ParseError, also for nothing but a value that its type cannot have."""
        root = Root(walker, prefix, key, depth)
        builder = _Builder(walker.budget, root.place)
        parse(self._text, builder)
        root.finish(builder.document())


class _Builder(Elements):
    def __init__(self, budget: Budget, place: Place) -> None:
        super().__init__(budget)
        self._place = place
        self._root: list[object] = []
        self._open: list[dict[str, object] | list[object]] = []
        self._key: str | None = None
        self._names: dict[str, str] = {}
        self._texts: list[str] = []
        self._is_bad = False
        # Elements that are open inside a value, and their number so far.
        self._inside = 0
        self._count = 0

    def document(self) -> object:
        if not self._root:
            raise ParseError("no property list (it has no value)")
        if self._is_bad and not isinstance(self._root[0], (dict, list)):
            raise ParseError(f"no property list (its value {self._root[0]!r:.40} is none of its type)")
        return self._root[0]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        super().start(name, attributes)
        self._count += 1
        if self._inside:
            self._inside += 1
            return
        self._texts = []
        if name == "dict" or name == "array":
            place = self._next_place()
            container = new_map(place) if name == "dict" else new_list(place)
            self._add(container)
            self._open.append(container)
        elif name != "plist":
            self._inside = 1

    def characters(self, content: str) -> None:
        self._texts.append(content)

    def end(self, name: str) -> None:
        super().end(name)
        if self._inside:
            self._inside -= 1
            if not self._inside:
                self._value(name, "".join(self._texts))
        elif name == "dict" or name == "array":
            self._close()

    def _value(self, name: str, text: str) -> None:
        if name == "key":
            self._begin_member(text)
        elif name == "string":
            self._add(text)
        else:
            self._add(self._scalar(name, text))

    def _scalar(self, name: str, text: str) -> object:
        try:
            return _SCALARS[name](text)
        except (KeyError, ValueError, Error):
            self._is_bad = True
            return text

    def _next_place(self) -> Place | None:
        if not self._open:
            return self._place
        container, position = self._open[-1], self._count * _LENGTH
        if isinstance(container, StreamedMap) and self._key is not None:
            return container.place(self._key, position)
        return container.place(position) if isinstance(container, StreamedList) else None

    def _begin_member(self, text: str) -> None:
        if not self._open or not isinstance(self._open[-1], dict) or self._key is not None:
            raise ParseError(f"no property list (an unexpected key {text!r:.40})")
        self._key = self._names.setdefault(text, text)

    def _close(self) -> None:
        if self._key is not None:
            raise ParseError(f"no property list (no value for the key {self._key!r:.40})")
        container = self._open.pop()
        if isinstance(container, StreamedMap):
            container.finish([])
        elif isinstance(container, StreamedList):
            container.flush()

    def _add(self, value: object) -> None:
        if not self._open:
            if self._root:
                raise ParseError("no property list (it has more than one value)")
            self._root.append(value)
            return
        container = self._open[-1]
        if len(container) >= _AT_ONCE and isinstance(container, (StreamedMap, StreamedList)):
            container.flush()
        if isinstance(container, list):
            container.append(value)
        elif self._key is None:
            raise ParseError("no property list (a value without its key)")
        else:
            container[self._key] = value
            self._key = None


def _integer(text: str) -> int:
    text = text.strip()
    if "_" in text:
        raise ValueError(text)
    return int(text, 16) if text[:3].lstrip("+-")[:2] in ("0x", "0X") else int(text)


def _date(text: str) -> int:
    match = _DATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    return civil_seconds(year, month, day, hour, minute, second)


def _data(text: str) -> bytes:
    return a2b_base64("".join(text.split()), strict_mode=True)


_SCALARS: dict[str, Callable[[str], object]] = {
    "integer": _integer,
    "real": float,
    "date": _date,
    "data": _data,
    "true": lambda _: True,
    "false": lambda _: False,
}
