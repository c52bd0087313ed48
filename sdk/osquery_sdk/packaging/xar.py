"""Makes a xar archive the same each time: bsdtar notes the time of day and the numbers of the files it was made of.

A xar archive is a header, a compressed document that lists what is in it, and a heap. The heap begins with the document's
SHA-1. Source: https://github.com/apple-oss-distributions/xar, xar(1) and its header file.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..errors import PackagingError

if TYPE_CHECKING:
    from pathlib import Path

_HEADER = struct.Struct(">4sHHQQI")
_SHA1 = 1


def settle(file: Path, made: int) -> None:
    """Date the archive, and number its files in their order.

    Args:
        file: written by bsdtar, with checksums by SHA-1.
        made: Unix seconds.

    Raises:
        PackagingError: it is no such archive.
    """
    content = file.read_bytes()
    magic, size, version, packed, _, algorithm = _HEADER.unpack_from(content)
    if (magic, algorithm) != (b"xar!", _SHA1):
        raise PackagingError("bsdtar wrote a pkg that is no xar archive with SHA-1")
    document = zlib.decompress(content[size : size + packed]).decode()
    moment = datetime.fromtimestamp(made, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    document, dated = re.subn(r"(<creation-time>)[^<]*", rf"\g<1>{moment}", document)
    if dated != 1:
        raise PackagingError("bsdtar wrote a pkg without the time it was made")
    document = re.sub(r"\n\s*<deviceno>\d*</deviceno>", "", document)
    numbers = iter(range(1, document.count("<inode>") + 1))
    document = re.sub(r"(<inode>)\d*", lambda found: f"{found[1]}{next(numbers)}", document)
    raw = document.encode()
    table = zlib.compress(raw, 9)
    # Offsets count from the heap, which moves as a whole; after the last file libarchive leaves a few bytes of its own.
    ends = [
        int(at) + int(length)
        for length, at in re.findall(r"<length>(\d+)</length>\s*<offset>(\d+)</offset>", document)
    ]
    start = size + packed
    heap = hashlib.sha1(table, usedforsecurity=False).digest() + content[start + 20 : start + max(ends)]
    header = _HEADER.pack(magic, _HEADER.size, version, len(table), len(raw), algorithm)
    file.write_bytes(header + table + heap)
