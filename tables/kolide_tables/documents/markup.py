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

from ..reading.parsing import MAX_DEPTH, ParseError, error_at, too_deep

__all__ = ["Elements", "markup_text", "parse"]

# Data whose declaration can be read as ASCII is not UTF-16, though .NET writes so into files of UTF-8.
_UNICODE = (b"utf", b"ucs", b"iso-10646", b"us-ascii", b"ascii")
# Codecs of Python that no document has; some take time that grows with the square of the text.
_NO_CHARACTER_SETS = ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined")
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


def parse(text: str, handler: Elements) -> None:
    """Send the events of a document's markup_text to the handler; raises ParseError."""
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
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise _error(error.lineno, error.offset, expat.ErrorString(error.code)) from error
    except ParseError as error:
        raise _error(parser.CurrentLineNumber, parser.CurrentColumnNumber, str(error)) from error


def _error(line: int, offset: int, problem: str) -> ParseError:
    return ParseError(f"line {line}, column {offset + 1}: {problem}")


def _refuse(*_declaration: object) -> NoReturn:
    raise ParseError("it declares entities or attributes where they cannot be left out")


def markup_text(data: bytes) -> str:
    """Return the text of a document, without declarations; raises ParseError."""
    declared = _ENCODING.match(data)
    if data[:2] in (b"<\0", b"\0<"):
        text = data.decode("utf-16-le" if data[1] == 0 else "utf-16-be", "backslashreplace")
    elif declared is None or declared[1].lower().startswith(_UNICODE):
        text = decode(data)
    else:
        text = _decoded(data, declared)
    return _without_declarations(text)


def _decoded(data: bytes, declared: re.Match[bytes]) -> str:
    name = declared[1].decode().lower()
    try:
        if name.replace("_", "-") in _NO_CHARACTER_SETS:
            raise LookupError(name)
        return data.decode(name, "backslashreplace")
    except (LookupError, UnicodeError) as error:
        raise _error(1, declared.start(1), f"the encoding {name!r:.40} is not known") from error


def _without_declarations(text: str) -> str:
    """Return XML with the inside of its DOCTYPE blanked, and entities that are left to it as text."""
    position = 0
    while (piece := _MISC.match(text, position)) is not None:
        position = piece.end()
    doctype = _DOCTYPE.match(text, position)
    if doctype is None:
        return text
    start = end = doctype.end()
    closing = None
    if text[start : start + 1] == "[":
        closing = next((mark for mark in _IN_SUBSET.finditer(text, start) if mark["end"]), None)
        if closing is None:
            raise error_at(text, start, "a DOCTYPE without its end")
        end = closing.end()
    # A large text is not copied for nothing.
    if closing is None and not any(match["reference"] for match in _REFERENCE.finditer(text, end)):
        return text
    blank = _NOT_LINE_END.sub(" ", text[start:end])
    return f"{text[:start]}{blank}{_REFERENCE.sub(_as_text, text[end:])}"


def _as_text(match: re.Match[str]) -> str:
    return "&amp;" if match["reference"] else match[0]
