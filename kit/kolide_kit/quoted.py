"""Skip quoted strings with backslash escapes, in linear time and constant memory.

A single regular expression would need a possessive quantifier, which Python 3.11.0 to 3.11.2 match wrongly,
or 120 bytes of memory for each escape: `re` remembers every round of a repeated group, in case it has to go
back.
"""

import re

# Escapes in one call of `re`: it remembers 60 kB for so many, and a call costs more than a few escapes.
_AT_ONCE = 500
_MORE = {quote: re.compile(rf"[^{quote}\\]*(?:\\.[^{quote}\\]*){{0,{_AT_ONCE}}}") for quote in "\"'"}
_MORE_OF_LINE = {
    quote: re.compile(rf"[^{quote}\\\n]*(?:\\.[^{quote}\\\n]*){{0,{_AT_ONCE}}}") for quote in "\"'"
}


def past_quoted(text: str, start: int, *, one_line: bool = False) -> tuple[int, bool]:
    """Return where the string that opens at `start` ends, and whether a closing quote ends it.

    The quote at `start` is single or double. A backslash escapes the next character, unless that is a line
    feed. A string without a closing quote ends before a backslash that escapes nothing; else at the end of
    its line with `one_line`, or of the text.
    """
    more = (_MORE_OF_LINE if one_line else _MORE)[text[start]]
    end = start
    after = start + 1
    while after > end:
        end = after
        match = more.match(text, end)
        assert match is not None, "it matches nothing at all as well"
        after = match.end()
    closed = text.startswith(text[start], end)
    return end + closed, closed
