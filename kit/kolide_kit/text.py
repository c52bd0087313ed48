r"""Turn bytes into text to show: UTF-8, with any other byte as a backslash escape; and name places in texts.

Every bundled table makes its text here, so that the same bytes look the same everywhere.
"""

import re

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),  # before UTF-16, whose mark begins the same
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


def shown(data: bytes | str) -> str:
    r"""Return a name, path or argument of the system with each byte that is not UTF-8 as `\xNN`.

    Takes a str with surrogateescape.
    """
    if isinstance(data, str):
        if data.isascii():
            return data
        data = data.encode("utf-8", "surrogateescape")
    return data.decode("utf-8", "backslashreplace")


def decode(data: bytes) -> str:
    r"""Decode a file: UTF-8, or what its byte order mark says; a byte that does not fit becomes `\xNN`."""
    return _decode(data, "backslashreplace")


def decode_kept(data: bytes) -> str:
    r"""Decode a file, and keep each byte that is not UTF-8 as a lone surrogate.

    For formats with backslashes of their own, where an early `\xNN` would be taken for an escape: parse the
    text first, and pass everything that comes out through `printable`.
    """
    return _decode(data, "surrogateescape")


def _decode(data: bytes, errors: str) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            # UTF-16 and UTF-32 have surrogates themselves, so their wrong bytes cannot be kept as surrogates.
            wanted = errors if encoding == "utf-8" else "backslashreplace"
            return str(memoryview(data)[len(mark) :], encoding, wanted)
    return data.decode("utf-8", errors)


def printable(text: str) -> str:
    r"""Replace what is not Unicode with escapes: a kept byte by `\xNN`, other lone surrogates by `\uNNNN`."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _LONE.sub(_escape, text)
    return text


def printable_or_none(value: object) -> str | None:
    """Return a JSON value as `printable` does if it is a text, else None."""
    return printable(value) if isinstance(value, str) else None


def line_and_column(text: str | bytes, position: int) -> str:
    """Return a place in a text for errors, such as "line 3 column 5".

    Args:
        text: the whole text; bytes are read as UTF-8.
        position: number of characters, or bytes, before the place.
    """
    before = text[:position]
    if isinstance(before, bytes):
        before = before.decode(errors="replace")
    start = before.rfind("\n") + 1
    return f"line {before.count(chr(10)) + 1} column {len(before) - start + 1}"


_LONE = re.compile("[\ud800-\udfff]")


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
