"""Turn JSON with comments and trailing commas, as editors write it, into plain JSON."""

import re
from collections.abc import Callable

from kolide_kit.quoted import past_quoted

from .parsing import JsonError


def without_comments(text: str) -> str:
    """Return JSON with comments as JSON: `//` and `/* */` comments and trailing commas become blanks of the
    same length.
    """
    if "/" in text:
        text = _outside_strings(_STRING_OR_COMMENT, _blank_comment, text)
    return _outside_strings(_STRING_OR_COMMA, _blank_comma, text)


# A string without escapes is matched whole, any other by its opening quote.
_STRING = r'(?P<string>"[^"\\\n]*")|(?P<quote>")'
_STRING_OR_COMMENT = re.compile(_STRING + r"|//[^\n]*|/\*(?:(?s:.*?)\*/|(?P<endless>))")
_STRING_OR_COMMA = re.compile(_STRING + r"|(?P<empty>[\[{][ \t\r\n]*,)|,(?=[ \t\r\n]*[\]}])")
_NOT_SPACE = re.compile(r"[^ \t\r\n]")


def _outside_strings(marks: re.Pattern[str], blank: Callable[[re.Match[str]], str], text: str) -> str:
    """Replace the matches of `marks`, except in strings, which are skipped.

    A string ends at its closing quote or, being wrong then, at the end of its line.
    """
    parts: list[str] = []
    done = at = 0
    while (match := marks.search(text, at)) is not None:
        if match.lastgroup == "string":
            at = match.end()
        elif match.lastgroup == "quote":
            at, _ = past_quoted(text, match.start(), one_line=True)
        else:
            parts += (text[done : match.start()], blank(match))
            done = at = match.end()
    return "".join((*parts, text[done:]))


def _blank_comment(match: re.Match[str]) -> str:
    if match["endless"] is not None:
        raise JsonError(match.string, "a comment without an end", match.start())
    return _NOT_SPACE.sub(" ", match.group())


def _blank_comma(match: re.Match[str]) -> str:
    text = match.group()
    if match["empty"]:
        raise JsonError(match.string, "a comma without a value before it", match.end() - 1)
    return " " if text == "," else text
