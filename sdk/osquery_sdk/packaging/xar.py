"""Make xar archives reproducible: replace the time of day and the inode numbers that bsdtar writes.

A xar archive is a header, a compressed document that lists its files, and a heap. The heap begins with the
document's SHA-1. Source: https://github.com/apple-oss-distributions/xar, xar(1) and its header file.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from typing import TYPE_CHECKING

from ..errors import PackagingError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

_HEADER = struct.Struct(">4sHHQQI")
_SHA1 = 1


def settle(file: Path, date: datetime) -> None:
    """Set the archive's date, and number its files in their order.

    Args:
        file: an archive by bsdtar, with SHA-1 checksums.
        date: in UTC.

    Raises:
        PackagingError: the file is not such an archive.
    """
    content = file.read_bytes()
    magic, size, version, packed, _, algorithm = _HEADER.unpack_from(content)
    if (magic, algorithm) != (b"xar!", _SHA1):
        raise PackagingError("bsdtar wrote a pkg that is not a xar archive with SHA-1")
    document = zlib.decompress(content[size : size + packed]).decode()
    moment = date.strftime("%Y-%m-%dT%H:%M:%S")
    document, dated = re.subn(r"(<creation-time>)[^<]*", rf"\g<1>{moment}", document)
    if dated != 1:
        raise PackagingError("bsdtar wrote a pkg without the time it was made")
    document = re.sub(r"\n\s*<deviceno>\d*</deviceno>", "", document)
    numbers = iter(range(1, document.count("<inode>") + 1))
    document = re.sub(r"(<inode>)\d*", lambda match: f"{match[1]}{next(numbers)}", document)
    raw = document.encode()
    table = zlib.compress(raw, 9)
    # Offsets count from the beginning of the heap, so the heap can move as a whole. libarchive leaves a few
    # bytes after the last file; they are cut off.
    ends = [
        int(offset) + int(length)
        for length, offset in re.findall(r"<length>(\d+)</length>\s*<offset>(\d+)</offset>", document)
    ]
    start = size + packed
    heap = hashlib.sha1(table, usedforsecurity=False).digest() + content[start + 20 : start + max(ends)]
    header = _HEADER.pack(magic, _HEADER.size, version, len(table), len(raw), algorithm)
    file.write_bytes(header + table + heap)
