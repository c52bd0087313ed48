"""Read XML safely, with defusedxml's parser and the few exceptions that real files need.

Only the functions that read XML import this module: defusedxml takes a while to load.

No entity is declared or loaded. A DOCTYPE may name its DTD, as property lists and most configuration files of
Java, D-Bus and fontconfig do; it is never loaded. A DOCTYPE with declarations of its own is refused: a
default attribute can make a small document as large as an entity can.
"""

import re
from xml.parsers.expat import XML_PARAM_ENTITY_PARSING_NEVER
from xml.sax import SAXException, SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

from defusedxml.common import DefusedXmlException, DTDForbidden
from defusedxml.expatreader import DefusedExpatParser

from kolide_kit.limits import Budget
from kolide_kit.text import decode

from ..reading.parsing import MAX_DEPTH, ParseError, too_deep

__all__ = ["Elements", "parse", "source"]

_UTF_8 = frozenset((b"utf-8", b"utf8", b"us-ascii", b"ascii"))
_ENCODING = re.compile(rb"""<\?xml[^>]*?[ \t\r\n]encoding[ \t\r\n]*=[ \t\r\n]*["']([A-Za-z0-9._-]+)""")


class Elements(ContentHandler):
    """A handler of a document's events that refuses deep nesting and counts its work."""

    def __init__(self, budget: Budget) -> None:
        """Begin outside of the root element."""
        super().__init__()
        self._budget = budget
        self._depth = 0

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 - SAX's name
        """Count an element that begins."""
        self._budget.step()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise too_deep()

    def endElement(self, name: str) -> None:  # noqa: N802 - SAX's name
        """Count an element that ends."""
        self._depth -= 1


class _Parser(DefusedExpatParser):
    def reset(self) -> None:
        super().reset()
        # xml.sax's reader would ask for an external DTD, which is then refused; a file that only names one is
        # fine.
        self._parser.SetParamEntityParsing(XML_PARAM_ENTITY_PARSING_NEVER)  # type: ignore[attr-defined]

    def defused_start_doctype_decl(
        self, name: str, sysid: str | None, pubid: str | None, has_internal_subset: int
    ) -> None:
        if has_internal_subset:
            raise DTDForbidden(name, sysid, pubid)


def source(data: bytes) -> bytes | str:
    """Return what a parser reads: text, unless the data declares that it is neither UTF-8 nor marked."""
    declared = _ENCODING.match(data)
    if data[:2] in (b"<\0", b"\0<") or (declared is not None and declared[1].lower() not in _UTF_8):
        return data
    return decode(data)


def parse(data: bytes, handler: Elements) -> None:
    """Send a document's events to the handler; raises ParseError."""
    parser = _Parser(forbid_dtd=True, forbid_entities=True, forbid_external=True)
    parser.setContentHandler(handler)
    try:
        parser.feed(source(data))
        parser.close()
    except SAXParseException as error:
        place = f"line {error.getLineNumber()}, column {(error.getColumnNumber() or 0) + 1}"
        raise ParseError(f"{place}: {error.getMessage()}") from error
    except DefusedXmlException as error:
        raise ParseError("it declares a DTD or entities of its own, which are not read") from error
    except (SAXException, LookupError, ValueError) as error:
        raise ParseError(" ".join(str(error).split())) from error
