"""Read YAML's block collections, whose structure is their indentation, and the scalars in them.

Most lines of real files are `key: value`, `key:` or `- value` with simple texts. Each of those is read by one
regular expression; all others go the long way, by the rules of YAML 1.2.2, chapter 8.
"""

import re
from typing import NamedTuple

from .places import StreamedList, StreamedMap, new_list, new_map
from .yamlflow import MERGE, FlowReader, simple_key, simple_value, take_merged
from .yamllines import INDICATORS
from .yamlnodes import Properties, key_of, merge
from .yamlscalars import folded, literal

__all__ = ["BlockReader"]

# A simple text on one line, without or with quotes. It has no colon before a blank and no #.
_SIMPLE = (
    r"(?:(?P<plain>[^ \t\n\-?:,\[\]{}#&*!|>'\"%@`][^\n:#]*(?::(?=[^ \t\n])[^\n:#]*){0,9})"
    r"|\"(?P<double>[^\"\\\n]*)\"[ \t]*|'(?P<single>[^'\n]*)'[ \t]*)"
)
# A comment, few empty lines, and a line with a token.
_NEXT = r"(?:(?<=[ \t])#[^\n]*)?\n(?: *(?:#[^\n]*)?\n){0,8}(?P<spaces> *)(?=[^ \t\n#])"
_KEY = r"(?:(?P<key>[A-Za-z0-9_./$][\w./$@+ -]*?)|'(?P<in_single>[^'\n]*)'|\"(?P<in_double>[^\"\\\n]*)\") *:"
_MEMBER = re.compile(rf"{_KEY}(?: +{_SIMPLE}| *){_NEXT}")
_MEMBER_HEAD = re.compile(rf"{_KEY} +(?=(?P<bracket>[\[{{])|[|>])")
_ITEM = re.compile(rf"- +{_SIMPLE}{_NEXT}")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_./$][\w./$@+ -]*:[ \n]")
_ITEM_MEMBER = re.compile(r"-( +)(?=[A-Za-z0-9_./$][\w./$@+ -]*:[ \n])")

_PLAIN_END = re.compile(r"\n|:(?=[ \t\n])|(?<=[ \t])#")
_HEADER = re.compile(r"[|>](?:([1-9])([+-])?|([+-])([1-9])?)?(?:[ \t]+#[^\n]*|[ \t]*)\n")
_SPACES = re.compile(r" *")
_NONE = Properties()
_AT_ONCE = 512
_MOST_OF_KEY = 1_024


class _Key(NamedTuple):
    """A key that is written in one line; the position is behind its colon."""

    text: str
    merges: bool


