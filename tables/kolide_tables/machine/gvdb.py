"""Read GVDB, the hash table in a file that dconf keeps settings in.

Source: the format's description in dconf's and GLib's gvdb-format.h. Offsets are from the beginning of the
file:

    0   GVariant, or its letters swapped by fours if the numbers are big-endian
    8   version, 0
    12  options
    16  begin and end of the root table

A table has its number of bloom words (the lower 27 bits), its number of buckets, both of these, and then
items of 24 bytes: hash, number of the parent, begin and length of the name, a letter, begin and end of the
value. An item's whole name is that of its parents and its own.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from kolide_kit.text import shown

__all__ = ["Database", "Setting", "read_database"]

_HEADER, _ITEM = 24, 24
_VALUE, _TABLE = ord("v"), ord("H")
_NO_PARENT = 0xFFFFFFFF
_BLOOM_WORDS = 0x07FFFFFF
_MOST_PARENTS = 64
_LOCKS = ".locks"


class Setting(NamedTuple):
    """A value: its path, and its bytes, a serialized variant."""

    path: str
    value: bytes


class Database(NamedTuple):
    """The content of a database.

    Attributes:
        settings: the values.
        locks: paths of values, or of folders of them, that databases before this one may not change.
        swapped: whether its numbers are big-endian.
    """

    settings: list[Setting]
    locks: frozenset[str]
    swapped: bool


def read_database(data: bytes) -> Database:
    """Return the content of a database; raises ValueError if it is none, or is damaged."""
    if data[:8] not in (b"GVariant", b"raVGtnai") or len(data) < _HEADER:
        raise ValueError("it is not a database of dconf")
    order = "<" if data[:1] == b"G" else ">"
    version, _options, start, end = struct.unpack_from(f"{order}4I", data, 8)
    if version:
        raise ValueError(f"version {version} of the format is not known")
    settings, locks = [], frozenset[str]()
    for name, letter, value in _items(data, order, start, end):
        if letter == _VALUE:
            settings.append(Setting(name, data[slice(*value)]))
        elif letter == _TABLE and name == _LOCKS:
            locks = frozenset(path for path, _letter, _value in _items(data, order, *value))
    return Database(settings, locks, order == ">")


_Range = tuple[int, int]


def _items(data: bytes, order: str, start: int, end: int) -> Iterator[tuple[str, int, _Range]]:
    """Yield the name, the letter and the place of the value of each item of a table."""
    if start == end:
        return
    if not _HEADER <= start <= end <= len(data) or start + 8 > end:
        raise ValueError("a table is outside of the file")
    words, buckets = struct.unpack_from(f"{order}2I", data, start)
    first = start + 8 + ((words & _BLOOM_WORDS) + buckets) * 4
    if first > end or (end - first) % _ITEM:
        raise ValueError("the items of a table are outside of it")
    items = list(struct.iter_unpack(f"{order}3IHBx2I", data[first:end]))
    for _hash, parent, key, size, letter, begin, stop in items:
        if letter in (_VALUE, _TABLE):
            if not begin <= stop <= len(data):
                raise ValueError("a value is outside of the file")
            name = _name(data, key, size)
            yield "".join((*_parents(data, items, parent), name)), letter, (begin, stop)


def _parents(data: bytes, items: list[tuple[int, ...]], parent: int) -> list[str]:
    """Return the names of an item's parents, the outermost first."""
    names: list[str] = []
    while parent != _NO_PARENT:
        if parent >= len(items) or len(names) == _MOST_PARENTS:
            raise ValueError("an item has no parent, or too many")
        names.append(_name(data, items[parent][2], items[parent][3]))
        parent = items[parent][1]
    return names[::-1]


def _name(data: bytes, start: int, size: int) -> str:
    if start + size > len(data):
        raise ValueError("a name is outside of the file")
    return shown(data[start : start + size])
