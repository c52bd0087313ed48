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
# Names that a keyword had before. The server takes both.
_RENAMED = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "dsaauthentication": "pubkeyauthentication",
    "hostbasedacceptedkeytypes": "hostbasedacceptedalgorithms",
    "hostdsakey": "hostkey",
    "keepalive": "tcpkeepalive",
    "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms",
    "skeyauthentication": "kbdinteractiveauthentication",
}
# The server takes these, and does nothing with them.
_IGNORED = frozenset(
    (
        *("afstokenpassing", "authorizedkeysfile2", "checkmail", "kerberostgtpassing"),
        *("keyregenerationinterval", "pamauthenticationviakbdint", "protocol", "reversemappingcheck"),
        *("rhostsauthentication", "rhostsrsaauthentication", "rsaauthentication", "serverkeybits"),
        *("uselogin", "useprivilegeseparation", "verifyreversemapping"),
    )
)


class Line(NamedTuple):
    """A line that is not blank, and no comment.

    Attributes:
        keyword: in lower case; empty if there is none.
        words: the words behind it, without quotes and comments.
        value: the words with a blank between them, or the text as it is written where that is what counts.
        column: of the value, or of the problem, from 1.
        problem: a reason for which the server refuses the line; empty without one.
    """

    keyword: str
    words: list[str]
    value: str
    column: int
    problem: str


def parse_line(text: str) -> Line | None:
    """Return the parts of a line; None for a blank line, a comment, and what the server skips like one."""
    text = text.rstrip(_BLANKS + "\f")
    begin = text.lstrip(" \t\r")
    keyword, rest = _delimited(begin)
    if not keyword and rest is not None:
        # A line may begin with an equals sign.
        keyword, rest = _delimited(rest)
    if rest is None or not keyword or keyword.startswith("#"):
        return None
    if _KEYWORD.fullmatch(keyword) is None:
        return Line("", [], "", len(text) - len(begin) + 1, "this is no keyword")
    keyword = keyword.lower()
    words, open_quote = split_words(rest)
    value = rest if keyword in _AS_WRITTEN else " ".join(words)
    column = len(text) - len(rest) + 1
    if open_quote is not None:
        problem = "nothing closes this quote"
        column += open_quote
    else:
        problem = "" if rest else "no value after the keyword"
    return Line(keyword, words, value, column, problem)


def option_of(keyword: str) -> str | None:
    """Return the keyword of today for one in lower case; None if the server does nothing with it."""
    return None if keyword in _IGNORED else _RENAMED.get(keyword, keyword)


def _delimited(text: str) -> tuple[str, str | None]:
    """Return the first word of a text and the rest; a blank, an equals sign or a quote ends the word.

    The rest is None if a quote is not closed: the server skips such a line.
    """
    match = _BEFORE_DELIMITER.match(text)
    end = match.end() if match is not None else 0
    word, delimiter, rest = text[:end], text[end : end + 1], text[end + 1 :]
    if delimiter == '"':
        quoted, is_closed, rest = rest.partition('"')
        return word + quoted, rest.lstrip(_BLANKS) if is_closed else None
    rest = rest.lstrip(_BLANKS)
    if delimiter != "=" and rest.startswith("="):
        rest = rest[1:].lstrip(_BLANKS)
    return word, rest


def split_words(text: str) -> tuple[list[str], int | None]:
    """Split the text behind a keyword into words, and return the place of a quote that nothing closes.

    Quotes may begin and end anywhere in a word. A backslash escapes a quote and a backslash, and outside of
    quotes a blank. A # that begins a word begins a comment.
    """
    words: list[str] = []
    at, open_quote = _past_blanks(text, 0), None
    while at < len(text) and text[at] != "#":
        word, at, open_quote = _word(text, at)
        words.append(word)
        at = _past_blanks(text, at)
    return words, open_quote


def _past_blanks(text: str, at: int) -> int:
    while text.startswith((" ", "\t"), at):
        at += 1
    return at


def _word(text: str, at: int) -> tuple[str, int, int | None]:
    """Return the word that begins at a place, its end, and the place of a quote that nothing closes."""
    parts: list[str] = []
    quote, begun = "", None
    while True:
        plain = _PLAIN[quote].match(text, at)
        assert plain is not None, "it matches nothing at all as well"
        parts.append(plain[0])
        at = plain.end()
        character = text[at : at + 1]
        if not character or (not quote and character in " \t"):
            return "".join(parts), at, begun
        at += 1
        if character == "\\":
            escaped = text[at : at + 1]
            is_escape = escaped in ("'", '"', "\\") or (escaped == " " and not quote)
            parts.append(escaped if is_escape else "\\")
            at += is_escape
        elif quote:
            quote, begun = "", None
        else:
            quote, begun = character, at - 1
