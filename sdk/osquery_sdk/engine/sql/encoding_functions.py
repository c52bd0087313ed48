"""osquery's SQL functions for Base64 and hashes."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import partial

from .values import Functions, SQLiteValue, bytes_of, decode_text, encoded, text_of


def _to_base64(value: SQLiteValue) -> str | None:
    return None if value is None else base64.b64encode(bytes_of(value)).decode()


def _conditional_to_base64(value: SQLiteValue) -> str | None:
    data = bytes_of(value)
    is_plain = data.isascii() and not any(byte < 0x20 or byte == 0x7F for byte in data)
    return data.decode() if is_plain and value is not None else _to_base64(value)


def _from_base64(value: SQLiteValue) -> str | bytes | None:
    if value is None:
        return None
    data = bytes_of(value).replace(b"\r\n", b"").replace(b"\n", b"").rstrip(b"=")
    if not re.fullmatch(rb"[A-Za-z0-9+/=]*", data):
        return ""
    data = data.replace(b"=", b"A")  # as osquery: an inner "=" stands for six bits of 0
    if len(data) % 4 == 1:
        data = data[:-1]  # six bits are not enough for a byte
    return decode_text(base64.b64decode(data + b"=" * (-len(data) % 4)))


def _hash(algorithm: str, value: SQLiteValue) -> str | None:
    if value is None:
        return None
    return hashlib.new(algorithm, encoded(text_of(value)), usedforsecurity=False).hexdigest()


FUNCTIONS: Functions = {
    "to_base64": (_to_base64, (1,)),
    "conditional_to_base64": (_conditional_to_base64, (1,)),
    "from_base64": (_from_base64, (1,)),
    "md5": (partial(_hash, "md5"), (1,)),
    "sha1": (partial(_hash, "sha1"), (1,)),
    "sha256": (partial(_hash, "sha256"), (1,)),
}
