"""Places in texts, as people and editors count them: lines and columns from 1."""

from __future__ import annotations


def line_and_column(text: str | bytes, position: int) -> str:
    """Return where something stands in a text, as in "line 3 column 5", for errors.

    Args:
        text: all of the text; bytes are taken for UTF-8.
        position: how many characters, or bytes, stand before it.
    """
    before = text[:position]
    if isinstance(before, bytes):
        before = before.decode(errors="replace")
    start = before.rfind("\n") + 1
    return f"line {before.count(chr(10)) + 1} column {len(before) - start + 1}"


__all__ = ["line_and_column"]
