"""Find the end of a serialized Java object, which does not say its length; nothing is made from it.

Source: Java Object Serialization Specification, chapter 6.
"""

from typing import NamedTuple

from ..reading.der import Malformed

__all__ = ["skip_java_object"]

_STREAM = b"\xac\xed\0\x05"
_NULL, _REFERENCE, _CLASS, _OBJECT, _STRING, _ARRAY = 0x70, 0x71, 0x72, 0x73, 0x74, 0x75
_BLOCK, _END, _LONG_BLOCK, _LONG_STRING = 0x77, 0x78, 0x7A, 0x7C
_SIZES = dict(zip("BZCSIFJD", (1, 1, 2, 2, 4, 4, 8, 8), strict=True))
_FIRST_HANDLE = 0x7E0000
_WRITES, _SERIALIZABLE = 1, 2
_DEEPEST, _MOST_FIELDS = 16, 256


class _ClassDescription(NamedTuple):
    """The parts of a class that tell the length of its objects: letters of types, flags, super class."""

    name: str
    flags: int
    fields: str
    parent: "_ClassDescription | None"


def skip_java_object(data: bytes, offset: int) -> int:
    """Return the offset behind a stream with one object; raises Malformed."""
    if data[offset : offset + 4] != _STREAM:
        raise Malformed("a Java object does not begin as one")
    stream = _Stream(data, offset + 4)
    stream.value(0)
    return stream.offset


class _Stream:
    def __init__(self, data: bytes, offset: int) -> None:
        self._data = data
        self.offset = offset
        self._handles: list[_ClassDescription | None] = []

    def value(self, depth: int) -> None:
        """Pass over an object, a text, an array, or a reference to an earlier one."""
        if depth > _DEEPEST:
            raise Malformed("Java objects within too many others")
        kind = self._number(1)
        if kind == _REFERENCE:
            self._number(4)
        elif kind in (_STRING, _LONG_STRING):
            self._handles.append(None)
            self._take(self._number(2 if kind == _STRING else 8))
        elif kind == _ARRAY:
            self._array(depth)
        elif kind == _OBJECT:
            described = self._class(depth)
            self._handles.append(None)
            self._fields(described, depth)
        elif kind != _NULL:
            raise Malformed(f"a Java object has the mark {kind:#04x}")

    def _array(self, depth: int) -> None:
        described = self._class(depth)
        self._handles.append(None)
        letter = "" if described is None else described.name[1:2]
        count = self._number(4)
        if letter in _SIZES:
            self._take(count * _SIZES[letter])
            return
        for _ in range(count):
            self.value(depth + 1)

    def _fields(self, described: _ClassDescription | None, depth: int) -> None:
        if described is None:
            return
        self._fields(described.parent, depth)
        if not described.flags & _SERIALIZABLE:
            raise Malformed("a Java object writes itself")
        for letter in described.fields:
            if letter in _SIZES:
                self._take(_SIZES[letter])
            else:
                self.value(depth + 1)
        if described.flags & _WRITES:
            self._annotation(depth)

    def _class(self, depth: int) -> _ClassDescription | None:
        if depth > _DEEPEST:
            raise Malformed("Java classes with too many super classes")
        kind = self._number(1)
        if kind == _NULL:
            return None
        if kind == _REFERENCE:
            index = self._number(4) - _FIRST_HANDLE
            if not 0 <= index < len(self._handles):
                raise Malformed("a Java object refers to none")
            return self._handles[index]
        if kind != _CLASS:
            raise Malformed(f"a Java class has the mark {kind:#04x}")
        name = self._take(self._number(2)).decode("latin-1")
        self._take(8)
        at = len(self._handles)
        self._handles.append(None)
        flags, fields = self._number(1), self._field_types(depth)
        self._annotation(depth)
        described = _ClassDescription(name, flags, fields, self._class(depth + 1))
        self._handles[at] = described
        return described

    def _field_types(self, depth: int) -> str:
        letters = []
        count = self._number(2)
        if count > _MOST_FIELDS:
            raise Malformed("a Java class has too many fields")
        for _ in range(count):
            letter = chr(self._number(1))
            self._take(self._number(2))
            if letter in "[L":
                self.value(depth + 1)
            elif letter not in _SIZES:
                raise Malformed("a Java field has no type")
            letters.append(letter)
        return "".join(letters)

    def _annotation(self, depth: int) -> None:
        while (kind := self._number(1)) != _END:
            if kind in (_BLOCK, _LONG_BLOCK):
                self._take(self._number(1 if kind == _BLOCK else 4))
            else:
                self.offset -= 1
                self.value(depth + 1)

    def _take(self, size: int) -> bytes:
        end = self.offset + size
        if end > len(self._data):
            raise Malformed("the data ends within a Java object")
        taken = self._data[self.offset : end]
        self.offset = end
        return taken

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "big")
