"""Keep much text that programs and the kernel write in little memory, until it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEVEL = 1  # what comes from programs repeats itself: the quickest level takes nine tenths away
_PIECE = 1 << 16


class PackedBytes:
    """Bytes that are kept compressed, and are read once, from the beginning."""

    def __init__(self) -> None:
        """Begin without any."""
        import zlib

        self._packer = zlib.compressobj(_LEVEL)
        self._parts: list[bytes] = []

    def add(self, data: bytes) -> None:
        """Append bytes."""
        if part := self._packer.compress(data):
            self._parts.append(part)

    def pieces(self) -> Iterator[bytes]:
        """Yield all bytes in pieces of any size, and forget them; nothing may be added any more."""
        import zlib

        parts = [*self._parts, self._packer.flush()]
        self._parts.clear()
        unpacker = zlib.decompressobj()
        parts.reverse()
        while parts:
            rest = parts.pop()
            while rest:
                if piece := unpacker.decompress(rest, _PIECE):
                    yield piece
                rest = unpacker.unconsumed_tail
        # zlib may hold back what it has already taken.
        if piece := unpacker.flush():
            yield piece

    def lines(self) -> Iterator[bytes]:
        r"""Yield the lines, without the `\n` that ends them, and forget them."""
        begun: list[bytes] = []
        for piece in self.pieces():
            first, *others = piece.split(b"\n")
            begun.append(first)
            for line in others:
                yield b"".join(begun)
                begun = [line]
        if last := b"".join(begun):
            yield last
