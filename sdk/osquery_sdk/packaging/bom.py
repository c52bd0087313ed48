"""Write the bill of materials of macOS's installer: the files of a package, with modes, sizes and checksums.

The format has no public description by its maker. This one follows from bills that `mkbom` makes, and covers
the part that `lsbom` and the installer read. All numbers are big-endian.

::

    header   512 bytes: `BOMStore`, version 1, number of blocks, offset and length of the index, the same of
    the names names    the blocks that are found by name: `BomInfo`, `Paths`, `HLIndex`, `VIndex`, `Size64`
    blocks   one after the other index    offset and length of each block by its number; block 0 is unused

`Paths` is a tree. Its leaves hold up to 256 pairs of block numbers and are linked to a list; if there are
several, one branch is above them. A pair leads to (number, information) of a path and to (number of its
parent, name).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_HEADER = 512
_PER_LEAF = 256
_PAGE = 4096
FILE, FOLDER, LINK = 1, 2, 3


class Path(NamedTuple):
    """A path in a bill, which root owns."""

    path: str
    """`.` for the root, else `./usr/...`; its parent has to be in the bill too."""
    kind: int
    """`FILE`, `FOLDER` or `LINK`."""
    mode: int
    """Mode with the bits of the file's type."""
    modified: int
    size: int = 0
    checksum: int = 0
    """The checksum of the content, see `cksum`."""
    target: str = ""
    """The path that a link leads to."""


class _Store:
    """A file of numbered blocks, some of which have names."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._names: list[tuple[str, int]] = []

    def add(self, content: bytes) -> int:
        """Add a block, and return its number."""
        self._blocks.append(content)
        return len(self._blocks)

    @property
    def next(self) -> int:
        """The number of the block that will be added next."""
        return len(self._blocks) + 1

    def name(self, name: str, number: int) -> None:
        """Give a block a name."""
        self._names.append((name, number))

    def dump(self) -> bytes:
        """Return the file's content."""
        names = struct.pack(">I", len(self._names)) + b"".join(
            struct.pack(">IB", number, len(name)) + name.encode() for name, number in self._names
        )
        at = _HEADER + len(names)
        index = [struct.pack(">II", 0, 0)]
        for block in self._blocks:
            index.append(struct.pack(">II", at, len(block)))
            at += len(block)
        # After the index comes the list of free blocks: its length, 0, and the two empty entries that mkbom
        # writes.
        table = struct.pack(">I", len(index)) + b"".join(index) + struct.pack(">I", 0) + bytes(16)
        header = struct.pack(
            ">8sIIIIII", b"BOMStore", 1, len(self._blocks), at, len(table), _HEADER, len(names)
        )
        return header.ljust(_HEADER, b"\0") + names + b"".join(self._blocks) + table


def make_bom(paths: list[Path]) -> bytes:
    """Return the content of a bill.

    Args:
        paths: in any order, with all parents up to `.`.
    """
    store = _Store()
    ordered = _by_level(paths)
    store.name("BomInfo", store.add(struct.pack(">III16x", 1, len(ordered) + 1, 1)))
    store.name("Paths", _tree(store, _pairs(store, ordered)))
    store.name("HLIndex", _tree(store, []))
    inner = _tree(store, [], page=128)
    store.name("VIndex", store.add(struct.pack(">IIIB", 1, inner, 0, 0)))
    store.name("Size64", _tree(store, []))
    return store.dump()


def _by_level(paths: list[Path]) -> list[tuple[int, int, str, Path]]:
    """Return (number, number of the parent, name, path), in the order of the tree's keys: (parent, name)."""
    below: dict[str, list[Path]] = {}
    for path in paths:
        parent = path.path.rpartition("/")[0]
        below.setdefault(parent, []).append(path)
    ordered: list[tuple[int, int, str, Path]] = []
    waiting = [(0, "")]
    for number, parent in waiting:
        for path in sorted(below.get(parent, []), key=lambda child: child.path.encode()):
            ordered.append((len(ordered) + 1, number, path.path.rpartition("/")[2], path))
            waiting.append((len(ordered), path.path))
    if len(ordered) != len(paths):
        raise ValueError("a path without its parent")
    return ordered


def _pairs(store: _Store, ordered: list[tuple[int, int, str, Path]]) -> list[tuple[int, int]]:
    """Add the blocks of each path, and return the pairs of their numbers: (information, name)."""
    pairs = []
    for number, parent, name, path in ordered:
        target = path.target.encode() + b"\0" if path.target else b""
        facts = struct.pack(">BBHHIII", path.kind, 1, 3, path.mode, 0, 0, path.modified)
        content = struct.pack(">IBII", path.size, 1, path.checksum, len(target))
        value = store.add(struct.pack(">II", number, store.add(facts + content + target)))
        key = store.add(struct.pack(">I", parent) + name.encode() + b"\0")
        pairs.append((value, key))
    return pairs


def _tree(store: _Store, pairs: list[tuple[int, int]], *, page: int = _PAGE) -> int:
    """Add a tree of these pairs, and return the number of its block."""
    leaves = [pairs[start : start + _PER_LEAF] for start in range(0, len(pairs), _PER_LEAF)] or [[]]
    top = first = store.next
    for block, leaf in enumerate(leaves, first):
        before = block - 1 if block > first else 0
        after = block + 1 if block < first + len(leaves) - 1 else 0
        store.add(_node(leaf, leaf=True, after=after, before=before))
    if len(leaves) > 1:
        top = store.add(_node([(block, leaf[-1][1]) for block, leaf in enumerate(leaves, first)], leaf=False))
    return store.add(struct.pack(">4sIIIIB", b"tree", 1, top, page, len(pairs), 0))


def _node(pairs: list[tuple[int, int]], *, leaf: bool, after: int = 0, before: int = 0) -> bytes:
    return struct.pack(">HHII", leaf, len(pairs), after, before) + b"".join(
        struct.pack(">II", *pair) for pair in pairs
    )


def cksum(content: bytes) -> int:
    """Return POSIX's checksum of a content, a CRC over the content and its length."""
    import zlib

    # The polynomial is zlib's with the bits in reverse order, so the bits of each byte and of the result are
    # reversed.
    tail = len(content).to_bytes((len(content).bit_length() + 7) // 8, "little")
    mirrored = (content + tail).translate(bytes(int(f"{value:08b}"[::-1], 2) for value in range(256)))
    # zlib begins with all bits set and inverts the end; POSIX begins with none.
    value = zlib.crc32(mirrored, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{value:032b}"[::-1], 2) ^ 0xFFFFFFFF
