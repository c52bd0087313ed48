"""Find PEM blocks: base64 between lines with a label (RFC 7468, RFC 1421)."""

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["PemBlock", "pem_blocks"]

_BEGIN, _END, _DASHES = b"-----BEGIN ", b"-----END ", b"-----"
_LONGEST_LABEL = 64
_SHOWN = 4096  # as much of a block without an end is kept


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
    """Yield the blocks in a file, and ignore everything around them.

    Each mark is looked at once: a file full of beginnings costs no more than any other.
    """
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
    """Return the lines of a block that is a string of JSON, of Python or of the shell."""
    return body.replace(b"\\r", b"").replace(b"\\n", b"\n") if b"\\" in body else body


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
    import binascii

    try:
        return binascii.a2b_base64(b"".join(body.split()), strict_mode=True)
    except binascii.Error:
        return None
