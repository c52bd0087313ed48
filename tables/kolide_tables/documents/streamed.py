"""Turn a large document into rows while it is read: containers that walk their values and keep none.

A container in few others is streamed, unless those before it were small: streaming costs more for each. What
is small, deeper, or matched by its content, is read whole, walked and dropped. What the query does not select
is read into containers that forget it.
"""

from typing import NamedTuple

from ..reading.places import Place, StreamedList, StreamedMap
from ..reading.scalars import key_text
from .flatten import Cell, Walker

__all__ = ["ElementRows", "Root", "live"]

# Containers in so many others are read whole.
_STREAMED = 3
# Characters of a value that is small.
_SMALL = 1 << 15
# Many members of one map are alike, as are the elements of an array. In so many members, the first are not.
_UNLIKE = 16
# Most containers that are kept before they are walked.
_MOST_KEPT = 32
_DROPPED: Cell = ("", "", "", "")


class _Place(NamedTuple):
    walker: Walker
    prefix: str
    key: str
    depth: int

    def map(self) -> "_MemberRows":
        return _MemberRows(*self)

    def list(self) -> "ElementRows":
        return ElementRows(*self)


class _Nowhere:
    """The place of what is not selected."""

    def map(self) -> "_ForgottenMembers":
        return _ForgottenMembers()

    def list(self) -> "_ForgottenElements":
        return _ForgottenElements()


_NOWHERE = _Nowhere()


class _ForgottenMembers(StreamedMap):
    __slots__ = ()

    def place(self, _key: str, _position: int) -> Place:
        return _NOWHERE

    def flush(self) -> None:
        self.clear()

    def finish(self, _merged: list[dict[str, object]]) -> None:
        self.clear()


class _ForgottenElements(StreamedList):
    __slots__ = ()

    def place(self, _position: int) -> Place:
        self.clear()
        return _NOWHERE

    def flush(self) -> None:
        self.clear()


class _MemberRows(StreamedMap):
    """A map whose members become rows; of a key that comes twice the rows of the last value count."""

    __slots__ = ("_begun", "_below", "_depth", "_position", "_ranges", "_streaming", "_term", "_walker")

    def __init__(self, walker: Walker, prefix: str, key: str, depth: int) -> None:
        self._walker = walker
        self._below = walker.enter(prefix, key, depth)
        self._depth = depth
        self._term = walker.term(depth)
        # For each key that was walked the rows of its value, from one index to another.
        self._ranges: dict[str, tuple[int, int]] = {}
        # The key whose value is streamed since members were last walked.
        self._streaming: str | None = None
        self._begun = 0
        self._position = 0

    def place(self, key: str, position: int) -> Place | None:
        text = key_text(key)
        if not self._selects(text):
            return _NOWHERE
        small, self._position = position < self._position + _SMALL, position
        self._begun += 1
        if self._depth + 1 >= _STREAMED or (small and self._begun > _UNLIKE):
            if len(self) >= _MOST_KEPT:
                self.flush()
            return None
        self.flush()
        self._begin(key)
        self._streaming = key
        return _Place(self._walker, self._below, text, self._depth + 1)

    def flush(self) -> None:
        rows = self._walker.rows
        if self._streaming is not None:
            self._ranges[self._streaming] = (self._ranges[self._streaming][0], len(rows))
            self._streaming = None
        for key, value in self.items():
            # A streamed value is empty, its rows are there already.
            if not isinstance(value, (StreamedMap, StreamedList)) and self._selects(key_text(key)):
                self._begin(key)
                first = len(rows)
                self._walker.members({key: value}, self._below, self._depth)
                self._ranges[key] = (first, len(rows))
        self.clear()

    def finish(self, merged: list[dict[str, object]]) -> None:
        if not merged and not self._ranges:
            self._walker.members(self, self._below, self._depth)
            self.clear()
            return
        self.flush()
        for other in merged:
            self.update((key, value) for key, value in other.items() if key not in self._ranges)
            self.flush()

    def _selects(self, text: str) -> bool:
        return self._term is None or self._term.matches(text)

    def _begin(self, key: str) -> None:
        rows = self._walker.rows
        for index in range(*self._ranges.get(key, (0, 0))):
            if rows[index] is not _DROPPED:
                rows[index] = _DROPPED
                self._walker.budget.drop_rows(1)
        self._ranges[key] = (len(rows), len(rows))


class ElementRows(StreamedList):
    """An array whose elements become rows."""

    __slots__ = ("_below", "_depth", "_first", "_position", "_term", "_walker")

    def __init__(self, walker: Walker, prefix: str, key: str, depth: int) -> None:
        """Begin without elements."""
        self._walker = walker
        self._below = walker.enter(prefix, key, depth)
        self._depth = depth
        self._term = walker.term(depth)
        self._first = 0
        self._position = -_SMALL

    def place(self, position: int) -> Place | None:
        """Return the place of the next element; None if that is to be kept whole."""
        small, self._position = position < self._position + _SMALL, position
        if self._term is not None and not self._term.by_content:
            if self._term.index != self._first + len(self):
                return _NOWHERE
        elif small or self._depth + 1 >= _STREAMED or self._term is not None:
            if len(self) >= _MOST_KEPT or not small:
                self.flush()
            return None
        self.flush()
        return _Place(self._walker, self._below, str(self._first), self._depth + 1)

    def flush(self) -> None:
        """Walk the elements that came so far."""
        # Of a streamed element the rows are there already, and it is empty.
        self._walker.elements(self, self._below, self._first, self._depth)
        self._first += len(self)
        self.clear()


class Root:
    """The place of a whole document, or of one that is in another's value."""

    def __init__(self, walker: Walker, prefix: str = "", key: str = "", depth: int = 0) -> None:
        """Begin with the walker's rows; the rest is as in its `walk`."""
        self._walker = walker
        self._prefix = prefix
        self._key = key
        self._depth = depth
        self.place: Place = _Place(walker, prefix, key, depth)

    def finish(self, value: object) -> None:
        """Walk the document's value, unless that happened while it was read."""
        if not isinstance(value, (StreamedMap, StreamedList)):
            self._walker.walk(value, self._prefix, self._key, self._depth)


def live(rows: list[Cell]) -> list[Cell]:
    """Return the rows without those that a later value of the same key replaced."""
    return [row for row in rows if row is not _DROPPED]
