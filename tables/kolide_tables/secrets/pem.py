"""Find PEM blocks: base64 between lines with a label (RFC 7468, RFC 1421); and files of bare base64."""

import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["PemBlock", "bare_base64", "pem_blocks", "readable_text"]

_BEGIN, _END, _DASHES = b"-----BEGIN ", b"-----END ", b"-----"
_LONGEST_LABEL = 64
_SHOWN = 4096  # as much of a block without an end is kept
# The base64 of a block's beginning, as Kubernetes' files have it, and of what may follow it.
_WRAPPED_BEGIN = b"LS0tLS1CRUdJTi"
_WRAPPED = re.compile(_WRAPPED_BEGIN + rb"[A-Za-z0-9+/]+(?:\r?\n[A-Za-z0-9+/]+)*")
_BREAK = re.compile(rb"(?:\\r)?\\n|\\r|&#(?:1[03]|x0?[ad]);", re.IGNORECASE)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_UTF_8 = b"\xef\xbb\xbf"


class PemBlock(NamedTuple):
    """A block.

    Attributes:
        label: its label.
        headers: its headers.
        data: its bytes; None if its base64 is broken, or its end is missing.
        body: the text between its marks.
    """

    label: str
    headers: dict[str, str]
    data: bytes | None
    body: bytes


def pem_blocks(data: bytes) -> Iterator[PemBlock]:
    """Yield the blocks in a file, and ignore everything around them; also those that are base64 once more.

    Each mark is looked at once: a file full of beginnings costs no more than any other.
    """
    yield from _blocks(data)
    if _WRAPPED_BEGIN in data:
        for match in _WRAPPED.finditer(data):
            text = b"".join(match[0].split())
            text = text[:-1] if len(text) % 4 == 1 else text  # what follows may have been taken for base64
            yield from _blocks(binascii.a2b_base64(text + b"=" * (-len(text) % 4)))


def readable_text(data: bytes) -> bytes:
    """Return a text in UTF-8, without a mark before it, its lines ended by a line feed.

    Windows' shells write UTF-16; a carriage return alone ended lines on old Macs.
    """
    if data[:2] in _UTF_16:
        data = data.decode("utf-16", "replace").encode()
    data = data.removeprefix(_UTF_8)
    return data.replace(b"\r", b"\n") if b"\r" in data and b"\n" not in data else data


def bare_base64(data: bytes) -> bytes | None:
    """Return the bytes of a file that is the base64 of DER, without marks around it; None if it is not."""
    if data[:1] != b"M":  # a SEQUENCE
        return None
    return _decoded(data)


def _blocks(data: bytes) -> Iterator[PemBlock]:
    position = 0
    while (begin := data.find(_BEGIN, position)) >= 0:
        label_at = begin + len(_BEGIN)
        label_end = data.find(_DASHES, label_at, label_at + _LONGEST_LABEL + len(_DASHES))
        if label_end < 0 or b"\n" in data[label_at:label_end]:
            position = label_at
            continue
        label = data[label_at:label_end].decode("ascii", "replace")
        body_at = label_end + len(_DASHES)
        body_end = data.find(_DASHES, body_at)
        closed = body_end >= 0 and data.startswith(_END + data[label_at:label_end] + _DASHES, body_end)
        if not closed:
            yield PemBlock(label, {}, None, data[body_at : body_end if body_end >= 0 else body_at + _SHOWN])
            position = body_at if body_end < 0 else body_end
            continue
        whole = _unescaped(data[body_at:body_end])
        headers, body = _headers(whole)
        yield PemBlock(label, headers, _decoded(body), whole)
        position = body_end + len(_END) + len(label) + len(_DASHES)


def _unescaped(body: bytes) -> bytes:
    """Return the lines of a block that is a string of JSON, of Python, of the shell, or of XML."""
    return _BREAK.sub(b"\n", body) if b"\\" in body or b"&#" in body else body


def _headers(body: bytes) -> tuple[dict[str, str], bytes]:
    """Return headers such as DEK-Info, which a blank line ends, and the rest of the body."""
    if b":" not in body:
        return {}, body
    text = body.replace(b"\r\n", b"\n").lstrip(b"\n")
    head, blank, rest = text.partition(b"\n\n")
    if not blank:
        return {}, body
    lines = head.replace(b"\n ", b" ").decode("latin-1").split("\n")
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}, rest


def _decoded(body: bytes) -> bytes | None:
    try:
        return binascii.a2b_base64(b"".join(body.split()), strict_mode=True)
    except binascii.Error:
        return None
