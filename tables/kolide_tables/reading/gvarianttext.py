"""Write a value of GVariant as text, as `gsettings get` and `dconf dump` do.

Sources: the GVariant specification, "Serialisation Format"; GLib's documentation, "GVariant Text Format".
"""

import struct
from typing import TYPE_CHECKING, NamedTuple

from kolide_kit.text import shown

from .gvariant import split_array, split_tuple, string

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["value_text", "variant_text"]

_DEEPEST = 64
_LONGEST_TYPE = 1_000
# For each letter: size and alignment in bytes, the letter of struct, the word that says the type.
_NUMBERS = {
    "n": (2, "h", "int16 "),
    "q": (2, "H", "uint16 "),
    "i": (4, "i", ""),
    "u": (4, "I", "uint32 "),
    "h": (4, "i", "handle "),
    "x": (8, "q", "int64 "),
    "t": (8, "Q", "uint64 "),
    "d": (8, "d", ""),
}
_STRINGS = {"s": "", "o": "objectpath ", "g": "signature "}
_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 92: "\\\\"}


class _Type(NamedTuple):
    """A type: its letters, the alignment and, if it always has the same, the size, and the types in it."""

    text: str
    alignment: int
    size: int | None
    members: "tuple[_Type, ...]" = ()


def variant_text(data: bytes, *, swapped: bool = False) -> tuple[str, str]:
    """Return the text and the type of a serialized variant.

    Args:
        data: the variant.
        swapped: whether numbers are in the other order than the little-endian one.

    Raises:
        ValueError: the bytes are not a variant.
    """
    kind, value = _variant(data)
    return value_text(value, kind.text, swapped=swapped), kind.text


def value_text(data: bytes, kind: str, *, swapped: bool = False) -> str:
    """Return the text of a serialized value of a type; raises ValueError if the bytes are not one."""
    return _Writer(">" if swapped else "<").text(data, _whole_type(kind), True, 0)


class _Writer:
    def __init__(self, order: str) -> None:
        self._order = order
        self._containers: dict[str, Callable[[bytes, _Type, bool, int], str]] = {
            "v": self._variant,
            "m": self._maybe,
            "a": self._array,
            "(": self._tuple,
            "{": self._entry,
        }

    def text(self, data: bytes, kind: _Type, annotated: bool, depth: int) -> str:
        """Return the text of a value; if `annotated`, with its type where the text alone does not tell it."""
        if depth > _DEEPEST:
            raise ValueError(f"nested more than {_DEEPEST} deep")
        if kind.size is not None and len(data) != kind.size:
            raise ValueError("a value has not the size of its type")
        letter = kind.text[0]
        if letter in self._containers:
            return self._containers[letter](data, kind, annotated, depth)
        if letter in _STRINGS:
            return (_STRINGS[letter] if annotated else "") + _quoted(string(data))
        if letter == "b":
            return "false" if data == b"\0" else "true"
        if letter == "y":
            return f"{'byte ' if annotated else ''}0x{data[0]:02x}"
        _size, code, word = _NUMBERS[letter]
        (number,) = struct.unpack(self._order + code, data)
        return _double(number) if letter == "d" else f"{word if annotated else ''}{number}"

    def _variant(self, data: bytes, _kind: _Type, _annotated: bool, depth: int) -> str:
        kind, value = _variant(data)
        return f"<{self.text(value, kind, True, depth + 1)}>"

    def _maybe(self, data: bytes, kind: _Type, annotated: bool, depth: int) -> str:
        prefix = f"@{kind.text} " if annotated else ""
        if not data:
            return f"{prefix}nothing"
        (member,) = kind.members
        inner = self.text(data if member.size is not None else data[:-1], member, False, depth + 1)
        # Only a nothing within needs a word that says how deep it is.
        return (
            f"{prefix}just {inner}" if member.text[0] == "m" and inner.endswith("nothing") else prefix + inner
        )

    def _array(self, data: bytes, kind: _Type, annotated: bool, depth: int) -> str:
        (member,) = kind.members
        if kind.text == "ay" and data[-1:] == b"\0" and b"\0" not in data[:-1]:
            return _byte_string(data[:-1])
        brackets = "{}" if member.text[0] == "{" else "[]"
        if not data:
            return (f"@{kind.text} " if annotated else "") + brackets
        parts = [
            # The first element tells the type of the others.
            self._element(part, member, annotated and not index, depth)
            for index, part in enumerate(_elements(data, member))
        ]
        return f"{brackets[0]}{', '.join(parts)}{brackets[1]}"

    def _element(self, data: bytes, kind: _Type, annotated: bool, depth: int) -> str:
        if kind.text[0] != "{":
            return self.text(data, kind, annotated, depth + 1)
        return ": ".join(self._members(data, kind, annotated, depth))

    def _tuple(self, data: bytes, kind: _Type, annotated: bool, depth: int) -> str:
        if not kind.members:
            return "()"
        parts = self._members(data, kind, annotated, depth)
        return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"

    def _entry(self, data: bytes, kind: _Type, annotated: bool, depth: int) -> str:
        return f"{{{', '.join(self._members(data, kind, annotated, depth))}}}"

    def _members(self, data: bytes, kind: _Type, annotated: bool, depth: int) -> list[str]:
        alignments = [member.alignment for member in kind.members]
        sizes = [member.size for member in kind.members]
        parts = split_tuple(data, alignments, sizes)
        return [
            self.text(part, member, annotated, depth + 1)
            for part, member in zip(parts, kind.members, strict=True)
        ]


