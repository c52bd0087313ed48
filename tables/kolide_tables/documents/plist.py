"""Read property lists in their three forms: binary, XML, and the older text of OpenStep.

A value that its type cannot have, such as `<integer>x</integer>`, costs only itself. Data that is a property
list again is opened in place, as in Kolide's own kolide_plist.
"""

from kolide_kit.limits import Budget
from kolide_kit.text import decode

from ..reading.parsing import ParseError
from .flatten import Cell, Document
from .plistwalk import PropertyList, PropertyListWalker
from .streamed import live
from .terms import Term

__all__ = ["PropertyListDocument", "open_property_list"]

_BINARY = b"bplist"
# Bytes that tell XML from OpenStep's text, after a byte order mark and blanks.
_HEAD = 1024


class PropertyListDocument(Document):
    """A property list that is a file."""

    def __init__(self, data: bytes) -> None:
        """Find the form; raises ParseError for data that has none."""
        self._size = len(data)
        self._opened = open_property_list(data)

    def select(self, terms: tuple[Term, ...], budget: Budget) -> list[Cell]:
        """Return the rows of the selected values; raises ParseError."""
        walker = PropertyListWalker(terms, budget, self._size, open_property_list)
        self._opened.walk(walker, "", "", 0)
        if walker.bad and not live(walker.rows):
            raise ParseError(f"no property list ({walker.first_bad})")
        left_out = f"{walker.bad:,} values left out; the first: {walker.first_bad}"
        self.problems = [left_out] if walker.bad else []
        return live(walker.rows)


def open_property_list(data: bytes) -> PropertyList:
    """Return the property list in the data; raises ParseError."""
    if data.startswith(_BINARY):
        from .plistbinary import BinaryPropertyList

        return BinaryPropertyList(data)
    start = data[:_HEAD].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if start.startswith(b"<") and not start.startswith(_OPENSTEP_DATA):
        from .plistxml import XmlPropertyList

        return XmlPropertyList(data)
    from .plisttext import TextPropertyList

    return TextPropertyList(decode(data))


# `<0fbd77>` and `<*I5>` begin data and values of the older text; no element's name begins so.
_OPENSTEP_DATA = tuple(b"<" + bytes([digit]) for digit in b"0123456789*[> ")
