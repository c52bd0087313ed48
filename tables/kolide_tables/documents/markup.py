"""Read XML safely with expat: entities stay as they are written, and nothing is loaded.

A DOCTYPE may name a DTD or have one inside, as property lists and the configuration files of Java, D-Bus and
fontconfig do. The text between its brackets is blanked before expat sees it, and a reference to an entity
that only a DTD can declare becomes its own text, `&name;`. So a document cannot grow, whatever it declares:
expat never learns of an entity or of an attribute's default.
"""

import re
from typing import NoReturn

from kolide_kit.limits import Budget
from kolide_kit.text import decode

from ..reading.parsing import MAX_DEPTH, ParseError, too_deep

__all__ = ["Elements", "parse"]

_UTF_8 = frozenset((b"utf-8", b"utf8", b"us-ascii", b"ascii"))
_ENCODING = re.compile(rb"""<\?xml[^>]*?[ \t\r\n]encoding[ \t\r\n]*=[ \t\r\n]*["']([A-Za-z0-9._-]+)""")

# Each piece without its end goes on to the end of the text, so that it is not looked for again.
_COMMENT = r"<!--(?s:.*?)(?:-->|\Z)"
_INSTRUCTION = r"<\?(?s:.*?)(?:\?>|\Z)"
_QUOTED = r"""(?:"[^"]*(?:"|\Z)|'[^']*(?:'|\Z))"""
_MISC = re.compile(rf"[ \t\r\n\ufeff]+|{_COMMENT}|{_INSTRUCTION}")
_DOCTYPE = re.compile(rf"<!DOCTYPE[ \t\r\n](?:[^\[\]<>\"']|{_QUOTED})*")
_IN_SUBSET = re.compile(rf"{_COMMENT}|{_INSTRUCTION}|{_QUOTED}|(?P<end>\])")
_NOT_LINE_END = re.compile(r"[^\r\n]")
# The five entities of XML itself, and characters by number, are no matter of the DTD.
_REFERENCE = re.compile(
    rf"<!\[CDATA\[(?s:.*?)(?:\]\]>|\Z)|{_COMMENT}|{_INSTRUCTION}"
    r"|(?P<reference>&)(?!(?:amp|lt|gt|quot|apos);)(?=[^\W\d][\w.:-]*;)"
)


class Elements:
    """A handler of a document's events that refuses deep nesting and counts its work."""

    def __init__(self, budget: Budget) -> None:
        """Begin outside of the root element."""
        self._budget = budget
        self._depth = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Count an element that begins."""
        self._budget.step()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise too_deep()

    def end(self, name: str) -> None:
        """Count an element that ends."""
        self._depth -= 1

    def characters(self, content: str) -> None:
        """Take text between tags."""


def parse(data: bytes, handler: Elements) -> None:
    """Send a document's events to the handler; raises ParseError."""
    from xml.parsers import expat

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.characters
    # The blanked DOCTYPE leaves nothing to declare. Should one slip through, it is refused here.
    parser.EntityDeclHandler = _refuse
    parser.AttlistDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    try:
        parser.Parse(_source(data), True)
    except expat.ExpatError as error:
        place = f"line {error.lineno}, column {error.offset + 1}"
        raise ParseError(f"{place}: {expat.ErrorString(error.code)}") from error
    except (LookupError, ValueError) as error:
        raise ParseError(" ".join(str(error).split())) from error


def _refuse(*_declaration: object) -> NoReturn:
    raise ParseError("it declares entities or attributes where they cannot be left out")


def _source(data: bytes) -> bytes | str:
    """Return what expat reads, without declarations.

    It is text, unless the data declares an encoding of its own. expat then reads the bytes, in which only
    ASCII matters here.
    """
    declared = _ENCODING.match(data)
    if data[:2] in (b"<\0", b"\0<"):
        text = data.decode("utf-16-le" if data[1] == 0 else "utf-16-be", "backslashreplace")
        return _without_declarations(text)
    if declared is not None and declared[1].lower() not in _UTF_8:
        return _without_declarations(data.decode("latin-1")).encode("latin-1")
    return _without_declarations(decode(data))


def _without_declarations(text: str) -> str:
    """Return XML with the inside of its DOCTYPE blanked, and entities that are left to it as text."""
    position = 0
    while (piece := _MISC.match(text, position)) is not None:
        position = piece.end()
    doctype = _DOCTYPE.match(text, position)
    if doctype is None:
        return text
    start = end = doctype.end()
    if text[start : start + 1] == "[":
        closing = next((mark for mark in _IN_SUBSET.finditer(text, start) if mark["end"]), None)
        if closing is None:
            raise ParseError("a DOCTYPE without its end")
        end = closing.end()
    blank = _NOT_LINE_END.sub(" ", text[start:end])
    return f"{text[:start]}{blank}{_REFERENCE.sub(_as_text, text[end:])}"


def _as_text(match: re.Match[str]) -> str:
    return "&amp;" if match["reference"] else match[0]
