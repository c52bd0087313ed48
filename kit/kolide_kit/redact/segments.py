"""Cut a script into pieces that can be read for themselves, so that most of a long one need not be read."""

import re
from collections.abc import Iterator

from ..quoted import past_quoted

# An escape, a quote, a parenthesis, a comment, or the end of a line.
_MARK = re.compile(r"\\.|[\n'\"`()]|(?<!\S)#[^\n]*", re.DOTALL)
_CONTINUED = re.compile(r"(?:[|&({]|\b(?:then|do))[^\S\n]*\Z")


def segments(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the pieces are: lines, of which no quote, substitution or pipeline leads to the next.

    A text with a here-document is one piece.
    """
    if "\n" not in text or "<<" in text.replace("<<<", ""):
        yield 0, len(text)
        return
    start = at = depth = 0
    closed = {"'": True, '"': True, "`": True}  # whether a further quote may still be closed
    while (mark := _MARK.search(text, at)) is not None:
        at = mark.end()
        kind = mark[0]
        if kind == "\n":
            if not depth and _CONTINUED.search(text, max(start, at - 16), at - 1) is None:
                yield start, at
                start = at
        elif kind == "(":
            depth += 1
        elif kind == ")":
            depth = max(depth - 1, 0)
        elif kind in closed and closed[kind] and not _is_apostrophe(text, mark.start()):
            end, closed[kind] = _past(text, mark.start())
            at = end if closed[kind] else at
    yield start, len(text)


def _past(text: str, start: int) -> tuple[int, bool]:
    if text[start] == '"':
        return past_quoted(text, start)
    end = text.find(text[start], start + 1) + 1
    return end, end > 0


def _is_apostrophe(text: str, at: int) -> bool:
    return text[at] == "'" and text[at - 1 : at].isalpha() and text[at + 1 : at + 2].isalpha()
