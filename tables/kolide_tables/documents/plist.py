"""Read property lists, binary and XML, with the standard library's parser, after a check of its input."""

from typing import Any

from kolide_kit.limits import Budget

from ..reading.parsing import MAX_DEPTH, ParseError, too_deep

__all__ = ["plist_document"]

_BINARY = b"bplist"
# Most values that containers in several places may add, each counted as often as it is met.
_MAX_SHARED = 100_000


def plist_document(data: bytes, budget: Budget) -> object:
    """Return the document: maps, arrays, scalars, bytes, times, UIDs; raises ParseError."""
    import plistlib

    if data.startswith(_BINARY):
        _check_binary(data, budget)
        kind = plistlib.FMT_BINARY
    else:
        data = _checked_xml(data, budget)
        kind = plistlib.FMT_XML
    try:
        document: object = plistlib.loads(data, fmt=kind)
    except RecursionError as error:
        raise too_deep() from error
    except Exception as error:
        # The parser was written for correct files: it may raise anything for others.
        raise ParseError(
            f"no property list ({' '.join(str(error).split()) or type(error).__name__})"
        ) from error
    if kind is plistlib.FMT_BINARY:
        _check_shared(document, len(data) + _MAX_SHARED, budget)
    return document


def _checked_xml(data: bytes, budget: Budget) -> bytes:
    from .markup import Elements, parse, source

    parse(data, Elements(budget))
    text = source(data)
    if isinstance(text, bytes):
        return text
    # The declaration may name the encoding that the text had before.
    declaration_end = text.find("?>") + 2 if text.startswith("<?xml") else 0
    return text[declaration_end:].encode()


def _check_binary(data: bytes, budget: Budget) -> None:
    """Raise ParseError if the objects together claim more bytes than the file has.

    The parser makes each object of the offset table anew, even objects that overlap: a small file could ask
    for any amount of memory. Format: CFBinaryPList.c in Apple's CoreFoundation.
    """
    trailer = data[-32:]
    offset_size, reference_size = trailer[6:8] if len(data) >= 40 else (0, 0)
    count, table = int.from_bytes(trailer[8:16]), int.from_bytes(trailer[24:32])
    if not offset_size or not reference_size or table + count * offset_size > len(data):
        raise ParseError("no property list (its offset table is not inside it)")
    claimed = 0
    for position in range(table, table + count * offset_size, offset_size):
        budget.step()
        claimed += _claim(data, int.from_bytes(data[position : position + offset_size]), reference_size)
        if claimed > len(data):
            raise ParseError("no property list (its objects claim more bytes than it has)")


def _claim(data: bytes, offset: int, reference_size: int) -> int:
    kind, low = divmod(data[offset], 16) if offset < len(data) else (0, 0)
    if kind in (1, 2):
        return 1 + (1 << low)
    if kind in (0, 3):
        return 9 if kind else 1
    if kind == 8:
        return low + 1
    count = low
    if low == 15 and offset + 1 < len(data):
        width = 1 << (data[offset + 1] & 15)
        count = int.from_bytes(data[offset + 2 : offset + 2 + width])
    return 1 + count * {6: 2, 10: reference_size, 12: reference_size, 13: 2 * reference_size}.get(kind, 1)


def _check_shared(document: object, most: int, budget: Budget) -> None:
    """Raise ParseError for more than `most` values, or a container in itself; containers may be in several
    places, where they count again.
    """
    sizes: dict[int, int] = {}

    def size(value: Any, depth: int) -> int:
        if not isinstance(value, (dict, list)):
            return 1
        if id(value) not in sizes:
            # A cycle has no end, so it is refused here as well.
            if depth >= MAX_DEPTH:
                raise too_deep()
            members = value.values() if isinstance(value, dict) else value
            budget.step(len(members))
            sizes[id(value)] = 1 + sum(size(member, depth + 1) for member in members)
            if sizes[id(value)] > most:
                raise ParseError("no property list (what it holds several times is too much)")
        return sizes[id(value)]

    size(document, 0)
