"""Read property lists in their three forms: binary, XML, and the older text of OpenStep.

A value that its type cannot have, such as `<integer>x</integer>`, costs only itself. Data that is a property
list again is opened in place, as in Kolide's own kolide_plist.
"""

from kolide_kit.limits import Budget
from kolide_kit.text import decode

from .flatten import Cell, Document
from .plistwalk import PropertyList, PropertyListWalker
from .terms import Term

__all__ = ["PropertyListDocument", "open_property_list"]

_BINARY = b"bplist"
# Bytes that tell XML from OpenStep's text, after a byte order mark and blanks.
_HEAD = 30


class PropertyListDocument(Document):
    """A property list that is a file."""

    def __init__(self, data: bytes, budget: Budget) -> None:
        """Find the form; raises ParseError for data that has none."""
        self._size = len(data)
        self._opened = open_property_list(data, budget)

    def select(self, terms: tuple[Term, ...], budget: Budget) -> list[Cell]:
        """Return the rows of the selected values; raises ParseError."""
        walker = PropertyListWalker(terms, budget, self._size, open_property_list)
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
