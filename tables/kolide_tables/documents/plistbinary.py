"""Read binary property lists in place: an object is decoded when a query comes to it, and not kept.

Layout, from CFBinaryPList.c in Apple's CoreFoundation:

    bplist00                       magic and version
    object, object, ...            a marker byte (kind and count), then the content
    offset, offset, ...            the offset table: the place of each object
    6 bytes unused, size of an offset, size of a reference,
    number of objects (8 bytes), number of the top object (8), place of the offset table (8)

Arrays and maps hold references, numbers of objects. So a small file can name an object any number of times,
and objects can lie on top of each other: what is read again and again is counted and refused.
"""

import math
import struct
import sys
from array import array
from collections.abc import Sequence

from ..reading.parsing import ParseError
from .plistwalk import PropertyList, PropertyListWalker

__all__ = ["BinaryPropertyList"]

_TRAILER = 32
# Seconds from 1970 to 2001, where Apple's times begin.
_EPOCH = 978_307_200
# Most members that containers in several places may add, each counted as often as it is met.
_MAX_SHARED = 100_000
# Texts and data longer than this are kept for the next reference to them.
_LONG = 64

_INTEGER, _REAL, _DATE, _DATA, _ASCII, _UTF_16, _UID = 1, 2, 3, 4, 5, 6, 8
_ARRAYS = (10, 11, 12)
_MAP = 13
_SIMPLE: dict[int, object] = {0x00: None, 0x08: False, 0x09: True, 0x0F: b""}


class _BadValueError(Exception):
    """An object is not what its place needs; the text says why."""


