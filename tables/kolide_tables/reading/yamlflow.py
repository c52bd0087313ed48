"""Read YAML's flow collections, `[a, b]` and `{a: b}`, and the scalars in them."""

import re
from typing import NamedTuple

from kolide_kit.limits import Budget

from .parsing import MAX_DEPTH, ParseError
from .places import Place, StreamedList, StreamedMap, new_list, new_map
from .yamllines import INDICATORS, Lines
from .yamlnodes import Anchors, Properties, key_of, merge
from .yamlscalars import plain_value, tagged_value

__all__ = ["MERGE", "FlowReader", "simple_key", "simple_value", "take_merged"]

MERGE = "<<"

_PLAIN_END = re.compile(r"\n|:(?=[ \t\n,\[\]{}])|(?<=[ \t])#|[,\[\]{}]")
# Most members of real collections are simple texts in one line. Each is read by one regular expression.
_IN_PLAIN = r"[^ \t\n,\[\]{}:#]"
_SIMPLE = (
    r"(?:\"(?P<double>[^\"\\\n]*)\"|'(?P<single>[^'\n]*)'|"
    rf"(?P<plain>(?:[A-Za-z0-9_./$+]|-[\w.]){_IN_PLAIN}*(?: +{_IN_PLAIN}+){{0,9}}))"
)
_KEY = r"(?:\"(?P<in_double>[^\"\\\n]*)\"|'(?P<in_single>[^'\n]*)'|(?P<key>[A-Za-z0-9_./$][\w./$@+-]*))"
_MEMBER = re.compile(rf"{_KEY} *: +{_SIMPLE} *(?:, *|(?P<end>\}}))")
_ELEMENT = re.compile(rf"{_SIMPLE} *(?:, *|(?P<end>\]))")
_AT_ONCE = 512
_MOST_OF_KEY = 1_024
# A collection that can be a key: it ends in its line, soon, before a colon.
_MAYBE_KEY = re.compile(rf"[\[{{][^\n]{{0,{_MOST_OF_KEY}}}?[\]}}][ \t]*:")
_ENDS = frozenset(" \t\n,[]{}")


class _Token(NamedTuple):
    """A node in a flow collection.

    Attributes:
        value: what it stands for.
        text: what is written; None for what is no scalar.
        is_json: whether a colon may follow it at once.
        merges: whether it is the key of maps to be merged.
    """

    value: object
    text: str | None
    is_json: bool = False
    merges: bool = False

    def key(self) -> str:
        """Return its text as a key."""
        return key_of(self.value) if self.text is None else self.text


