"""Read JSON no further than the query needs: values that are not selected are checked and never kept.

A document of 50 MB makes a tree of several times that size in memory. So a value that is larger than a window
of text is read member by member, and the standard library's decoder, which is C, gets the text of many
members at a time.
"""

import re
from json import JSONDecodeError, JSONDecoder
from typing import NoReturn

from kolide_kit.limits import Budget

from ..reading.parsing import JsonError, ParseError, too_deep
from ..reading.scalars import key_text
from .flatten import Cell, Document, Walker
from .terms import Term

__all__ = ["JsonDecode", "JsonScanner", "JsonText"]

_WINDOW = 1 << 16
# After decoding many members at once has failed, so much text is read member by member, as a multiple of the
# window.
_LONGEST_PAUSE = 64

_skip = re.compile(r"[ \t\n\r]*").match


class JsonText(Document):
    """One JSON document."""

    def __init__(self, text: str, *, window: int = _WINDOW) -> None:
        """Keep the text, which has no byte order mark any more."""
        self._text = text
        self._window = window

    def select(self, terms: tuple[Term, ...], budget: Budget) -> list[Cell]:
        """Return the rows of the selected values; raises ParseError for a text that is not one JSON value."""
        walker = Walker(terms, budget)
        scanner = JsonScanner(self._text, walker, window=self._window)
        end = scanner.skip(scanner.value(scanner.skip(0), "", "", 0))
        if end != len(self._text):
            raise JsonError(self._text, "more after the end of the document", end)
        return walker.rows


class JsonDecode:
    """The standard library's decoder: `decode(text, position)` returns a value and where it ends.

    Raises JSONDecodeError, and ParseError for what that decoder accepts but JSON does not have.
    """

    __slots__ = ("_any_integer", "_decode")

    def __init__(self) -> None:
        """Make the decoder; it can be used any number of times."""
        self._decode = JSONDecoder(parse_constant=_refuse_constant).raw_decode
        # int() refuses more than 4,300 digits; such a number stays a text.
        self._any_integer = JSONDecoder(parse_constant=_refuse_constant, parse_int=str).raw_decode

    def __call__(self, text: str, position: int) -> tuple[object, int]:
        """Decode the value at a position."""
        try:
            return self._decode(text, position)
        except JSONDecodeError:
            raise
        except ValueError:
            return self._any_integer(text, position)
        except RecursionError as error:
            raise too_deep() from error


