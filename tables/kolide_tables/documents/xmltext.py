"""Read XML as maps: an element's attributes are under `-name`, its text under `#text`; the root is included.

An element without attributes and elements is its text; elements of the same name in one element are an array.
Names lose their namespace's prefix. White space around a text is dropped. These are the rules of the library
that Kolide's own kolide_xml is made with.
"""

from kolide_kit.limits import Budget

from .markup import Elements, markup_text, parse

__all__ = ["xml_document"]

_ATTRIBUTE = "-"
_TEXT = "#text"
_SPACE = " \t\r\n"


def xml_document(data: bytes, budget: Budget) -> object:
    """Return the document, a map with the root element; raises ParseError."""
    builder = _Builder(budget)
    parse(markup_text(data), builder)
    return builder.open[0].members


class _Builder(Elements):
    def __init__(self, budget: Budget) -> None:
        super().__init__(budget)
        self.open: list[_Element] = [_Element({})]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        super().start(name, attributes)
        self.open.append(_Element(_attributes(attributes) if attributes else {}))

    def end(self, name: str) -> None:
        super().end(name)
        element = self.open.pop()
        self.open[-1].add(_local(name), element.value())

    def characters(self, content: str) -> None:
        self.open[-1].texts.append(content)


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
