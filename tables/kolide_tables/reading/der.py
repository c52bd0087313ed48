"""Read ASN.1 data in DER, or in BER: tags, lengths and contents, one element at a time.

For small structures that are known beforehand; an error shows where the data is used. The reader keeps no
more than it is asked for, reads nothing twice, and does no arithmetic on numbers, so that its time is bounded
by the size of the data, whatever the data says. Source of the encoding: ITU-T X.690.
"""

from collections.abc import Iterator
from typing import NamedTuple

INTEGER, BIT_STRING, OCTET_STRING, OID, SEQUENCE, SET = 0x02, 0x03, 0x04, 0x06, 0x30, 0x31
_CONSTRUCTED = 0x20
_MOST_CHILDREN = 50_000
_LONGEST_OID = 64


class Malformed(Exception):
    """The data is not of the expected form; the text says why."""


class Element(NamedTuple):
    """An element: its identifier octet, its content, the data it is in, its beginning and its end there."""

    tag: int
    content: bytes
    source: bytes
    start: int
    end: int

    @property
    def raw(self) -> bytes:
        """All of its bytes."""
        return self.source[self.start : self.end]

    def expect(self, tag: int) -> "Element":
        """Return the element itself; raises Malformed if it has another tag."""
        if self.tag != tag:
            raise Malformed(f"an element has the tag {self.tag:#04x} in place of {tag:#04x}")
        return self


def element(data: bytes, offset: int = 0) -> Element:
    """Return the element that begins at an offset; raises Malformed."""
    start, length = _header(data, offset)
    if length is None:
        content_end, end = _indefinite_end(data, start)
    else:
        content_end = end = start + length
        if end > len(data):
            raise Malformed("an element is longer than the data")
    return Element(data[offset], data[start:content_end], data, offset, end)


def children(parent: Element) -> Iterator[Element]:
    """Yield the elements in an element; raises Malformed."""
    if not parent.tag & _CONSTRUCTED:
        raise Malformed("an element that has to contain others does not")
    offset = 0
    for _ in range(_MOST_CHILDREN):
        if offset >= len(parent.content):
            return
        child = element(parent.content, offset)
        yield child
        offset = child.end
    raise Malformed(f"an element contains more than {_MOST_CHILDREN:,} others")


def bits_of(number: Element) -> int:
    """Return how many bits an INTEGER has, without its sign."""
    content = number.expect(INTEGER).content.lstrip(b"\0")
    return (len(content) - 1) * 8 + content[0].bit_length() if content else 0


def oid_text(oid: Element) -> str:
    """Return an object identifier as numbers with dots between them; raises Malformed."""
    content = oid.expect(OID).content
    if not content or len(content) > _LONGEST_OID or content[-1] & 0x80:
        raise Malformed("it is not an object identifier")
    arcs: list[int] = []
    value = 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - first * 40, *arcs[1:])))


def _header(data: bytes, offset: int) -> tuple[int, int | None]:
    """Return where the content begins, and its length; None if an end mark ends it."""
    if offset + 2 > len(data):
        raise Malformed("the data ends within an element")
    if data[offset] & 0x1F == 0x1F:
        raise Malformed("an element has a tag that is not in use")
    first = data[offset + 1]
    start = offset + 2
    if first < 0x80:
        return start, first
    if first == 0x80:
        if not data[offset] & _CONSTRUCTED:
            raise Malformed("an element without a length contains nothing")
        return start, None
    count = first & 0x7F
    if start + count > len(data):
        raise Malformed("an element is longer than the data")
    return start + count, int.from_bytes(data[start : start + count], "big")


def _indefinite_end(data: bytes, offset: int) -> tuple[int, int]:
    """Return where the content ends and where its end mark ends."""
    depth = 1
    for _ in range(_MOST_CHILDREN):
        if data[offset : offset + 2] == b"\0\0":
            offset += 2
            depth -= 1
            if not depth:
                return offset - 2, offset
            continue
        start, length = _header(data, offset)
        depth += length is None
        offset = start + (length or 0)
    raise Malformed(f"an element contains more than {_MOST_CHILDREN:,} others")
