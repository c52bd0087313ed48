"""Walk property lists of any form, and open those that are in data."""

from collections.abc import Callable
from typing import TypeAlias

from kolide_kit.limits import Budget

from ..reading.parsing import ParseError
from .flatten import Walker
from .streamed import live
from .terms import Term

__all__ = ["PropertyList", "PropertyListWalker"]

# Bytes at the beginning of data in which a property list is known.
_HEAD = 30
_SIGNS = (b"bplist0", b'xml version="1.0"', b"<!DOCTYPE plist", b"<plist")
_MOST_LEVELS = 8
# Most bytes that opened data may add to those of the file.
_MOST_OPENED = 1 << 20


class PropertyListWalker(Walker):
    """A walker that opens property lists in data.

    Attributes:
        bad: number of values that were left out.
        first_bad: a message about the first of them.
    """

    __slots__ = ("_left", "_level", "_open", "bad", "first_bad")

    def __init__(self, terms: tuple[Term, ...], budget: Budget, size: int, open_inner: "Opener") -> None:
        """Begin without rows; `size` is the number of bytes of the file, and `open_inner` opens data."""
        super().__init__(terms, budget)
        self._open = open_inner
        self.bad = 0
        self.first_bad = ""
        self._level = 0
        self._left = size + _MOST_OPENED

    def leave_out(self, message: str) -> None:
        """Count a value that cannot be read."""
        self.bad += 1
        self.first_bad = self.first_bad or message

    def walk(self, value: object, prefix: str, key: str, depth: int) -> None:
        """Collect the rows of a value; of data that is a property list, those of what is in it."""
        if isinstance(value, bytes):
            self.data(value, prefix, key, depth)
        else:
            super().walk(value, prefix, key, depth)

    def data(self, value: bytes, prefix: str, key: str, depth: int) -> None:
        """Collect the rows of data."""
        head = value[:_HEAD]
        if self._level >= _MOST_LEVELS or not any(sign in head for sign in _SIGNS):
            super().walk(value, prefix, key, depth)
            return
        self._left -= len(value)
        if self._left < 0:
            raise ParseError("no property list (what it holds several times is too much)")
        known = len(self.rows)
        self._level += 1
        try:
            self._open(value).walk(self, prefix, key, depth)
        except ParseError:
            # It only looks like a property list: the data itself is shown.
            self.budget.drop_rows(len(live(self.rows[known:])))
            del self.rows[known:]
            super().walk(value, prefix, key, depth)
        finally:
            self._level -= 1


class PropertyList:
    """An opened property list: `walk` collects the rows of its values."""

    def walk(self, walker: PropertyListWalker, prefix: str, key: str, depth: int) -> None:
        """Collect the rows; `prefix`, `key` and `depth` are those of the place that it is in."""
        raise NotImplementedError


Opener: TypeAlias = Callable[[bytes], PropertyList]
