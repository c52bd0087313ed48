"""Decode the two requests that osqueryd sends all the time, `ping` and `call`, when one arrives whole.

osqueryd sends nothing else while it runs a query, each request in one piece, and a join sends thousands.
Decoding one here takes a tenth of the time of the incremental decoder, `protocol.RequestReader`.
`whole_request` returns None for anything that it does not know exactly, and the caller then uses a
`RequestReader`, which accepts all of Thrift or says what is wrong.

Numbers are big-endian. L is the length in bytes of the text behind it. Offsets are above each layout:

    ping  0         4         8       12        16
          80010001  00000004  "ping"  sequence  00

    call  0         4         8       12        16      19  23
          80010001  00000004  "call"  sequence  0b0001  L   registry                        field 1, a string
                                                0b0002  L   item                            field 2, a string
                                                0d0003  0b0b  count  (L key  L value)...    field 3, a map
                                                00                                          end of the fields
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError  # noqa: N812  the module's own name says nothing
from typing import TYPE_CHECKING

from .protocol import Request

if TYPE_CHECKING:
    from .codec import Limits

# The strict version with message type 1 (call), the length of the name, the name.
_PING = bytes.fromhex("80010001 00000004") + b"ping"
_CALL = bytes.fromhex("80010001 00000004") + b"call"
_PING_SIZE = 17
# A field's header is its type (0b string, 0d map) and its number.
_REGISTRY = bytes.fromhex("0b0001")
_ITEM = bytes.fromhex("0b0002")
# With the types of the map's keys and values, which are strings.
_ARGUMENTS = bytes.fromhex("0d0003 0b0b")

_i32 = Struct(">i").unpack_from
_sequence_field_length = Struct(">i3si").unpack_from


def whole_request(data: bytes, limits: Limits) -> Request | None:
    """Return the request that `data` is, if it is exactly one ping or call in the layout above, else None."""
    size = len(data)
    if size > limits.message:
        return None
    if data.startswith(_PING) and size == _PING_SIZE:
        return Request("ping", _i32(data, 12)[0], ()) if data[16] == 0 else None
    if not data.startswith(_CALL):
        return None
    # Beyond the end, a slice is too short to be equal, and reading a number is a StructError.
    try:
        sequence, field, length = _sequence_field_length(data, 12)
        if field != _REGISTRY:
            return None
        at = 23 + length
        if length < 0 or data[at : at + 3] != _ITEM:
            return None
        registry = data[23:at].decode()
        length = _i32(data, at + 3)[0]
        start = at + 7
        at = start + length
        if length < 0 or data[at : at + 5] != _ARGUMENTS:
            return None
        item = data[start:at].decode()
        count = _i32(data, at + 5)[0]
        if not 0 <= count <= limits.elements:
            return None
        at += 9
        arguments: dict[str, str] = {}
        for _ in range(count):
            length = _i32(data, at)[0]
            start = at + 4
            at = start + length
            value_length = _i32(data, at)[0]
            if not (0 <= length <= limits.string and 0 <= value_length <= limits.string):
                return None
            key = data[start:at].decode()
            start = at + 4
            at = start + value_length
            # The end of the fields must still follow, so a value cannot reach the end of the data.
            if at >= size:
                return None
            arguments[key] = data[start:at].decode()
    except (StructError, UnicodeDecodeError):
        # Cut short, or text that is not UTF-8.
        return None
    if at != size - 1 or data[at]:
        return None
    return Request("call", sequence, (registry, item, arguments))
