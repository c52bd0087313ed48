"""Makes an msi the same each time: wixl writes the time of day and a random identifier into it.

Both stand in its summary, a property set as Windows keeps them: MS-OLEPS, and in it the properties of PIDSI_LASTAUTHOR and
so on. They are overwritten in place; nothing moves.
"""

from __future__ import annotations

import struct
import uuid
from typing import TYPE_CHECKING

from .errors import PackagingError

if TYPE_CHECKING:
    from pathlib import Path

_SUMMARY = uuid.UUID("f29f85e0-4ff9-1068-ab91-08002b27b3d9").bytes_le
_REVISION, _CREATED, _SAVED = 9, 12, 13
_TEXT, _TIME = 30, 64
_GUID_LENGTH = 38
_EPOCH = 134774 * 86400


def settle(file: Path, seconds: int, product: str) -> None:
    """Give the summary this time, and an identifier that follows from the product's.

    Args:
        file: the msi.
        seconds: since 1970.
        product: code of the product, with braces.

    Raises:
        PackagingError: the file has no summary where one is expected.
    """
    content = bytearray(file.read_bytes())
    code = "{" + str(uuid.uuid5(uuid.UUID(product), "package")).upper() + "}"
    at = content.find(_SUMMARY)
    # The identifier of the format is followed by where the set begins, as counted from 28 bytes before it.
    if at < 28:
        raise PackagingError("wixl wrote an msi without a summary")
    start = at - 28 + struct.unpack_from("<I", content, at + 16)[0]
    _, count = struct.unpack_from("<II", content, start)
    for place in range(count):
        what, offset = struct.unpack_from("<II", content, start + 8 + 8 * place)
        value = start + offset
        (kind,) = struct.unpack_from("<I", content, value)
        if what in (_CREATED, _SAVED) and kind == _TIME:
            struct.pack_into("<Q", content, value + 4, (seconds + _EPOCH) * 10_000_000)
        elif what == _REVISION and kind == _TEXT:
            old = bytes(content[value + 8 : value + 8 + _GUID_LENGTH])
            if not (old.startswith(b"{") and old.endswith(b"}")):
                raise PackagingError("wixl wrote an msi without an identifier")
            content[value + 8 : value + 8 + _GUID_LENGTH] = code.encode()
    file.write_bytes(content)
