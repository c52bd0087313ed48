"""Split GVariant, the binary form of flatpak's deploy files and of dconf's values, into its parts.

Source: the GVariant specification, "Serialisation Format".
"""

from collections.abc import Sequence

__all__ = ["split_array", "split_tuple", "string", "string_dictionary"]

_ALIGN_VARIANT = 8


def split_tuple(data: bytes, alignments: Sequence[int], fixed: Sequence[int | None]) -> list[bytes]:
    """Return the bytes of each member of a tuple; raises ValueError if the bytes are not such a tuple.

    Args:
        data: the tuple.
        alignments: each member's alignment, in bytes.
        fixed: each member's size in bytes; None for members of any size.
    """
    width = _offset_width(len(data))
    end, position, members = len(data), 0, []
    for index, (alignment, size) in enumerate(zip(alignments, fixed, strict=True)):
        position = -(-position // alignment) * alignment
        if size is not None:
            stop = position + size
        elif index == len(fixed) - 1:
            stop = end
        else:
            # The ends of the members of any size, but the last one's, stand at the tuple's end, the first one
            # last.
            end -= width
            stop = _little_endian(data, end, width)
        if not position <= stop <= end:
            raise ValueError("a tuple's member is outside of it")
        members.append((position, stop))
        position = stop
    if fixed[-1] is None and members[-1][1] > end:
        raise ValueError("a tuple's member is outside of it")
    return [data[start:stop] for start, stop in members]


def split_array(data: bytes, alignment: int) -> list[bytes]:
    """Return the bytes of each element of an array of elements of any size.

    Raises ValueError if it is not such an array.
    """
    if not data:
        return []
    width = _offset_width(len(data))
    # The last offset is where the table of offsets begins.
    table = _little_endian(data, len(data) - width, width)
    if table > len(data) - width or (len(data) - table) % width:
        raise ValueError("an array's ends are outside of it")
    elements, start = [], 0
    for at in range(table, len(data), width):
        start = -(-start // alignment) * alignment
        stop = _little_endian(data, at, width)
        if not start <= stop <= table:
            raise ValueError("an array's element is outside of it")
        elements.append(data[start:stop])
        start = stop
    return elements


def string(data: bytes) -> bytes:
    """Return a string's bytes; raises ValueError if its end is missing."""
    if data[-1:] != b"\0":
        raise ValueError("a string has no end")
    return data[:-1]


def string_dictionary(data: bytes) -> dict[bytes, bytes]:
    """Return the entries of an `a{sv}` whose values are strings."""
    entries = {}
    for entry in split_array(data, _ALIGN_VARIANT):
        key, variant = split_tuple(entry, (1, _ALIGN_VARIANT), (None, None))
        value, separator, kind = variant.rpartition(b"\0")
        if separator and kind == b"s":
            entries[string(key)] = string(value)
    return entries


def _offset_width(size: int) -> int:
    # As few bytes as can hold the size of the whole, the offsets included.
    return next(width for width in (1, 2, 4, 8) if size < 1 << 8 * width)


def _little_endian(data: bytes, at: int, width: int) -> int:
    if at < 0:
        raise ValueError("it is too short for the ends of its members")
    return int.from_bytes(data[at : at + width], "little")
