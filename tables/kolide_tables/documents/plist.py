"""Read property lists in their three forms: binary, XML, and the older text of OpenStep.

A value that its type cannot have, such as `<integer>x</integer>`, costs only itself. Data that is a property
list again is opened in place, as in Kolide's own kolide_plist.
"""

from kolide_kit.limits import Budget
from kolide_kit.text import decode

from ..reading.parsing import ParseError
from .flatten import Cell, Document, Walker
from .terms import Term

__all__ = ["PropertyList", "PropertyListDocument", "PropertyListWalker", "open_property_list"]

_BINARY = b"bplist"
# Bytes at the beginning of data in which a property list is known.
_HEAD = 30
_SIGNS = (b"bplist0", b'xml version="1.0"', b"<!DOCTYPE plist", b"<plist")
_MOST_LEVELS = 8
# Most bytes that opened data may add to those of the file.
_MOST_OPENED = 1 << 20


class PropertyListWalker(Walker):
    """A walker that opens property lists in data.

    Attributes:
        bad: number of values that were left out.
        first_bad: a message about the first of them.
    """

    __slots__ = ("_left", "_level", "bad", "first_bad")

    def __init__(self, terms: tuple[Term, ...], budget: Budget, size: int) -> None:
        """Begin without rows; `size` is the number of bytes of the file."""
        super().__init__(terms, budget)
        self.bad = 0
        self.first_bad = ""
        self._level = 0
        self._left = size + _MOST_OPENED

    def leave_out(self, message: str) -> None:
        """Count a value that cannot be read."""
        self.bad += 1
        self.first_bad = self.first_bad or message

    def walk(self, value: object, prefix: str, key: str, depth: int) -> None:
        """Collect the rows of a value; of data that is a property list, those of what is in it."""
        if isinstance(value, bytes):
            self.data(value, prefix, key, depth)
        else:
            super().walk(value, prefix, key, depth)

    def data(self, value: bytes, prefix: str, key: str, depth: int) -> None:
        """Collect the rows of data."""
        head = value[:_HEAD]
        if self._level >= _MOST_LEVELS or not any(sign in head for sign in _SIGNS):
            super().walk(value, prefix, key, depth)
            return
        self._left -= len(value)
        if self._left < 0:
            raise ParseError("no property list (what it holds several times is too much)")
        known = len(self.rows)
        self._level += 1
        try:
            open_property_list(value, self.budget).walk(self, prefix, key, depth)
        except ParseError:
            # It only looks like a property list: the data itself is shown.
            self.budget.drop_rows(len(self.rows) - known)
            del self.rows[known:]
            super().walk(value, prefix, key, depth)
        finally:
            self._level -= 1


class PropertyList:
    """An opened property list: `walk` collects the rows of its values."""

    def walk(self, walker: PropertyListWalker, prefix: str, key: str, depth: int) -> None:
        """Collect the rows; `prefix`, `key` and `depth` are those of the place that it is in."""
        raise NotImplementedError


class PropertyListDocument(Document):
    """A property list that is a file."""

    def __init__(self, data: bytes, budget: Budget) -> None:
        """Find the form; raises ParseError for data that has none."""
        self._size = len(data)
        self._opened = open_property_list(data, budget)

    def select(self, terms: tuple[Term, ...], budget: Budget) -> list[Cell]:
        """Return the rows of the selected values; raises ParseError."""
        walker = PropertyListWalker(terms, budget, self._size)
        self._opened.walk(walker, "", "", 0)
        left_out = f"{walker.bad:,} values left out; the first: {walker.first_bad}"
        self.problems = [left_out] if walker.bad else []
        return walker.rows


class _Tree(PropertyList):
    def __init__(self, value: object) -> None:
        self._value = value

    def walk(self, walker: PropertyListWalker, prefix: str, key: str, depth: int) -> None:
        walker.walk(self._value, prefix, key, depth)


def open_property_list(data: bytes, budget: Budget) -> PropertyList:
    """Return the property list in the data; raises ParseError."""
    if data.startswith(_BINARY):
        from .plistbinary import BinaryPropertyList

        return BinaryPropertyList(data)
    start = data[:_HEAD].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if start.startswith(b"<") and not start.startswith(_OPENSTEP_DATA):
        from .plistxml import xml_property_list

        return _Tree(xml_property_list(data, budget))
    from .plisttext import text_property_list

    return _Tree(text_property_list(decode(data), budget))


# `<0fbd77>` and `<*I5>` begin data and values of the older text; no element's name begins so.
_OPENSTEP_DATA = tuple(b"<" + bytes([digit]) for digit in b"0123456789*[> ")