class BlockReader(FlowReader):
    """Reads the nodes of one document after the other."""

    def node(self, indent: int, *, compact: bool = False, beside: bool = True) -> object:
        """Read the node after an indicator or at the beginning of a document.

        Args:
            indent: its content is indented deeper than this.
            compact: whether a block collection may begin in the indicator's line.
            beside: whether a sequence may be indented no deeper.
        """
        fresh = self.gap()
        if fresh and not self._is_inside(indent, beside=beside):
            return None
        return self._content(indent, _NONE, allowed=fresh or compact, fresh=fresh, beside=beside)

    def _is_inside(self, indent: int, *, beside: bool) -> bool:
        if self.column > indent:
            return True
        return beside and self.column == indent >= 0 and self._at("-")

    def _at(self, indicator: str) -> bool:
        return self.text[self.pos] == indicator and self.is_blank(self.pos + 1)

    def _content(
        self, indent: int, outer: Properties, *, allowed: bool, fresh: bool, beside: bool = True
    ) -> object:
        """Read a node at its first token; `allowed` says whether it may be a block collection."""
        start = self.pos
        column = self.column if fresh else self.token_column()
        allowed = allowed and not self.tabbed
        properties = self.properties()
        if any(properties):
            # What an alias may stand for, or a tag change, is kept whole.
            self.place = None
            if self.gap():
                both = self._both(outer, properties)
                if not self._is_inside(indent, beside=beside):
                    return self.scalar("", both, plain=True)
                return self._content(indent, both, allowed=True, fresh=True, beside=beside)
            if self._at("-") or self._at("?"):
                raise self.error("a collection after an anchor or tag in one line")
        if self._at("-") or self._at("?") or self._at(":"):
            if not allowed:
                raise self.error("a collection cannot begin here")
            if self._at("-"):
                return self.finish(self._sequence_at(column), outer)
            self.pos = start
            return self.finish(self._mapping_at(column), outer)
        return self._scalar_or_mapping(indent, column, start, (outer, properties), allowed=allowed)

    def _both(self, outer: Properties, inner: Properties) -> Properties:
        if (outer.anchor and inner.anchor) or (outer.tag and inner.tag):
            raise self.error("a second anchor or tag")
        return Properties(outer.anchor or inner.anchor, outer.tag or inner.tag)

    def _scalar_or_mapping(
        self,
        indent: int,
        column: int,
        start: int,
        properties: tuple[Properties, Properties],
        *,
        allowed: bool,
    ) -> object:
        outer, inner = properties
        character = self.text[self.pos]
        if character in "|>":
            return self.scalar(self._block_scalar(indent), self._both(outer, inner), plain=False)
        if character in "'\"[{*":
            return self._enclosed(indent, column, properties, allowed=allowed)
        if allowed and self._plain_key_follows():
            self.pos = start
            return self.finish(self._mapping_at(column), outer)
        return self.scalar(self._plain_lines(indent), self._both(outer, inner), plain=True)

    def _plain_key_follows(self) -> bool:
        end = _PLAIN_END.search(self.text, self.pos)
        assert end is not None, "the text ends with a line feed"
        return end[0] == ":" and end.start() > self.pos

    def _enclosed(
        self, indent: int, column: int, properties: tuple[Properties, Properties], *, allowed: bool
    ) -> object:
        """Read a quoted text, a flow collection or an alias, or the map whose first key it is."""
        start, character = self.pos, self.text[self.pos]
        outer, inner = properties
        if character == "*" and any(inner):
            raise self.error("an alias with an anchor or a tag")
        text: str | None = None
        place = self.place
        value: object
        if character in "'\"":
            value = text = self.quoted(indent)
        else:
            if allowed:
                self.keep_key(start)
            value = self.aliased() if character == "*" else self.flow(indent)
        colon = self.skip_blanks(self.pos)
        if (
            allowed
            and self.text[colon] == ":"
            and self.is_blank(colon + 1)
            and "\n" not in self.text[start:colon]
        ):
            if colon - start > _MOST_OF_KEY:
                raise self.error("a key of more than 1,024 characters", start)
            self.place = place
            key = _Key(key_of(value) if text is None else text, merges=False)
            self._finish_token(value, inner, is_text=text is not None)
            self.pos = colon + 1
            return self.finish(self._mapping_at(column, key), outer)
        if character == "*" and any(outer):
            raise self.error("an alias with an anchor or a tag")
        return self._finish_token(value, self._both(outer, inner), is_text=text is not None)

    def _finish_token(self, value: object, properties: Properties, *, is_text: bool) -> object:
        if is_text:
            return self.scalar(str(value), properties, plain=False)
        return self.finish(value, properties)

    # -- collections

    def _sequence_at(self, column: int) -> list[object]:
        self.enter()
        elements = new_list(self.place)
        begins = True
        while begins or self.column == column:
            if not self._at("-") or (self.tabbed and not begins):
                break
            begins = False
            if len(elements) % _AT_ONCE == _AT_ONCE - 1:
                self.pause(elements)
            item = _ITEM.match(self.text, self.pos)
            if item is not None and len(item["spaces"]) <= column:
                elements.append(simple_value(item))
                self._found(item)
                continue
            if isinstance(elements, StreamedList):
                self.place = elements.place(self.pos)
            elements.append(self._element_at(column))
            self._end_of_member(column)
        if isinstance(elements, StreamedList):
            elements.flush()
        self.depth -= 1
        return elements

    def _element_at(self, column: int) -> object:
        member = _ITEM_MEMBER.match(self.text, self.pos)
        if member is not None:
            self.pos = member.end()
            return self._mapping_at(column + 1 + len(member[1]))
        self.pos += 1
        return self.node(column, compact=True, beside=False)

    def _found(self, match: re.Match[str]) -> None:
        """Go to the line after a simple one."""
        spaces = len(match["spaces"])
        if not spaces and self.at_marker(match.end()):
            self.begin_line(match.end())
        else:
            self.found_line(match.end(), spaces)

    def _end_of_member(self, column: int) -> None:
        if not self.gap():
            raise self.error("more after the end of a value")
        if self.column > column:
            raise self.error("a line that is indented too deep")

    def _mapping_at(self, column: int, key: _Key | None = None) -> dict[str, object]:
        """Read a map; with a key, from behind the colon of that on."""
        self.enter()
        members = new_map(self.place)
        merged: list[dict[str, object]] = []
        if key is not None:
            self.begin_member(members, key.text)
            members[key.text] = self.node(column)
            self._end_of_member(column)
        begins = key is None
        while begins or self.column == column:
            begins = False
            if len(members) % _AT_ONCE == _AT_ONCE - 1:
                self.pause(members)
            if self.tabbed and self.gap():
                raise self.error("a tab in the indentation")
            member = _MEMBER.match(self.text, self.pos)
            if member is not None and self._simple_member(member, column, members):
                continue
            head = _MEMBER_HEAD.match(self.text, self.pos)
            key, value = (
                self._member(column, members) if head is None else self._headed(head, column, members)
            )
            if not (key.merges and take_merged(value, merged)):
                members[key.text] = value
            self._end_of_member(column)
        self.depth -= 1
        return merge(members, merged)

    def _simple_member(self, member: re.Match[str], column: int, members: dict[str, object]) -> bool:
        """Add a member that the regular expression has read; return False if it is not as simple."""
        key = simple_key(member)
        if _has_scalar(member):
            if len(member["spaces"]) > column:
                return False
            members[key] = simple_value(member)
            self._found(member)
            return True
        self._found(member)
        self.begin_member(members, key)
        members[key] = self._below(column)
        self._end_of_member(column)
        return True

    def _below(self, column: int) -> object:
        """Read the node of a key, at the first token of the line after it."""
        if self.column > column and _PLAIN_KEY.match(self.text, self.pos) is not None:
            return self._mapping_at(self.column)
        if self.column >= column and self._at("-"):
            return self._sequence_at(self.column)
        return self.node(column)

    def _headed(self, head: re.Match[str], column: int, members: dict[str, object]) -> tuple[_Key, object]:
        """Read a member with a simple key, and a flow collection or block scalar behind it."""
        key = simple_key(head)
        self.begin_member(members, key)
        self.pos = head.end()
        value: object = self.flow(column) if head["bracket"] else self._block_scalar(column)
        return _Key(key, merges=False), value

    def _member(self, column: int, members: dict[str, object]) -> tuple[_Key, object]:
        if isinstance(members, StreamedMap):
            self.place = None
        if self._at("?"):
            return self._asked_member(column, members)
        key = self._key(column)
        self.begin_member(members, key.text, merges=key.merges)
        return key, self.node(column)

    def _asked_member(self, column: int, members: dict[str, object]) -> tuple[_Key, object]:
        self.pos += 1
        key = _Key(key_of(self.node(column, compact=True)), merges=False)
        if not self.gap():
            raise self.error("more after the end of a key")
        if self.column != column or not self._at(":") or self.tabbed:
            return key, None
        self.pos += 1
        self.begin_member(members, key.text)
        return key, self.node(column, compact=True)

    def _key(self, column: int) -> _Key:
        start = self.pos
        properties = self.properties()
        if any(properties):
            self.pos = self.skip_blanks(self.pos)
        key = self._key_token(column, properties)
        self.pos = self.skip_blanks(self.pos)
        if not self._at(":") or "\n" in self.text[start : self.pos]:
            raise self.error("expected a key and its colon", start)
        if self.pos - start > _MOST_OF_KEY:
            raise self.error("a key of more than 1,024 characters", start)
        self.pos += 1
        return key

    def _key_token(self, column: int, properties: Properties) -> _Key:
        character = self.text[self.pos]
        if character == "*":
            if any(properties):
                raise self.error("an alias with an anchor or a tag")
            return _Key(key_of(self.aliased()), merges=False)
        if character in "[{":
            return _Key(key_of(self.finish(self.flow(column), properties)), merges=False)
        if character in "'\"":
            text = self.quoted(column)
            self.scalar(text, properties, plain=False)
            return _Key(text, merges=False)
        text = "" if self._at(":") else self._plain_line()
        self.scalar(text, properties, plain=True)
        return _Key(text, merges=text == MERGE and not properties.tag)

    # -- scalars

    def _plain_line(self) -> str:
        """Read a line of a plain scalar, up to its end, a comment, or a colon before a blank."""
        first = self.text[self.pos]
        if first in INDICATORS or (first in "-?:" and self.is_blank(self.pos + 1)):
            raise self.error("an unexpected character")
        end = _PLAIN_END.search(self.text, self.pos)
        assert end is not None, "the text ends with a line feed"
        part = self.text[self.pos : end.start()].rstrip(" \t")
        self.pos += len(part)
        return part

    def _plain_lines(self, indent: int) -> str:
        parts = [self._plain_line()]
        while True:
            end = self.pos
            after = self.skip_blanks(end)
            if self.text[after] != "\n" or not self.gap():
                break
            between = self.text[end : self.pos]
            if self.column <= indent or "#" in between:
                break
            parts.append("\n" * (between.count("\n") - 1) or " ")
            start = self.pos
            line = _PLAIN_END.search(self.text, start)
            assert line is not None, "the text ends with a line feed"
            if line[0] == ":":
                raise self.error("a key and its value cannot be here")
            parts.append(self.text[start : line.start()].rstrip(" \t"))
            self.pos = start + len(parts[-1])
        return "".join(parts)

    def _block_scalar(self, indent: int) -> str:
        header = _HEADER.match(self.text, self.pos)
        if header is None:
            raise self.error("no block scalar begins so")
        is_folded = self.text[self.pos] == ">"
        chomping = header[2] or header[3] or ""
        digit = header[1] or header[4]
        start = header.end()
        inner = max(indent, 0) + int(digit) if digit else self._block_indent(start, indent)
        lines = self._block_lines(start, inner)
        return folded(lines, chomping) if is_folded else literal(lines, chomping)

    def _block_indent(self, start: int, indent: int) -> int:
        """Return the indentation of the first line with text."""
        most = 0
        while start < len(self.text):
            spaces = _SPACES.match(self.text, start)
            assert spaces is not None
            count = spaces.end() - start
            if self.text[spaces.end()] != "\n":
                if count <= indent or (not count and self.at_marker(start)):
                    break
                if most > count:
                    raise self.error("an empty line that is indented deeper than the text after it", start)
                return count
            most = max(most, count)
            start = spaces.end() + 1
        return max(most, indent + 1)

    def _block_lines(self, start: int, indent: int) -> list[str]:
        """Read the lines of a block scalar, without their indentation, and go to the first after them."""
        text = self.text
        lines: list[str] = []
        prefix = " " * indent
        while start < len(text):
            end = text.index("\n", start)
            line = text[start:end]
            if line.startswith(prefix) and not (not indent and self.at_marker(start)):
                lines.append(line[indent:])
            elif line.strip(" "):
                if not line.strip(" \t"):
                    raise self.error("a tab in the indentation", start)
                break
            else:
                lines.append("")
            start = end + 1
            if len(lines) % _AT_ONCE == _AT_ONCE - 1:
                self.budget.step(_AT_ONCE)
        self.begin_line(start)
        return lines


def _has_scalar(match: re.Match[str]) -> bool:
    return match["plain"] is not None or match["double"] is not None or match["single"] is not None
