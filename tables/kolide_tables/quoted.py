"""Quoted strings with backslash escapes, passed over in time in proportion to their length and in constant memory.

A single regular expression for them takes either a possessive quantifier, which Python 3.11.0 to 3.11.2 match wrongly,
or 120 bytes of memory for each escape: `re` remembers every round of a repeated group, in case it has to go back.
"""

import re

__all__ = ["past_quoted"]

# So many escapes at once: what `re` remembers of them is 60 kB, and a call of it costs more than a few of them.
_AT_ONCE = 500
_MORE = {quote: re.compile(rf"[^{quote}\\]*(?:\\.[^{quote}\\]*){{0,{_AT_ONCE}}}") for quote in "\"'"}
_MORE_OF_LINE = {
    quote: re.compile(rf"[^{quote}\\\n]*(?:\\.[^{quote}\\\n]*){{0,{_AT_ONCE}}}") for quote in "\"'"
}


def past_quoted(text: str, start: int, *, one_line: bool = False) -> tuple[int, bool]:
    """Return where the string ends whose quote, single or double, is at `start`, and whether it has a closing quote.

    A backslash keeps the character behind it, other than a line feed, from ending the string. A string without a closing
    quote ends before a backslash that escapes nothing, with `one_line` at the end of its line, else at the end of the text.
    """
    more = (_MORE_OF_LINE if one_line else _MORE)[text[start]]
    end = start
    after = start + 1
    while after > end:
        end = after
        found = more.match(text, end)
        assert found is not None, "it matches nothing at all as well"
        after = found.end()
    closed = text.startswith(text[start], end)
    return end + closed, closed
