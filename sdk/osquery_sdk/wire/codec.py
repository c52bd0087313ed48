"""Encode and decode Thrift's strict binary protocol, as far as the extension protocol uses it.

Decoding is incremental: a `Decoder` takes what the socket had and continues where it stopped. Its work is
linear in the bytes received, however they were split, and a length field alone makes it allocate nothing.

A `Spec` describes a type on the wire. Text is `str`. Bytes that are not UTF-8 become surrogate escapes, and
encoding turns those back into the same bytes.

Numbers are big-endian, and a type is one byte:

    string   length (4)  bytes
    list     item's type (1)  count (4)  items
    map      key's type (1)  value's type (1)  count (4)  key value key value ...
    struct   field field ... 00;  a field is its type (1)  number (2)  value
"""

from __future__ import annotations

from struct import Struct as Packer
from struct import unpack_from
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

BOOL, BYTE, DOUBLE_T, I16_T, I32_T, I64_T = 2, 3, 4, 6, 8, 10
STRING_T, STRUCT_T, MAP_T, SET_T, LIST_T = 11, 12, 13, 14, 15
STOP = 0
_FIXED_SIZES = {BOOL: 1, BYTE: 1, DOUBLE_T: 8, I16_T: 2, I32_T: 4, I64_T: 8}
_MAX_DEPTH = 16

pack_i32, pack_i64 = Packer(">i").pack, Packer(">q").pack
pack_u32 = Packer(">I").pack
pack_field = Packer(">bh").pack
"""Return the header of a struct's field from its type and number."""
_pack_list = Packer(">bi").pack
_pack_map = Packer(">bbi").pack


class Limits(NamedTuple):
    """Bounds of one incoming message. A connection that exceeds one is closed."""

    message: int = 64 << 20
    """Bytes of a whole message."""
    string: int = 64 << 20
    """Bytes of one string."""
    elements: int = 1_000_000
    """Elements of all lists and maps together."""


ANSWER_LIMITS = Limits(message=1 << 30, string=256 << 20, elements=100_000_000)
"""Bounds of what a client reads: a table's answer of 200 MB is legitimate."""


class Spec:
    """The type of a value on the wire: one of the scalars below, or a `MapOf`, `ListOf` or `StructOf`."""

    def __init__(self, ttype: int) -> None:
        """Take the Thrift type number."""
        self.ttype = ttype


class MapOf(Spec):
    """`map<key, value>`, a dict in Python."""

    def __init__(self, key: Spec, value: Spec) -> None:
        """Take the types of key and value."""
        super().__init__(MAP_T)
        self.key = key
        self.value = value


class ListOf(Spec):
    """`list<item>`, a list in Python."""

    def __init__(self, item: Spec) -> None:
        """Take the type of the items."""
        super().__init__(LIST_T)
        self.item = item


class StructOf(Spec):
    """A struct, decoded to keyword arguments of `make` and encoded from attributes of the same names."""

    def __init__(self, make: Callable[..., Any], *fields: tuple[int, str, Spec]) -> None:
        """Take the factory and (field number, name, type) for each field."""
        super().__init__(STRUCT_T)
        self.make = make
        self.fields = {number: (name, spec) for number, name, spec in fields}


I32 = Spec(I32_T)
I64 = Spec(I64_T)
STRING = Spec(STRING_T)
STRING_MAP = MapOf(STRING, STRING)
ROWS = ListOf(STRING_MAP)


def encode_text(text: str) -> bytes:
    """Return a text as UTF-8; a surrogate escape becomes the byte that it stands for.

    Other surrogates have no encoding and become U+FFFD. JSON can bring them into a text.
    """
    try:
        return str.encode(text, "utf-8", "surrogateescape")
    except UnicodeEncodeError:
        encodable = "".join("\ufffd" if _is_lone(char) else char for char in text)
        return encodable.encode("utf-8", "surrogateescape")


def encode_string(text: str) -> bytes:
    """Return the string's length and bytes."""
    raw = encode_text(text)
    return pack_u32(len(raw)) + raw


def _is_lone(char: str) -> bool:
    """Return whether this is a surrogate, but not the escape of a byte (U+DC80 to U+DCFF)."""
    return "\ud800" <= char <= "\udc7f" or "\udd00" <= char <= "\udfff"