class JsonScanner:
    """Scans JSON text and gives the walker the values that its query selects.

    Positions are indices of the text. Of duplicate keys the last one wins; the rows of earlier ones are
    dropped.
    """

    __slots__ = ("_decode", "text", "walker", "window")

    def __init__(
        self, text: str, walker: Walker, *, decode: JsonDecode | None = None, window: int = _WINDOW
    ) -> None:
        """Scan this text for this walker; `window` is how many characters are decoded at a time."""
        self.text = text
        self.walker = walker
        self._decode = decode or JsonDecode()
        self.window = window

    def skip(self, position: int) -> int:
        """Return the position behind the white space."""
        match = _skip(self.text, position)
        assert match is not None
        return match.end()

    def whole(self, position: int) -> tuple[object, int]:
        """Return the value at a position, decoded, and where it ends."""
        try:
            return self._decode(self.text, position)
        except JSONDecodeError as error:
            raise JsonError(self.text, error.msg, error.pos) from error

    def value(self, position: int, prefix: str, key: str, depth: int, *, wanted: bool = True) -> int:
        """Walk the value at a position, or only check it if not `wanted`; return where it ends."""
        if self.text[position : position + 1] in ("{", "["):
            small = self._small(position)
            if small is None:
                return self._container(position, prefix, key, depth, wanted=wanted)
            value, end = small
        else:
            value, end = self.whole(position)
        if wanted:
            self.walker.walk(value, prefix, key, depth)
        return end

    def document(self, position: int, index: int) -> int:
        """Walk the value at a position, which is document number `index` of the text.

        Return where it ends.
        """
        return self.element(position, "", index, 0, self.walker.term(0))

    def element(
        self, position: int, below: str, index: int, depth: int, term: Term | None, *, wanted: bool = True
    ) -> int:
        """Walk the element of an array at a position, whose term is given; return where it ends."""
        if term is not None and term.by_content:
            value, end = self.whole(position)
            self.walker.elements([value], below, index, depth)
            return end
        wanted = wanted and (term is None or term.index == index)
        return self.value(position, below, str(index), depth + 1, wanted=wanted)

    def _small(self, position: int) -> tuple[object, int] | None:
        """Return the container at a position, decoded, and where it ends.

        Return None if it is larger than a window.
        """
        for size in (self.window // 16, self.window):
            try:
                value, end = self._decode(self.text[position : position + size], 0)
            except JSONDecodeError as error:
                if position + size >= len(self.text):
                    raise JsonError(self.text, error.msg, position + error.pos) from error
            else:
                return value, position + end
        return None

    def _container(self, position: int, prefix: str, key: str, depth: int, *, wanted: bool) -> int:
        self.walker.budget.check()
        below = self.walker.enter(prefix, key, depth)
        kind = _Members if self.text[position] == "{" else _Elements
        return kind(self, below, depth, wanted=wanted).run(position + 1)

    def many(self, start: int, needle: str, lead: int, brackets: str) -> tuple[object, int, bool] | None:
        """Decode the members from `start` to the last place in the window where `needle` separates two.

        The text before that place is a container's content if it decodes as one, because `start` is the
        beginning of a member: strings and brackets can then be read in one way only. Return the decoded
        container, the position after it, and whether that is behind the closing bracket; None if the needle
        is not found, or is inside a member.
        """
        cut = self.text.rfind(needle, start, start + self.window)
        if cut <= start:
            return None
        content = f"{brackets[0]}{self.text[start : cut + lead]}{brackets[1]}"
        try:
            value, end = self._decode(content, 0)
        except JSONDecodeError:
            return None
        if end < len(content):
            return value, start + end - 1, True
        return value, self.text.index(",", cut) + 1, False


class _Container:
    """Scans the members of a container that is larger than a window."""

    brackets = ""

    def __init__(self, scanner: JsonScanner, below: str, depth: int, *, wanted: bool) -> None:
        self.scanner = scanner
        self.text = scanner.text
        self.walker = scanner.walker
        self.below = below
        self.depth = depth
        self.wanted = wanted
        self.term = self.walker.term(depth) if wanted else None

    def run(self, position: int) -> int:
        """Scan the members from behind the opening bracket; return the position behind the closing one."""
        text, skip = self.text, self.scanner.skip
        position = skip(position)
        if text.startswith(self.brackets[1], position):
            return position + 1
        resume, windows = 0, 1
        while True:
            self.walker.budget.step()
            end = self.member(position)
            comma = skip(end)
            if text.startswith(self.brackets[1], comma):
                return comma + 1
            if not text.startswith(",", comma):
                raise JsonError(text, "Expecting ',' delimiter", comma)
            position = skip(comma + 1)
            if position < resume:
                continue
            # The text that separates these two members most probably separates the next ones, and with its
            # indentation, or the brackets around it, seldom anything else.
            lead = int(text[end - 1] in '}]"')
            follow = int(text[position : position + 1] in ("{", "[", '"'))
            needle = text[end - lead : position + follow]
            while many := self.scanner.many(position, needle, lead, self.brackets):
                members, position, closed = many
                self.take(members)
                if closed:
                    return position
                position = skip(position)
                windows = 1
                self.walker.budget.check()
            resume = position + windows * self.scanner.window
            windows = min(2 * windows, _LONGEST_PAUSE)

    def member(self, position: int) -> int:
        """Scan one member; return where it ends."""
        raise NotImplementedError

    def take(self, members: object) -> None:
        """Walk decoded members."""
        raise NotImplementedError


class _Elements(_Container):
    brackets = "[]"
    count = 0

    def member(self, position: int) -> int:
        index, self.count = self.count, self.count + 1
        return self.scanner.element(position, self.below, index, self.depth, self.term, wanted=self.wanted)

    def take(self, members: object) -> None:
        assert isinstance(members, list)
        if self.wanted:
            self.walker.elements(members, self.below, self.count, self.depth)
        self.count += len(members)


class _Members(_Container):
    brackets = "{}"

    def run(self, position: int) -> int:
        rows = self.walker.rows
        self.cells_by_name: dict[str, list[Cell]] = {}
        end = super().run(position)
        for cells in self.cells_by_name.values():
            rows.extend(cells)
        self.walker.rows = rows
        return end

    def member(self, position: int) -> int:
        if not self.text.startswith('"', position):
            raise JsonError(self.text, "Expecting property name enclosed in double quotes", position)
        key, end = self.scanner.whole(position)
        colon = self.scanner.skip(end)
        if not self.text.startswith(":", colon):
            raise JsonError(self.text, "Expecting ':' delimiter", colon)
        name = key_text(key)
        start, wanted = self.scanner.skip(colon + 1), self._begin(name)
        return self.scanner.value(start, self.below, name, self.depth + 1, wanted=wanted)

    def take(self, members: object) -> None:
        assert isinstance(members, dict)
        for key, value in members.items():
            name = key_text(key)
            if self._begin(name):
                self.walker.walk(value, self.below, name, self.depth + 1)

    def _begin(self, name: str) -> bool:
        if not self.wanted or not (self.term is None or self.term.matches(name)):
            return False
        self.walker.budget.drop_rows(len(self.cells_by_name.get(name, ())))
        self.walker.rows = self.cells_by_name[name] = []
        return True


def _refuse_constant(name: str) -> NoReturn:
    raise ParseError(f"{name} is not a JSON value")