def _variant(data: bytes) -> tuple[_Type, bytes]:
    """Return the type and the bytes of the value of a variant, which a zero byte separates."""
    value, separator, kind = data.rpartition(b"\0")
    if not separator:
        raise ValueError("a variant has no type")
    return _whole_type(kind.decode("ascii", "replace")), value


def _elements(data: bytes, member: _Type) -> list[bytes]:
    if member.size is None:
        return split_array(data, member.alignment)
    if len(data) % member.size:
        raise ValueError("an array does not end with an element")
    return [data[at : at + member.size] for at in range(0, len(data), member.size)]


def _whole_type(text: str) -> _Type:
    if len(text) > _LONGEST_TYPE:
        raise ValueError("a type is too long")
    kind, end = _type(text, 0, 0)
    if end != len(text):
        raise ValueError("a type is followed by something else")
    return kind


def _type(text: str, at: int, depth: int) -> tuple[_Type, int]:
    """Return the type that begins at a place, and where the next one begins."""
    letter = text[at : at + 1]
    if depth > _DEEPEST or not letter:
        raise ValueError("a type is cut off, or too deep")
    if letter in _NUMBERS:
        size = _NUMBERS[letter][0]
        return _Type(letter, size, size), at + 1
    if letter in "by":
        return _Type(letter, 1, 1), at + 1
    if letter in _STRINGS:
        return _Type(letter, 1, None), at + 1
    if letter == "v":
        return _Type(letter, 8, None), at + 1
    if letter in "am":
        member, end = _type(text, at + 1, depth + 1)
        return _Type(text[at:end], member.alignment, None, (member,)), end
    if letter in "({":
        return _tuple_type(text, at, depth, ")" if letter == "(" else "}")
    raise ValueError("a type has a letter that is not in use")


def _tuple_type(text: str, at: int, depth: int, close: str) -> tuple[_Type, int]:
    members: list[_Type] = []
    end = at + 1
    while text[end : end + 1] != close:
        member, end = _type(text, end, depth + 1)
        members.append(member)
    if close == "}" and len(members) != 2:
        raise ValueError("an entry of a dictionary has not two members")
    alignment = max((member.alignment for member in members), default=1)
    return _Type(text[at : end + 1], alignment, _fixed_size(members, alignment), tuple(members)), end + 1


def _fixed_size(members: list[_Type], alignment: int) -> int | None:
    """Return the size of a tuple whose members all have one; the empty tuple is a byte."""
    size = 0
    for member in members:
        if member.size is None:
            return None
        size = -(-size // member.alignment) * member.alignment + member.size
    return -(-size // alignment) * alignment if members else 1


def _double(number: float) -> str:
    text = format(number, ".17g")
    return text if set(text) & set(".en") else f"{text}.0"


def _quoted(data: bytes) -> str:
    """Return a text in single quotes; in double ones if it has a single one."""
    text = shown(data)
    quote = '"' if "'" in text else "'"
    return quote + "".join(_escaped(letter, quote) for letter in text) + quote


def _escaped(letter: str, quote: str) -> str:
    code = ord(letter)
    if letter == quote:
        return f"\\{letter}"
    if code in _ESCAPES:
        return _ESCAPES[code]
    if letter.isprintable() or (not letter.isascii() and _is_shown(letter)):
        return letter
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _is_shown(letter: str) -> bool:
    """Return whether GLib prints a letter as it is: other blanks, separators and private letters it does."""
    import unicodedata

    return unicodedata.category(letter) in ("Zs", "Zl", "Zp", "Co")


def _byte_string(data: bytes) -> str:
    quote = '"' if b"'" in data else "'"
    return f"b{quote}{''.join(map(_escaped_byte, data))}{quote}"


def _escaped_byte(code: int) -> str:
    if code in _ESCAPES and code != 7:
        return _ESCAPES[code]
    if code == 34:
        return '\\"'
    return chr(code) if 32 <= code < 127 else f"\\{code:03o}"
