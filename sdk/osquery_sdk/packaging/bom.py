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
    """A path in a bill."""

    path: str
    """`.` for the root, else `./usr/...`; its parent has to be in the bill too."""
    kind: int
    """`FILE`, `FOLDER` or `LINK`."""
    mode: int
    """Mode with the bits of the file's type."""
    uid: int
    gid: int
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

    def replace(self, number: int, content: bytes) -> None:
        """Replace the content of a block."""
        self._blocks[number - 1] = content

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
    store.name(
        "BomInfo", store.add(struct.pack(">III", 1, len(ordered) + 1, 1) + struct.pack(">IIII", 0, 0, 0, 0))
    )
    store.name("Paths", _tree(store, len(ordered), _leaves(store, ordered)))
    store.name("HLIndex", _tree(store, 0, []))
    inner = _tree(store, 0, [], page=128)
    store.name("VIndex", store.add(struct.pack(">IIIB", 1, inner, 0, 0)))
    store.name("Size64", _tree(store, 0, []))
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


def _leaves(
    store: _Store, ordered: list[tuple[int, int, str, Path]]
) -> list[tuple[int, int, list[tuple[int, int]]]]:
    """Return the leaves: (number of the block reserved for the leaf, its last key, its pairs)."""
    leaves = []
    for start in range(0, len(ordered), _PER_LEAF):
        pairs = []
        for number, parent, name, path in ordered[start : start + _PER_LEAF]:
            target = path.target.encode() + b"\0" if path.target else b""
            information = struct.pack(
                ">BBHHIIIIBII",
                path.kind,
                1,
                3,
                path.mode,
                path.uid,
                path.gid,
                path.modified,
                path.size,
                1,
                path.checksum,
                len(target),
            )
            value = store.add(struct.pack(">II", number, store.add(information + target)))
            key = store.add(struct.pack(">I", parent) + name.encode() + b"\0")
            pairs.append((value, key))
        leaves.append((store.add(b""), pairs[-1][1], pairs))
    return leaves


def _tree(
    store: _Store, count: int, leaves: list[tuple[int, int, list[tuple[int, int]]]], *, page: int = _PAGE
) -> int:
    """Add a tree of these leaves, and return the number of its block."""
    for place, (block, _, pairs) in enumerate(leaves):
        after = leaves[place + 1][0] if place + 1 < len(leaves) else 0
        before = leaves[place - 1][0] if place else 0
        store.replace(block, _node(pairs, leaf=True, after=after, before=before))
    if len(leaves) == 1:
        top = leaves[0][0]
    elif leaves:
        top = store.add(_node([(block, key) for block, key, _ in leaves], leaf=False))
    else:
        top = store.add(_node([], leaf=True))
    return store.add(struct.pack(">4sIIIIB", b"tree", 1, top, page, count, 0))


def _node(pairs: list[tuple[int, int]], *, leaf: bool, after: int = 0, before: int = 0) -> bytes:
    return struct.pack(">HHII", leaf, len(pairs), after, before) + b"".join(
        struct.pack(">II", *pair) for pair in pairs
    )


def cksum(content: bytes) -> int:
    """Return POSIX's checksum of a content, a CRC over the content and its length."""
    import zlib

    # The polynomial is zlib's with the bits in reverse order, so the bits of each byte and of the result are
    # reversed.
    length = len(content)
    tail = b""
    while length:
        tail += bytes((length & 0xFF,))
        length >>= 8
    mirrored = (content + tail).translate(_mirrored_bytes())
    # zlib begins with all bits set and inverts the end; POSIX begins with none.
    value = zlib.crc32(mirrored, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{value:032b}"[::-1], 2) ^ 0xFFFFFFFF


def _mirrored_bytes() -> bytes:
    return bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
