"""Places in texts, as people and editors count them: lines and columns from 1."""

from __future__ import annotations


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


__all__ = ["line_and_column"]
