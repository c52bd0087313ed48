"""Read XML as maps: an element's attributes are under `-name`, its text under `#text`; the root is included.

An element without attributes and elements is its text; elements of the same name in one element are an array.
Names lose their namespace's prefix. White space around a text is dropped. These are the rules of the library
that Kolide's own kolide_xml is made with.
"""

from kolide_kit.limits import Budget

from ..reading.scalars import key_text
from .flatten import Cell, Document, Walker
from .markup import Elements, markup_text, parse
from .streamed import ElementRows
from .terms import Term

__all__ = ["XmlText"]

_ATTRIBUTE = "-"
_TEXT = "#text"
_SPACE = " \t\r\n"
# Elements of one name in the root that are kept before they are walked.
_MOST_KEPT = 32


class XmlText(Document):
    """An XML document, a map with the root element."""

    def __init__(self, data: bytes) -> None:
        """Keep the text; raises ParseError for an encoding that is not known."""
        self._text = markup_text(data)

    def select(self, terms: tuple[Term, ...], budget: Budget) -> list[Cell]:
        """Return the rows of the selected values; raises ParseError."""
        walker = Walker(terms, budget)
        builder = _Builder(walker)
        parse(self._text, builder)
        return builder.finish()


class _Builder(Elements):
    """Makes maps of elements, but of the many elements of one name in the root element rows at once."""

    def __init__(self, walker: Walker) -> None:
        super().__init__(walker.budget)
        self._walker = walker
        self._root = ""
        self._open: list[_Element] = [_Element({})]
        self._arrays: dict[str, ElementRows] = {}
        # The rows of each array, so that they come where its first element is.
        self._rows: dict[str, list[Cell]] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        super().start(name, attributes)
        if len(self._open) == 1:
            self._root = _local(name)
        self._open.append(_Element(_attributes(attributes) if attributes else {}))

    def end(self, name: str) -> None:
        super().end(name)
        element, local = self._open.pop(), _local(name)
        if len(self._open) == 2 and local in self._open[1].members:
            self._add_to_array(local, element.value())
        else:
            self._open[-1].add(local, element.value())

    def _add_to_array(self, name: str, value: object) -> None:
        if not self._selects(0, self._root) or not self._selects(1, name):
            return
        array = self._arrays.get(name)
        if array is None:
            self._rows[name] = []
            array = self._arrays[name] = ElementRows(self._walker, f"{self._root}/", name, 2)
            array.append(self._open[1].members[name])
            self._open[1].members[name] = None
        array.append(value)
        if len(array) >= _MOST_KEPT:
            self._flush(name)

    def _flush(self, name: str) -> None:
        self._walker.rows = self._rows[name]
        self._arrays[name].flush()

    def finish(self) -> list[Cell]:
        """Return the rows of the document."""
        rows: list[Cell] = []
        document = self._open[0].members[self._root]
        for name in self._arrays:
            self._flush(name)
        self._walker.rows = rows
        if not self._arrays or not isinstance(document, dict):
            self._walker.walk({self._root: document}, "", "", 0)
            return rows
        for name, value in document.items():
            if name in self._rows:
                rows.extend(self._rows[name])
            else:
                self._walker.walk({self._root: {name: value}}, "", "", 0)
        return rows

    def _selects(self, depth: int, name: str) -> bool:
        term = self._walker.term(depth)
        return term is None or term.matches(key_text(name))

    def characters(self, content: str) -> None:
        self._open[-1].texts.append(content)


class _Element:
    __slots__ = ("members", "texts")

    def __init__(self, members: dict[str, object]) -> None:
        self.members = members
        self.texts: list[str] = []

    def add(self, name: str, value: object) -> None:
        known = self.members.get(name)
        if known is None:
            self.members[name] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            self.members[name] = [known, value]

    def value(self) -> object:
        text = "".join(self.texts).strip(_SPACE)
        if not self.members:
            return text
        if text:
            self.members[_TEXT] = text
        return self.members


def _attributes(attributes: dict[str, str]) -> dict[str, object]:
    # Declarations of namespaces come first, so that an attribute of the same local name wins.
    ordered = sorted(attributes.items(), key=lambda attribute: not attribute[0].startswith("xmlns:"))
    return {_ATTRIBUTE + _local(name): value for name, value in ordered}


def _local(name: str) -> str:
    prefix, _, local = name.partition(":")
    return local if prefix and local else name
