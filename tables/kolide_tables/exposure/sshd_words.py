"""Split a line of sshd_config into its keyword and words, as the server does.

Source: `strdelim` and `argv_split` in misc.c and the reading of a line in servconf.c, OpenSSH 9.2 to 10.5.
"""

import re
from typing import NamedTuple

_BLANKS = " \t\r\n"
_KEYWORD = re.compile(r"[A-Za-z0-9]+")
_BEFORE_DELIMITER = re.compile(r'[^ \t\r\n"=]*')
# Characters that stand for themselves outside of quotes, and within each kind of quotes.
_PLAIN = {"": re.compile(r"[^\\\"' \t]*"), '"': re.compile(r'[^\\"]*'), "'": re.compile(r"[^\\']*")}
# The server takes the rest of the line as it is, quotes and all, for the values of these.
_AS_WRITTEN = frozenset(
    ("authorizedkeyscommand", "authorizedprincipalscommand", "forcecommand", "versionaddendum")
)


class Line(NamedTuple):
    """A line with a keyword.

    Attributes:
        keyword: in lower case.
        words: the words behind it, without quotes and comments.
        value: the words with a blank between them, or the text as it is written where that is what counts.
        is_closed: whether every quote is closed; the server refuses the line otherwise.
    """

    keyword: str
    words: list[str]
    value: str
    is_closed: bool


def parse_line(text: str) -> Line | None:
    """Return the parts of a line; None for a blank line, a comment, and what has no keyword."""
    text = text.lstrip(" \t\r").rstrip(_BLANKS + "\f")
    keyword, rest = _delimited(text)
    if not keyword:
        # A line may begin with an equals sign.
        keyword, rest = _delimited(rest)
    if _KEYWORD.fullmatch(keyword) is None:
        return None
    words, is_closed = split_words(rest)
    keyword = keyword.lower()
    return Line(keyword, words, rest if keyword in _AS_WRITTEN else " ".join(words), is_closed)


def _delimited(text: str) -> tuple[str, str]:
    """Return the first word of a text and the rest; a blank, an equals sign or a quote ends the word."""
    match = _BEFORE_DELIMITER.match(text)
    end = match.end() if match is not None else 0
    word, delimiter, rest = text[:end], text[end : end + 1], text[end + 1 :]
    if delimiter == '"':
        quoted, _, rest = rest.partition('"')
        return word + quoted, rest.lstrip(_BLANKS)
    rest = rest.lstrip(_BLANKS)
    if delimiter != "=" and rest.startswith("="):
        rest = rest[1:].lstrip(_BLANKS)
    return word, rest


def split_words(text: str) -> tuple[list[str], bool]:
    """Split the text behind a keyword into words, and return whether every quote is closed.

    Quotes may begin and end anywhere in a word. A backslash escapes a quote and a backslash, and outside of
    quotes a blank. A # that begins a word begins a comment.
    """
    words: list[str] = []
    at, is_closed = _past_blanks(text, 0), True
    while at < len(text) and text[at] != "#":
        word, at, is_closed = _word(text, at)
        words.append(word)
        at = _past_blanks(text, at)
    return words, is_closed


def _past_blanks(text: str, at: int) -> int:
    while text.startswith((" ", "\t"), at):
        at += 1
    return at


def _word(text: str, at: int) -> tuple[str, int, bool]:
    """Return the word that begins at a place, its end, and whether its quotes are closed."""
    parts: list[str] = []
    quote = ""
    while True:
        plain = _PLAIN[quote].match(text, at)
        assert plain is not None, "it matches nothing at all as well"
        parts.append(plain[0])
        at = plain.end()
        character = text[at : at + 1]
        if not character or (not quote and character in " \t"):
            return "".join(parts), at, not quote
        at += 1
        if character == "\\":
            escaped = text[at : at + 1]
            is_escape = escaped in ("'", '"', "\\") or (escaped == " " and not quote)
            parts.append(escaped if is_escape else "\\")
            at += is_escape
        else:
            quote = "" if quote else character
