"""Find PEM blocks: base64 between lines with a label (RFC 7468, RFC 1421); and files of bare base64."""

import binascii
import re
from collections.abc import Iterator

__all__ = ["PemBlock", "bare_base64", "pem_blocks", "readable_text"]

_BEGIN, _END, _DASHES = b"-----BEGIN ", b"-----END ", b"-----"
_LONGEST_LABEL = 64
_SHOWN = 4096  # as much of a block without an end is kept
# The base64 of a block's beginning, as Kubernetes' files have it, and of what may follow it.
_WRAPPED_BEGIN = b"LS0tLS1CRUdJTi"
_WRAPPED = re.compile(_WRAPPED_BEGIN + rb"[A-Za-z0-9+/]+(?:\r?\n[A-Za-z0-9+/]+)*")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
_LONGEST_BEGINNING = 1 << 16
_LARGEST_BARE = 4 << 20
_BLANKS = b" \t\r\n\v\f"
# Ends of lines in strings of JSON, of Python and of the shell, and in XML.
_BREAKS = (b"\\r", b"\\n", b"&#13;", b"&#10;", b"&#xD;", b"&#xA;", b"&#xd;", b"&#xa;")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_UTF_8 = b"\xef\xbb\xbf"


class PemBlock:
    """A block; what is in it is read when it is asked for.

    Attributes:
        label: its label.
    """

    __slots__ = ("_end", "_is_closed", "_source", "_start", "label")

    def __init__(self, label: str, source: bytes, start: int, end: int, *, is_closed: bool) -> None:
        """Remember where the block is."""
        self.label = label
        self._source, self._start, self._end, self._is_closed = source, start, end, is_closed

    @property
    def body(self) -> bytes:
        """The text between its marks."""
        return _unescaped(self._source[self._start : self._end])

    @property
    def headers(self) -> dict[str, str]:
        """Its headers, such as DEK-Info."""
        return _headers(self.body)[0]

    @property
    def data(self) -> bytes | None:
        """Its bytes; None if its base64 is broken, or its end is missing."""
        return _decoded(_headers(self.body)[1].translate(None, _BLANKS)) if self._is_closed else None

    @property
    def beginning(self) -> bytes:
        """The bytes that it begins with, as far as its text is base64, at most 48 KiB."""
        text = _headers(self.body[:_LONGEST_BEGINNING])[1].translate(None, _BLANKS)
        end = _NOT_BASE64.search(text)
        return binascii.a2b_base64(text[: (len(text) if end is None else end.start()) & -4])


def pem_blocks(data: bytes) -> Iterator[PemBlock]:
    """Yield the blocks in a file, and ignore everything around them; also those that are base64 once more.

    Each mark is looked at once: a file full of beginnings costs no more than any other.
    """
    yield from _blocks(data)
    if _WRAPPED_BEGIN in data:
        for match in _WRAPPED.finditer(data):
            text = match[0].translate(None, _BLANKS)
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
    if data[:1] != b"M" or len(data) > _LARGEST_BARE:  # a SEQUENCE
        return None
    return _decoded(data.translate(None, _BLANKS))


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
            end = body_end if body_end >= 0 else body_at + _SHOWN
            yield PemBlock(label, data, body_at, end, is_closed=False)
            position = body_at if body_end < 0 else body_end
            continue
        yield PemBlock(label, data, body_at, body_end, is_closed=True)
        position = body_end + len(_END) + len(label) + len(_DASHES)


def _unescaped(body: bytes) -> bytes:
    """Return the lines of a block that is a string, or in XML."""
    if len(body) <= _LARGEST_BARE and (b"\\" in body or b"&#" in body):
        for mark in _BREAKS:
            body = body.replace(mark, b"\n")
    return body


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


def _decoded(text: bytes) -> bytes | None:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        return None