def encode_rows_header(count: int) -> bytes:
    """Return the header of a `list<map<string, string>>` of `count` rows."""
    return _pack_list(MAP_T, count)


def encode_row_header(count: int) -> bytes:
    """Return the header of one `map<string, string>` of `count` entries."""
    return _pack_map(STRING_T, STRING_T, count)


def encode_rows(rows: Iterable[Mapping[str, str]]) -> list[bytes]:
    """Return the encoding of rows in pieces, without the list's header."""
    pieces: list[bytes] = []
    add = pieces.append
    for row in rows:
        add(_pack_map(STRING_T, STRING_T, len(row)))
        for item in row.items():
            for text in item:
                try:
                    # A call of encode_string would double the cost of a cell.
                    raw = text.encode("utf-8", "surrogateescape")
                except UnicodeEncodeError:
                    add(encode_string(text))
                else:
                    add(pack_u32(len(raw)))
                    add(raw)
    return pieces


def encode_value(spec: Spec, value: Any, out: list[bytes]) -> None:
    """Append the encoding of `value` to `out`, in pieces."""
    ttype = spec.ttype
    if ttype == STRING_T:
        out.append(encode_string(value))
    elif ttype == I32_T:
        out.append(pack_i32(value))
    elif ttype == I64_T:
        out.append(pack_i64(value))
    elif isinstance(spec, MapOf):
        out.append(_pack_map(spec.key.ttype, spec.value.ttype, len(value)))
        for key, item in value.items():
            encode_value(spec.key, key, out)
            encode_value(spec.value, item, out)
    elif isinstance(spec, ListOf):
        out.append(_pack_list(spec.item.ttype, len(value)))
        for item in value:
            encode_value(spec.item, item, out)
    elif isinstance(spec, StructOf):
        for number, (name, field) in spec.fields.items():
            out.append(pack_field(field.ttype, number))
            encode_value(field, getattr(value, name), out)
        out.append(b"\0")
    else:
        raise TypeError(f"no encoding for Thrift type {ttype}")