class FlowReader(Lines):
    """Reads nodes of flow collections; the block reader builds on it.

    Attributes:
        anchors: the anchors of the document.
        depth: number of the containers that are open.
        place: where the next node comes; None if it is kept whole.
    """

    def __init__(self, text: str, budget: Budget) -> None:
        """Begin at the first line."""
        super().__init__(text)
        self.budget = budget
        self.anchors = Anchors()
        self.depth = 0
        self.place: Place | None = None

    def enter(self) -> None:
        """Count a container that begins."""
        self.budget.step()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"nested more than {MAX_DEPTH} deep")

    def finish(self, value: object, properties: Properties) -> object:
        """Set the anchor of a node, whose value is complete; return the value with its tag's type."""
        if properties.tag == "tag:yaml.org,2002:set" and isinstance(value, dict):
            value = list(value)
        if properties.anchor:
            self.anchors.set(properties.anchor, value)
        return value

    def scalar(self, text: str, properties: Properties, *, plain: bool) -> object:
        """Return the value of a scalar, and set its anchor."""
        if properties.tag:
            return self.finish(tagged_value(text, properties.tag), properties)
        return self.finish(plain_value(text) if plain else text, properties)

    def aliased(self) -> object:
        """Read an alias and return what it stands for."""
        start = self.pos
        name = self.alias()
        try:
            return self.anchors.get(name, self.depth)
        except ParseError as error:
            raise self.error(str(error), start) from error

    def flow(self, indent: int) -> dict[str, object] | list[object]:
        """Read a collection; its further lines are indented deeper than `indent`."""
        self.enter()
        is_map = self.text[self.pos] == "{"
        self.pos += 1
        value = self._map(indent) if is_map else self._sequence(indent)
        if isinstance(value, StreamedList):
            value.flush()
        self.depth -= 1
        return value

    def _sequence(self, indent: int) -> list[object]:
        elements = new_list(self.place)
        while True:
            if len(elements) % _AT_ONCE == _AT_ONCE - 1:
                self.pause(elements)
            simple = _ELEMENT.match(self.text, self.pos)
            if simple is not None:
                elements.append(simple_value(simple))
                self.pos = simple.end()
                if simple["end"]:
                    return elements
                continue
            if self._closes("]", indent):
                return elements
            if isinstance(elements, StreamedList):
                self.place = elements.place(self.pos)
            elements.append(self._element(indent))
            self._separator("]", indent)

    def _map(self, indent: int) -> dict[str, object]:
        members = new_map(self.place)
        merged: list[dict[str, object]] = []
        while True:
            if len(members) % _AT_ONCE == _AT_ONCE - 1:
                self.pause(members)
            simple = _MEMBER.match(self.text, self.pos)
            if simple is not None:
                members[simple_key(simple)] = simple_value(simple)
                self.pos = simple.end()
                if simple["end"]:
                    break
                continue
            if self._closes("}", indent):
                break
            token, value = self._pair(indent, members)
            if not (token.merges and take_merged(value, merged)):
                members[token.key()] = value
            self._separator("}", indent)
        return merge(members, merged)

    def pause(self, values: dict[str, object] | list[object]) -> None:
        """Count the values that came since the last pause."""
        self.budget.step(len(values))
        if isinstance(values, (StreamedMap, StreamedList)):
            values.flush()

    def keep_key(self, start: int) -> None:
        """Keep a collection whole that may turn out to be a key."""
        if self.place is not None and _MAYBE_KEY.match(self.text, start) is not None:
            self.place = None

    def begin_member(self, members: dict[str, object], key: str, *, merges: bool = False) -> None:
        """Find the place of a member's value, which comes next."""
        if isinstance(members, StreamedMap):
            self.place = None if merges else members.place(key, self.pos)

    def _closes(self, bracket: str, indent: int) -> bool:
        self._flow_gap(indent)
        self.budget.step()
        if self.text[self.pos] == bracket:
            self.pos += 1
            return True
        return False

    def _separator(self, bracket: str, indent: int) -> None:
        self._flow_gap(indent)
        character = self.text[self.pos]
        if character == ",":
            self.pos += 1
        elif character != bracket:
            raise self.error(f"expected , or {bracket}")

    def _flow_gap(self, indent: int) -> None:
        """Skip blanks, comments and line ends inside a collection."""
        text = self.text
        if text[self.pos] not in " \t\n#":
            return
        while True:
            at = self.skip_blanks(self.pos)
            if text[at] == "#" and text[at - 1] in " \t\n":
                at = text.index("\n", at)
            self.pos = at
            if text[at] != "\n":
                return
            self.begin_line(at + 1)
            # Many tools put the closing bracket below the key.
            closes = self.text[self.pos : self.pos + 1] in ("]", "}") and self.column >= max(indent, 0)
            if not closes and (self.column < 0 or self.column <= indent):
                raise self.error("a collection without its end, or not indented enough")

    def _element(self, indent: int) -> object:
        start = self.pos
        if self._asks(start) or self._begins_value(start):
            self.place = None
            token, value = self._pair(indent, {})
            return {token.key(): value}
        self.keep_key(start)
        token = self._node(indent)
        after = self.skip_blanks(self.pos)
        colon = self.text[after] == ":" and (token.is_json or self.text[after + 1] in _ENDS)
        if not colon:
            return token.value
        if "\n" in self.text[start:after]:
            raise self.error("a key of more than one line", start)
        if after - start > _MOST_OF_KEY:
            raise self.error("a key of more than 1,024 characters", start)
        self.pos = after + 1
        return {token.key(): self._value(indent)}

    def _pair(self, indent: int, members: dict[str, object]) -> tuple[_Token, object]:
        """Read a key of a map and its value."""
        if isinstance(members, StreamedMap):
            self.place = None
        if self._asks(self.pos):
            self.pos += 1
            self._flow_gap(indent)
        elif self.text[self.pos] == ",":
            raise self.error("no member between two commas")
        token = _Token(None, "")
        if not self._begins_value(self.pos) and self.text[self.pos] not in ",]}":
            token = self._node(indent)
        self._flow_gap(indent)
        if self.text[self.pos] == ":" and (token.is_json or self._begins_value(self.pos)):
            self.pos += 1
            self.begin_member(members, token.key(), merges=token.merges)
            return token, self._value(indent)
        return token, None

    def _value(self, indent: int) -> object:
        self._flow_gap(indent)
        return None if self.text[self.pos] in ",]}" else self._node(indent).value

    def _asks(self, position: int) -> bool:
        return self.text[position] == "?" and self.text[position + 1] in _ENDS

    def _begins_value(self, position: int) -> bool:
        return self.text[position] == ":" and self.text[position + 1] in _ENDS

    def _node(self, indent: int) -> _Token:
        properties = Properties()
        if self.text[self.pos] in "&!":
            # What an alias may stand for, or a tag change, is kept whole.
            self.place = None
        while self.text[self.pos] in "&!":
            more = self.properties()
            if (properties.anchor and more.anchor) or (properties.tag and more.tag):
                raise self.error("a second anchor or tag")
            properties = Properties(properties.anchor or more.anchor, properties.tag or more.tag)
            self._flow_gap(indent)
        character = self.text[self.pos]
        if character in "[{":
            value = self.finish(self.flow(indent), properties)
            return _Token(value, None, is_json=True)
        if character == "*":
            if any(properties):
                raise self.error("an alias with an anchor or a tag")
            return _Token(self.aliased(), None)
        if character in "'\"":
            text = self.quoted(indent)
            return _Token(self.scalar(text, properties, plain=False), text, is_json=True)
        text = "" if character in ",]}" or self._begins_value(self.pos) else self._plain(indent)
        if not text and not any(properties):
            raise self.error("no value between two commas")
        return _Token(
            self.scalar(text, properties, plain=True), text, merges=text == MERGE and not properties.tag
        )

    def _plain(self, indent: int) -> str:
        text = self.text
        first = text[self.pos]
        if first in INDICATORS or (first in "-?:" and text[self.pos + 1] in _ENDS):
            raise self.error("an unexpected character")
        parts: list[str] = []
        while True:
            end = _PLAIN_END.search(text, self.pos)
            assert end is not None, "the text ends with a line feed"
            parts.append(text[self.pos : end.start()].rstrip(" \t"))
            self.pos = end.start()
            if end[0] != "\n":
                break
            before = self.pos
            self._flow_gap(indent)
            between = text[before : self.pos]
            lines = between.count("\n")
            if "#" in between or text[self.pos] in ",[]{}" or self._begins_value(self.pos):
                break
            parts.append("\n" * (lines - 1) or " ")
        return "".join(parts)


def simple_key(match: re.Match[str]) -> str:
    """Return the key of a member that a regular expression has read."""
    key: str | None = match["key"]
    if key is not None:
        return key
    key = match["in_double"]
    return str(match["in_single"]) if key is None else key


def simple_value(match: re.Match[str]) -> object:
    """Return the value of a simple scalar that a regular expression has read."""
    text: str | None = match["plain"]
    if text is not None:
        return plain_value(text.rstrip(" \t"))
    text = match["double"]
    return match["single"] if text is None else text


def take_merged(value: object, merged: list[dict[str, object]]) -> bool:
    """Add the maps of a merge key to those that are merged; return False if there are others than maps."""
    values = value if isinstance(value, list) else [value]
    maps = [other for other in values if isinstance(other, dict)]
    if len(maps) != len(values):
        return False
    merged.extend(maps)
    return True
