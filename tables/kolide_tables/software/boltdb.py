"""Read the databases of bbolt, in which podman and containerd keep their containers.

A file is made of pages, and a bucket is a tree of them, in which a value can be another bucket. The engine
may write meanwhile: it writes new pages and then the page that leads to them, so what is read here is a state
that was complete once. Source: bbolt's page, meta, node and bucket structures.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

__all__ = ["BoltError", "Bucket", "read_bolt"]

_MAGIC = 0xED0CDAED
_VERSION = 2
_PAGE_SIZES = (1 << 12, 1 << 13, 1 << 14, 1 << 16, 1 << 10)
_HEADER, _ELEMENT, _BUCKET = 16, 16, 16
_META = 64  # with its header a meta page has 80 bytes
_BRANCH, _LEAF = 1, 2
_IS_BUCKET = 1
_MOST_DEPTH = 32
# What is read of a file in all, however its pages lead to each other.
_MOST_BYTES = 32 << 20


class BoltError(Exception):
    """The file is no database of bbolt, or is broken; the text says why."""


class _Meta(NamedTuple):
    """The page that leads to all others: `order` is that of the bytes."""

    order: str
    page_size: int
    root: int
    transaction: int


class _Pages:
    """The pages of a file, each read when it is needed."""

    def __init__(self, file: BinaryIO, meta: _Meta) -> None:
        self._file = file
        self._size = meta.page_size
        self._left = _MOST_BYTES
        self.order = meta.order

    def page(self, number: int) -> bytes:
        head = _read(self._file, number * self._size, _HEADER)
        length = (struct.unpack_from(f"{self.order}I", head, 12)[0] + 1) * self._size
        self._left -= length
        if self._left < 0:
            raise BoltError(f"more than {_MOST_BYTES:,} bytes would have to be read")
        return _read(self._file, number * self._size, length)


class Bucket:
    """A bucket: its keys lead to values, or to more buckets."""

    def __init__(self, pages: _Pages, root: int, inline: bytes = b"") -> None:
        """Take the number of the first page; a small bucket has its page within its value."""
        self._pages = pages
        self._root = root
        self._inline = inline

    def items(self) -> Iterator[tuple[bytes, "bytes | Bucket"]]:
        """Yield the keys and what they lead to. Raises BoltError and OSError."""
        yield from self._below(self._inline or self._pages.page(self._root), 0)

    def buckets(self) -> "Iterator[Bucket]":
        """Yield the buckets in this one. Raises BoltError and OSError."""
        yield from (value for _, value in self.items() if isinstance(value, Bucket))

    def get(self, *keys: bytes) -> "bytes | Bucket | None":
        """Return what a key leads to, through the buckets that the others name. Raises BoltError, OSError."""
        here: bytes | Bucket | None = self
        for key in keys:
            if not isinstance(here, Bucket):
                return None
            here = next((value for name, value in here.items() if name == key), None)
        return here

    def bucket(self, *keys: bytes) -> "Bucket":
        """Return the bucket at some keys, an empty one if there is none. Raises BoltError and OSError."""
        found = self.get(*keys)
        return found if isinstance(found, Bucket) else Bucket(self._pages, 0, _EMPTY)

    def value(self, *keys: bytes) -> bytes:
        """Return the value at some keys, empty if there is none. Raises BoltError and OSError."""
        found = self.get(*keys)
        return found if isinstance(found, bytes) else b""

    def _below(self, page: bytes, depth: int) -> Iterator[tuple[bytes, "bytes | Bucket"]]:
        order = self._pages.order
        kind, count = struct.unpack_from(f"{order}HH", page, 8)
        if depth > _MOST_DEPTH or not kind & (_BRANCH | _LEAF):
            raise BoltError("a page is not of a bucket")
        for at in range(_HEADER, _HEADER + count * _ELEMENT, _ELEMENT):
            try:
                if kind & _BRANCH:
                    yield from self._below(
                        self._pages.page(struct.unpack_from(f"{order}Q", page, at + 8)[0]), depth + 1
                    )
                    continue
                flags, start, key_size, size = struct.unpack_from(f"{order}4I", page, at)
            except struct.error as error:
                raise BoltError("a page is too short") from error
            begin = at + start
            key, value = page[begin : begin + key_size], page[begin + key_size : begin + key_size + size]
            yield key, self._inner(value) if flags & _IS_BUCKET else value

    def _inner(self, value: bytes) -> "Bucket":
        if len(value) < _BUCKET:
            raise BoltError("a bucket is too short")
        (root,) = struct.unpack_from(f"{self._pages.order}Q", value)
        if not root and len(value) < _BUCKET + _HEADER:
            raise BoltError("a bucket is too short")
        return Bucket(self._pages, root, b"" if root else value[_BUCKET:])


# A page without elements; its kind reads the same in either order of bytes.
_EMPTY = struct.pack("<QHHI", 0, _LEAF | _LEAF << 8, 0, 0)


def read_bolt(file: BinaryIO) -> Bucket:
    """Return the top bucket of a database. Raises BoltError and OSError."""
    metas = [meta for at in (0, *_PAGE_SIZES) if (meta := _meta(file, at)) is not None]
    if not metas:
        raise BoltError("it is not a database of bbolt")
    meta = max(metas, key=lambda meta: meta.transaction)
    return Bucket(_Pages(file, meta), meta.root)


def _meta(file: BinaryIO, at: int) -> _Meta | None:
    file.seek(at)
    page = file.read(_HEADER + _META)
    if len(page) < _HEADER + _META:
        return None
    for order in ("<", ">"):
        magic, version, size, _, root, _, _, _, transaction, checksum = struct.unpack_from(
            f"{order}4I6Q", page, _HEADER
        )
        if magic == _MAGIC and version == _VERSION and size in _PAGE_SIZES:
            is_whole = checksum == _fnv(page[_HEADER : _HEADER + _META - 8])
            # Of the two, the one that is being written may be broken.
            return _Meta(order, size, root, transaction) if is_whole else None
    return None


def _fnv(data: bytes) -> int:
    """Return a hash as Go's hash/fnv makes it, FNV-1a of 64 bits."""
    total = 0xCBF29CE484222325
    for byte in data:
        total = (total ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return total


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    if at >= 1 << 62:
        raise BoltError("a page is beyond the end")
    file.seek(at)
    data = file.read(size)
    if len(data) < size:
        raise BoltError("a page is beyond the end")
    return data