class BinaryPropertyList(PropertyList):
    """A binary property list."""

    def __init__(self, data: bytes) -> None:
        """Read the offset table; raises ParseError if it is not inside the data."""
        trailer = data[-_TRAILER:]
        offset_size, self._reference_size = trailer[6:8] if len(data) >= 8 + _TRAILER else (0, 0)
        count, self._top, table = struct.unpack(">3Q", trailer[8:]) if offset_size else (0, 0, 0)
        if not (0 < offset_size <= 8 and 0 < self._reference_size <= 8) or table + count * offset_size > (
            len(data) - _TRAILER
        ):
            raise ParseError("no property list (its offset table is not inside it)")
        self._data = data
        self._offsets = _numbers(data, table, count, offset_size)
        self._names: dict[int, str] = {}
        self._kept: dict[int, object] = {}
        self._unread = len(data)
        self._members = len(data) + _MAX_SHARED
        # Where the containers begin that are being walked.
        self._path: set[int] = set()

    def walk(self, walker: PropertyListWalker, prefix: str, key: str, depth: int) -> None:
        """Collect the rows; raises ParseError if the top object cannot be read."""
        try:
            kind, count, start = self._object(self._top)
            self._walk(walker, (kind, count, start, self._top), prefix, key, depth)
        except _BadValueError as error:
            raise ParseError(f"no property list ({error})") from error

    def _value(self, walker: PropertyListWalker, number: int, prefix: str, key: str, depth: int) -> None:
        """Collect the rows of an object; one that cannot be read is left out and reported."""
        try:
            kind, count, start = self._object(number)
            self._walk(walker, (kind, count, start, number), prefix, key, depth)
        except _BadValueError as error:
            walker.leave_out(f"{prefix}{key}: {error}")

    def _walk(
        self,
        walker: PropertyListWalker,
        place: tuple[int, int, int, int],
        prefix: str,
        key: str,
        depth: int,
    ) -> None:
        kind, count, start, number = place
        if kind < _ARRAYS[0] or kind > _MAP:
            value = self._scalar(kind, count, start, number)
            if isinstance(value, bytes):
                walker.data(value, prefix, key, depth)
            else:
                walker.walk(value, prefix, key, depth)
            return
        if start in self._path:
            raise _BadValueError("a map or array that is inside itself")
        self._path.add(start)
        if kind == _MAP:
            members = self._map(count, start)
            walker.budget.step(count)
            below, term = walker.enter(prefix, key, depth), walker.term(depth)
            for name, member in members.items():
                if term is None or term.matches(name):
                    self._value(walker, member, below, name, depth + 1)
        else:
            references = self._references(count, start)
            walker.budget.step(count)
            self._elements(walker, references, walker.enter(prefix, key, depth), depth)
        self._path.discard(start)

    def _elements(
        self, walker: PropertyListWalker, references: Sequence[int], below: str, depth: int
    ) -> None:
        term = walker.term(depth)
        if term is None:
            for index, number in enumerate(references):
                self._value(walker, number, below, str(index), depth + 1)
        elif term.index is not None:
            if 0 <= term.index < len(references):
                self._value(walker, references[term.index], below, str(term.index), depth + 1)
        else:
            for index, number in enumerate(references):
                name = term.name_element(index, self._shallow(number))
                if name is not None:
                    self._value(walker, number, below, name, depth + 1)

    def _shallow(self, number: int, *, inner: bool = False) -> object:
        """Return an object to match with a term: a map with its scalars; what cannot be read is None."""
        try:
            kind, count, start = self._object(number)
            if kind == _MAP and not inner:
                return {
                    name: self._shallow(member, inner=True)
                    for name, member in self._map(count, start).items()
                }
            if kind == _MAP or kind in _ARRAYS:
                return []
            return self._scalar(kind, count, start, number)
        except _BadValueError:
            return None

    def _object(self, number: int) -> tuple[int, int, int]:
        """Return an object's kind, its count or low half of the marker, and where its content begins."""
        try:
            start = self._offsets[number]
            kind, count = divmod(self._data[start], 16)
        except IndexError:
            raise _BadValueError("an object that is not in the file") from None
        start += 1
        if count == 15 and kind > _DATE and kind != _UID:
            size = self._data[start : start + 1]
            if not size or size[0] >> 4 != _INTEGER:
                raise _BadValueError("an object without its count")
            width = 1 << (size[0] & 15)
            count = int.from_bytes(self._data[start + 1 : start + 1 + width])
            start += 1 + width
        return kind, count, start

    def _content(self, start: int, size: int) -> bytes:
        if start + size > len(self._data):
            raise _BadValueError("an object that goes beyond the end of the file")
        return self._data[start : start + size]

    def _references(self, count: int, start: int) -> Sequence[int]:
        if start + count * self._reference_size > len(self._data):
            raise _BadValueError("an object that goes beyond the end of the file")
        self._members -= count + 1
        if self._members < 0:
            raise ParseError("no property list (what it holds several times is too much)")
        return _numbers(self._data, start, count, self._reference_size)

    def _map(self, count: int, start: int) -> dict[str, int]:
        numbers = self._references(2 * count, start)
        known = self._names
        members: dict[str, int] = {}
        for key, member in zip(numbers[:count], numbers[count:], strict=True):
            name = known.get(key)
            members[self._name(key) if name is None else name] = member
        return members

    def _name(self, number: int) -> str:
        from ..reading.scalars import key_text

        kind, count, start = self._object(number)
        if kind == _MAP or kind in _ARRAYS:
            raise _BadValueError("a map or array as a key")
        name = self._names[number] = key_text(self._scalar(kind, count, start, number))
        return name

    def _scalar(self, kind: int, count: int, start: int, number: int) -> object:
        if kind in (_ASCII, _DATA):
            return self._long(kind, start, count, number)
        if kind == _UTF_16:
            return self._long(kind, start, 2 * count, number)
        if kind == _INTEGER and count <= 4:
            # Integers of 8 bytes and more have a sign.
            return int.from_bytes(self._content(start, 1 << count), signed=count >= 3)
        if kind == _REAL and count in (2, 3):
            return struct.unpack(">f" if count == 2 else ">d", self._content(start, 1 << count))[0]
        if kind == _DATE and count == 3:
            return _unix_seconds(struct.unpack(">d", self._content(start, 8))[0])
        if kind == _UID:
            return int.from_bytes(self._content(start, count + 1))
        if kind == 0 and count in _SIMPLE:
            return _SIMPLE[count]
        raise _BadValueError(f"an object of the unknown kind 0x{kind:x}{count:x}")

    def _long(self, kind: int, start: int, size: int, number: int) -> object:
        """Return a text or data; a long one is kept, and counted as bytes that can be read once only."""
        if number in self._kept:
            return self._kept[number]
        content = self._content(start, size)
        value: object = content
        if kind == _ASCII:
            value = content.decode("ascii", "backslashreplace")
        elif kind == _UTF_16:
            value = content.decode("utf-16-be", "surrogatepass")
        if size > _LONG:
            self._unread -= size
            if self._unread < 0:
                raise ParseError("no property list (its objects claim more bytes than it has)")
            self._kept[number] = value
        return value


def _numbers(data: bytes, start: int, count: int, size: int) -> Sequence[int]:
    """Return `count` big-endian numbers of `size` bytes each."""
    if size == 1:
        return data[start : start + count]
    code = "H" if size == 2 else "I" if size <= 4 else "Q"
    numbers = array(code)
    width = numbers.itemsize
    if width == size:
        numbers.frombytes(memoryview(data)[start : start + count * size])
    else:
        wide = bytearray(width * count)
        for place in range(size):
            wide[width - size + place :: width] = data[start + place : start + count * size : size]
        numbers.frombytes(wide)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def _unix_seconds(seconds: float) -> int:
    """Return the Unix seconds of a time in seconds from 2001, in any year."""
    if not math.isfinite(seconds):
        raise _BadValueError("a date that is not a number")
    return math.floor(round(seconds, 6)) + _EPOCH