class Decoder:
    """Decodes values from bytes that arrive in pieces.

    The `read_*` methods are generators. They yield while bytes are missing, to be resumed after `feed`, and
    return the value. They raise `ProtocolError` for anything invalid or over a limit.
    """

    __slots__ = ("_elements", "_limits", "buffer", "position")

    def __init__(self, limits: Limits) -> None:
        """Start with an empty buffer."""
        self.buffer = bytearray()
        self.position = 0
        self._limits = limits
        self._elements = 0

    def feed(self, data: bytes) -> None:
        """Add bytes that were received."""
        self.buffer += data

    @property
    def rest(self) -> int:
        """Number of bytes that were received and not read."""
        return len(self.buffer) - self.position

    def start_message(self) -> None:
        """Drop the message that was read, and keep the bytes behind it."""
        del self.buffer[: self.position]
        self.position = 0
        self._elements = 0

    def _need(self, size: int) -> Generator[None, None, int]:
        """Wait for `size` more bytes and step over them; return the position of the first."""
        start = self.position
        end = start + size
        if end > self._limits.message:
            raise ProtocolError(f"message over the limit of {self._limits.message} bytes")
        while len(self.buffer) < end:
            yield
        self.position = end
        return start

    def _count(self, size: int) -> None:
        """Add the elements of a container to those of the message."""
        self._elements += size
        if size < 0 or self._elements > self._limits.elements:
            raise ProtocolError(f"container of {size} elements: over the limit of {self._limits.elements}")

    def read_i32(self) -> Generator[None, None, int]:
        """Read a 32-bit signed integer."""
        start = yield from self._need(4)
        value: int = unpack_from(">i", self.buffer, start)[0]
        return value

    def read_string(self, most: int | None = None) -> Generator[None, None, str]:
        """Read a string of at most `most` bytes, by default as many as the limit allows."""
        buffer = self.buffer
        start = self.position + 4
        while len(buffer) < start:
            yield
        size: int = unpack_from(">i", buffer, start - 4)[0]
        limit = self._limits.string if most is None else most
        if not 0 <= size <= limit:
            raise ProtocolError(f"string of {size} bytes: over the limit of {limit}")
        end = start + size
        if end > self._limits.message:
            raise ProtocolError(f"message over the limit of {self._limits.message} bytes")
        while len(buffer) < end:
            yield
        self.position = end
        return buffer[start:end].decode("utf-8", "surrogateescape")

    def read_string_map(self) -> Generator[None, None, dict[str, str]]:
        """Read a `map<string, string>`, the arguments of every call."""
        count = yield from self._map_header(STRING_MAP)
        result: dict[str, str] = {}
        for _ in range(count):
            key = yield from self.read_string()
            result[key] = yield from self.read_string()
        return result

    def _map_header(self, spec: MapOf) -> Generator[None, None, int]:
        start = yield from self._need(6)
        key_type, value_type, count = unpack_from(">bbi", self.buffer, start)
        self._count(count)
        if count and (key_type != spec.key.ttype or value_type != spec.value.ttype):
            raise ProtocolError(
                f"map of types {key_type} and {value_type} "
                f"where {spec.key.ttype} and {spec.value.ttype} belong"
            )
        return int(count)

    def read(self, spec: Spec) -> Generator[None, None, Any]:
        """Read a value of the type `spec`."""
        if spec is STRING:
            return (yield from self.read_string())
        if spec is STRING_MAP:
            return (yield from self.read_string_map())
        if isinstance(spec, StructOf):
            fields = yield from self.read_fields(spec.fields)
            return spec.make(**fields)
        if isinstance(spec, ListOf):
            start = yield from self._need(5)
            item_type, count = unpack_from(">bi", self.buffer, start)
            self._count(count)
            if count and item_type != spec.item.ttype:
                raise ProtocolError(f"list of type {item_type} where {spec.item.ttype} belongs")
            items = []
            for _ in range(count):
                items.append((yield from self.read(spec.item)))  # noqa: PERF401  no yield in comprehensions
            return items
        if isinstance(spec, MapOf):
            count = yield from self._map_header(spec)
            result = {}
            for _ in range(count):
                key = yield from self.read(spec.key)
                result[key] = yield from self.read(spec.value)
            return result
        if spec.ttype == I32_T:
            return (yield from self.read_i32())
        if spec.ttype == I64_T:
            start = yield from self._need(8)
            return unpack_from(">q", self.buffer, start)[0]
        raise ProtocolError(f"no decoding for Thrift type {spec.ttype}")

    def read_fields(self, fields: Mapping[int, tuple[str, Spec]]) -> Generator[None, None, dict[str, Any]]:
        """Read a struct's fields by name. Unknown fields are skipped, as Thrift prescribes."""
        values: dict[str, Any] = {}
        while True:
            start = yield from self._need(1)
            ttype = self.buffer[start]
            if ttype == STOP:
                return values
            start = yield from self._need(2)
            number: int = unpack_from(">h", self.buffer, start)[0]
            known = fields.get(number)
            if known is not None and known[1].ttype == ttype:
                values[known[0]] = yield from self.read(known[1])
            else:
                yield from self.skip(ttype, _MAX_DEPTH)

    def skip(self, ttype: int, depth: int) -> Generator[None, None, None]:
        """Step over a value of any type that nests at most `depth` containers."""
        if depth == 0:
            raise ProtocolError(f"nested more than {_MAX_DEPTH} deep")
        size = _FIXED_SIZES.get(ttype)
        if size is not None:
            yield from self._need(size)
        elif ttype == STRING_T:
            yield from self.read_string()
        elif ttype == STRUCT_T:
            while True:
                start = yield from self._need(1)
                field = self.buffer[start]
                if field == STOP:
                    return
                yield from self._need(2)
                yield from self.skip(field, depth - 1)
        elif ttype in (LIST_T, SET_T, MAP_T):
            kinds = 2 if ttype == MAP_T else 1
            start = yield from self._need(kinds + 4)
            *inner, count = unpack_from(">bbi" if kinds == 2 else ">bi", self.buffer, start)
            self._count(count)
            for _ in range(count):
                for kind in inner:
                    yield from self.skip(kind, depth - 1)
        else:
            raise ProtocolError(f"unknown Thrift type {ttype}")
