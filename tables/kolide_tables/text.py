r"""Bytes as the text that tables show: UTF-8, and whatever is not UTF-8 as backslash escapes.

Every bundled table makes its text here, so that the same bytes look the same everywhere.
"""

import re

__all__ = ["decode", "decode_kept", "printable", "printable_or_none", "shown"]

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),  # before UTF-16, whose mark it begins with
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


def shown(data: bytes | str) -> str:
    r"""A name, path or argument from the system, with a byte that is not UTF-8 as `\xNN`; takes a str with surrogateescape."""
    if isinstance(data, str):
        if data.isascii():
            return data
        data = data.encode("utf-8", "surrogateescape")
    return data.decode("utf-8", "backslashreplace")


def decode(data: bytes) -> str:
    r"""Text of a file: UTF-8, or what its byte order mark says; a byte that does not fit becomes `\xNN`."""
    return _decode(data, "backslashreplace")


def decode_kept(data: bytes) -> str:
    r"""Text of a file in which a byte that is not UTF-8 is kept as a lone surrogate.

    For formats with backslashes of their own, where a `\xNN` put in early would be taken for an escape: parse this, and
    pass every text that comes out through `printable`.
    """
    return _decode(data, "surrogateescape")


def _decode(data: bytes, errors: str) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            # Bytes that are no UTF-16 or UTF-32 cannot be kept as surrogates: those encodings have surrogates themselves.
            wanted = errors if encoding == "utf-8" else "backslashreplace"
            return str(memoryview(data)[len(mark) :], encoding, wanted)
    return data.decode("utf-8", errors)


def printable(text: str) -> str:
    r"""Write what is not Unicode as backslash escapes: a kept byte as `\xNN`, any other lone surrogate as `\uNNNN`."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _LONE.sub(_escape, text)
    return text


def printable_or_none(value: object) -> str | None:
    """A text of a JSON document as `printable` has it; None for what is no text."""
    return printable(value) if isinstance(value, str) else None


_LONE = re.compile("[\ud800-\udfff]")


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
