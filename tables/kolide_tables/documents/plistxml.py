"""Read property lists in XML.

Only the function that reads such a file imports this module, because of `markup`.
"""

import re
from binascii import Error, a2b_base64
from collections.abc import Callable

from kolide_kit.limits import Budget

from ..reading.parsing import ParseError
from ..reading.scalars import civil_seconds
from .markup import Elements, parse

__all__ = ["xml_property_list"]

_DATE = re.compile(r"(-?[0-9]{4,6})-([0-9]{2})-([0-9]{2})(?:T([0-9]{2})(?::([0-9]{2})(?::([0-9]{2}))?)?)?Z")


def xml_property_list(data: bytes, budget: Budget) -> object:
    """Return the value: maps, arrays, texts, numbers, booleans, bytes, and times as integers.

    A value that its type cannot have is the text that is written. Raises ParseError, also for a property list
    that is nothing but such a text.
    """
    builder = _Builder(budget)
    parse(data, builder)
    return builder.document()


class _Builder(Elements):
    def __init__(self, budget: Budget) -> None:
        super().__init__(budget)
        self._root: list[object] = []
        self._open: list[dict[str, object] | list[object]] = []
        self._key: str | None = None
        self._names: dict[str, str] = {}
        self._texts: list[str] = []
        self._is_bad = False

    def document(self) -> object:
        if not self._root:
            raise ParseError("no property list (it has no value)")
        if self._is_bad and not isinstance(self._root[0], (dict, list)):
            raise ParseError(f"no property list (its value {self._root[0]!r:.40} is none of its type)")
        return self._root[0]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        super().start(name, attributes)
        self._texts = []
        if name == "dict" or name == "array":
            container: dict[str, object] | list[object] = {} if name == "dict" else []
            self._add(container)
            self._open.append(container)

    def characters(self, content: str) -> None:
        self._texts.append(content)

    def end(self, name: str) -> None:
        super().end(name)
        text = "".join(self._texts)
        self._texts = []
        if name == "string":
            self._add(text)
        elif name == "key":
            self._begin_member(text)
        elif name == "dict" or name == "array":
            self._close()
        elif name != "plist":
            self._add(self._scalar(name, text))

    def _scalar(self, name: str, text: str) -> object:
        try:
            return _SCALARS[name](text)
        except (KeyError, ValueError, Error):
            self._is_bad = True
            return text

    def _begin_member(self, text: str) -> None:
        if not self._open or not isinstance(self._open[-1], dict) or self._key is not None:
            raise ParseError(f"no property list (an unexpected key {text!r:.40})")
        self._key = self._names.setdefault(text, text)

    def _close(self) -> None:
        if self._key is not None:
            raise ParseError(f"no property list (no value for the key {self._key!r:.40})")
        self._open.pop()

    def _add(self, value: object) -> None:
        if not self._open:
            if self._root:
                raise ParseError("no property list (it has more than one value)")
            self._root.append(value)
            return
        container = self._open[-1]
        if isinstance(container, list):
            container.append(value)
        elif self._key is None:
            raise ParseError("no property list (a value without its key)")
        else:
            container[self._key] = value
            self._key = None


def _integer(text: str) -> int:
    text = text.strip()
    return int(text, 16) if text[:3].lstrip("+-")[:2] in ("0x", "0X") else int(text)


def _date(text: str) -> int:
    match = _DATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    return civil_seconds(year, month, day, hour, minute, second)


def _data(text: str) -> bytes:
    return a2b_base64(text)


_SCALARS: dict[str, Callable[[str], object]] = {
    "integer": _integer,
    "real": float,
    "date": _date,
    "data": _data,
    "true": lambda _: True,
    "false": lambda _: False,
}
