"""Split sudoers into tokens, line by line, as sudo does.

Source: plugins/sudoers/toke.l and toke_util.c of sudo 1.9.13 to 1.9.18. Like there, the longest rule of a
state wins, and of rules with the same length the first.

    INITIAL --a path--> GOTCMND --the end of its arguments--> INITIAL
    INITIAL --Defaults, with what they are for--> GOTDEFS --a blank--> STARTDEFS <--a comma, a name--> INDEFS
    a quote --> INSTR --a quote--> the state before it
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from kolide_kit.text import decode, shown

MOST_LINE = 1 << 16  # characters
_TOO_LONG = re.compile(rb"([^\n]{%d})[^\n]+" % (MOST_LINE + 1))

_TAGS = "(?:NO)?(?:PASSWD|EXEC|INTERCEPT|SETENV|LOG_OUTPUT|LOG_INPUT|MAIL|FOLLOW)"  # before a colon
_WORD = r"(?:[^#>!=:,() \t\r\n\\\"]|\\[^\t\n])+"
_ID = r"#-?[0-9]+"
_PATH = r"/(?:\\[,:= \t#]|[^,:=\\ \t\r\n#])+"
_REGEX = r"\^(?:\\[#$]|[^#\r\n$])*\$"
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})"
_V4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_HEX = "[0-9A-Fa-f]{0,4}"
_V6 = rf"(?:(?:{_HEX}:){{2,6}}:{_V4}|(?:{_HEX}:){{2,7}}{_HEX})"
_DIGITS = "0123456789"
_HEX_DIGITS = _DIGITS + "abcdefABCDEF"
_BASE64_LENGTHS = {"sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}


class Token(NamedTuple):
    """A token.

    Attributes:
        kind: a mark stands for itself, "error" for what fits nowhere.
        text: its value, without quotes and escapes.
        at: its index in the text that is read.
        arguments: those of a command; None if it has none written.
    """

    kind: str
    text: str
    at: int
    arguments: str | None = None


class Entry(NamedTuple):
    """The tokens of one line, with the lines that continue it; the last token is a line feed.

    Attributes:
        line: the number of the line that it begins in, from 1.
        tokens: None for a line that is too long.
        text: in which it is, with other lines.
        begin: its index in that text.
    """

    line: int
    tokens: list[Token] | None
    text: str
    begin: int

    def place(self, at: int) -> tuple[int, int]:
        """Return the line and column of an index of the text, both from 1."""
        return self.line + self.text.count("\n", self.begin, at), at - self.text.rfind("\n", 0, at)


class _Rule(NamedTuple):
    kind: str
    pattern: re.Pattern[str]
    # Characters that it can begin with; None for any.
    begins: str | None = None
    at_line_start: bool = False
    state: str | None = None


def _rule(
    kind: str,
    pattern: str,
    begins: str | None = None,
    *,
    at_line_start: bool = False,
    state: str | None = None,
) -> _Rule:
    return _Rule(kind, re.compile(pattern), begins, at_line_start, state)


_ANYWHERE = (
    _rule("negation", "!+", "!"),
    _rule("\n", r"\r?\n", "\r\n"),
    _rule("blank", r"[ \t]+", " \t"),
    _rule("continuation", r"\\[ \t]*\r?\n", "\\"),
    _rule("error", r"[^\n]"),
)
_COMMENT = _rule("comment", r"#(?:-[^\r\n0-9][^\n]*|[^\r\n0-9-][^\n]*)?(?:\r?\n)?", "#")
# A line without a token, as most lines are: the same as the rules for blanks and comments would find.
_IDLE_LINE = re.compile(r"[ \t]*(?:#(?!include)(?:(?:-(?![0-9\r\n])|[^\r\n0-9-])[^\r\n]*)?)?\r?\n")
# Rules of all states that expect names or commands.
_NAMES = (
    _rule("tag", rf"{_TAGS}[ \t]*:", "NPEISLMF"),
    _rule("netgroup", rf"\+{_WORD}", "+"),
    _rule("usergroup", rf"%:?(?:{_WORD}|{_ID})", "%"),
    _rule("network", rf"{_V4}(?:/{_V4})?", _DIGITS),
    _rule("network", rf"{_V4}/(?:3[0-2]|[12]?[0-9])", _DIGITS),
    _rule("network", rf"{_V6}(?:/{_V6})?", _HEX_DIGITS + ":"),
    _rule("network", rf"{_V6}/(?:1[01][0-9]|12[0-8]|[1-9][0-9]|[0-9])", _HEX_DIGITS + ":"),
    _rule("all", "ALL", "A"),
)
_OPTIONS = (
    _rule("option", "TIMEOUT|NOTBEFORE|NOTAFTER|ROLE|TYPE|APPARMOR_PROFILE|PRIVS|LIMITPRIVS", "TNRALP"),
    _rule("option", "CWD|CHROOT", "C", state="EXPECTPATH"),
)
_COMMANDS = (
    _rule("alias", "[A-Z][A-Z0-9_]*"),
    _rule("digest_type", "sha(?:224|256|384|512)", "s", state="WANTDIGEST"),
    _rule("command_begins", "sudoedit", "s", state="GOTCMND"),
    _rule("command_begins", _PATH, "/", state="GOTCMND"),
    _rule("regex_begins", _REGEX, "^", state="GOTCMND"),
)
_MARKS = (_rule("mark", r"[(),=:]", "(),=:"),)
_EMPTY_NAME = _rule("error", r"\+|%:?", "+%")
_QUOTE = _rule("quote", '"', '"', state="INSTR")
_ANY_WORD = _rule("word", f"(?:{_ID}|{_WORD})")

_STATES = {
    "INITIAL": (
        _rule("include", "@include", "@", state="GOTINC"),
        _rule("includedir", "@includedir", "@", state="GOTINC"),
        _rule("include", r"#include[ \t][^\n]*\n", "#", at_line_start=True, state="GOTINC"),
        _rule("includedir", r"#includedir[ \t][^\n]*\n", "#", at_line_start=True, state="GOTINC"),
        _rule(
            "defaults", rf"[ \t]*Defaults(?:[:@>!][ \t]*!*\"?(?:{_ID}|{_WORD}))?", " \tD", at_line_start=True
        ),
        _rule("aliases", r"[ \t]*(?:Host|Cmnd|Cmd|User|Runas)_Alias", " \tHCUR", at_line_start=True),
        *_NAMES[:1],
        _EMPTY_NAME,
        *_NAMES[1:],
        *_OPTIONS,
        *_COMMANDS,
        _QUOTE,
        _ANY_WORD,
        *_MARKS,
        *_ANYWHERE[:-1],
        _COMMENT,
        _ANYWHERE[-1],
    ),
    "GOTDEFS": (
        _rule("mark", r"[ \t]*,[ \t]*", " \t,"),
        _rule("blank", r"[ \t]+", " \t", state="STARTDEFS"),
        *_NAMES[:1],
        _EMPTY_NAME,
        *_NAMES[1:],
        _COMMANDS[0],
        _rule("command", f"{_PATH}|{_REGEX}|sudoedit", "/^s"),
        *_COMMANDS[1:],
        _QUOTE,
        _ANY_WORD,
        *_MARKS,
        *_ANYWHERE,
    ),
    "WANTDIGEST": (
        _rule("digest", "[A-Za-z0-9+/=]+"),
        *_NAMES,
        *_COMMANDS,
        *_MARKS,
        *_ANYWHERE,
    ),
    "EXPECTPATH": (
        *_NAMES,
        *_COMMANDS[:3],
        _rule("path", f"{_PATH}|{_WORD}", state="INITIAL"),
        _QUOTE,
        *_MARKS,
        *_ANYWHERE,
    ),
    "STARTDEFS": (_rule("variable", "[a-z_]+", state="INDEFS"), *_ANYWHERE[:-1], _COMMENT, _ANYWHERE[-1]),
    "INDEFS": (
        _rule("mark", ",", ",", state="STARTDEFS"),
        _rule("mark", r"[+-]?=", "+-="),
        _QUOTE,
        _rule("word", r"(?:[^#!=, \t\r\n\\\"]|\\[^\r\n])(?:[^#=, \t\r\n\\\"]|\\[^\r\n])*"),
        *_ANYWHERE[:-1],
        _COMMENT,
        _ANYWHERE[-1],
    ),
    "INSTR": (
        _rule("continuation_of_string", r"\\[ \t]*\r?\n[ \t]*", "\\"),
        _rule("end_of_string", '"', '"'),
        _rule("text", r"\\", "\\"),
        _rule("text", r'(?:[^"\r\n\\]|\\")+'),
        _rule("broken_string", r"\r?\n", "\r\n"),
        _rule("error", r"[^\n]"),
    ),
    "GOTCMND": (
        _rule("argument", r"\\[*?\[\]!^]", "\\"),
        _rule("escaped_argument", r"\\[:\\,= \t#]", "\\"),
        _rule("command_ends", r"[#:,=\r\n]", "#:,=\r\n"),
        _rule("argument", r"[^#\\:, \t\r\n]+"),
        *_ANYWHERE,
    ),
    "GOTREGEX": (
        _rule("part", r"\\[^\r\n]", "\\"),
        _rule("unfinished", r"[#\r\n]", "#\r\n"),
        _rule("regex_ends", r"\$", "$"),
        _rule("part", r"[^#\\\r\n$]+"),
        *_ANYWHERE,
    ),
    "GOTINC": (
        _rule("word", r"[^\" \t\r\n\f\v](?:\\[ \t]|[^ \t\r\n\f\v])*", state="INITIAL"),
        _QUOTE,
        *_ANYWHERE,
    ),
}


def entries(content: bytes) -> Iterator[Entry]:
    """Yield the tokens of each line that is not blank."""
    line = 1
    for part in _parts(content):
        # What is too long is not read, so the rest of it need not be in memory as text.
        text = shown(_TOO_LONG.sub(rb"\1", part))
        # sudo reads a line up to a NUL.
        text = re.sub("\0[^\n]*", "", text)
        yield from _Lexer(text if text.endswith("\n") else text + "\n", line).entries()
        line += part.count(b"\n")


def _parts(content: bytes) -> Iterator[bytes]:
    """Yield a file in parts of whole lines with those that continue them, to have little of it as text."""
    begin = 0
    while begin < len(content):
        end = content.find(b"\n", begin + MOST_LINE) + 1
        while end and _is_continued(content, end):
            end = content.find(b"\n", end) + 1
        yield content[begin : end or len(content)]
        begin = end or len(content)


def _is_continued(content: bytes, end: int) -> bool:
    """Return whether the line that ends at a place goes on behind it, or may."""
    line = content[content.rfind(b"\n", 0, end - 1) + 1 : end].partition(b"\0")[0]
    return line.rstrip(b" \t\r\n").endswith(b"\\")


class _Lexer:
    """Reads a text from one end to the other."""

    def __init__(self, text: str, line: int) -> None:
        self._text = text
        self._at = 0
        self._line = line
        self._state = "INITIAL"
        # The state before a quote, and what was read of the string behind it.
        self._before = "INITIAL"
        self._string: list[str] = []
        # The command that is being read, its arguments, and whether a blank comes before the next one.
        self._command = ""
        self._arguments: list[str] = []
        self._has_space = False
        self._is_continued = False
        self._digest_type = ""
        # The rules of a state that can begin with a character.
        self._candidates: dict[tuple[str, str], list[_Rule]] = {}
        # Behind the ^ before this place there is no whole regular expression.
        self._no_regex_before = 0

    def entries(self) -> Iterator[Entry]:
        tokens: list[Token] = []
        begin, begun, is_too_long = 0, self._line, False
        while self._at < len(self._text):
            if not tokens and begin == self._at and self._skip_idle_line():
                begin, begun = self._at, self._line
                continue
            if self._is_at_line_start() and self._text.find("\n", self._at) - self._at > MOST_LINE:
                is_too_long = True
                self._at = self._text.find("\n", self._at)
                self._state = "INITIAL"
            token = self._next()
            if token is None:
                continue
            is_too_long = is_too_long or self._at - begin > MOST_LINE
            if not is_too_long:
                tokens.append(token)
            if token.kind == "\n":
                if is_too_long or len(tokens) > 1:
                    yield Entry(begun, None if is_too_long else tokens, self._text, begin)
                tokens, begin, begun, is_too_long = [], self._at, self._line, False
        if tokens:
            # The last line goes on behind the end of the file.
            yield Entry(begun, [*tokens, Token("error", "", self._at)], self._text, begin)

    def _skip_idle_line(self) -> bool:
        match = _IDLE_LINE.match(self._text, self._at)
        if match is None:
            return False
        self._at = match.end()
        self._line += 1
        return True

    def _is_at_line_start(self) -> bool:
        return self._at == 0 or self._text[self._at - 1] == "\n"

    def _next(self) -> Token | None:
        """Read on by one rule, and return the token, if it makes one."""
        rule, text = self._longest()
        begin = self._at
        self._at += len(text)
        state = self._state
        if rule.state is not None:
            self._state = rule.state
        handler = _HANDLERS.get(rule.kind)
        if handler is not None:
            return handler(self, text, begin, state)
        return Token(rule.kind, _plain(text), begin)

    def _longest(self) -> tuple[_Rule, str]:
        first = self._text[self._at]
        best, end = None, self._at
        rules = self._candidates.get((self._state, first))
        if rules is None:
            rules = [rule for rule in _STATES[self._state] if rule.begins is None or first in rule.begins]
            self._candidates[self._state, first] = rules
        for rule in rules:
            if rule.at_line_start and not self._is_at_line_start():
                continue
            if rule.kind == "regex_begins" and self._at < self._no_regex_before:
                continue
            match = rule.pattern.match(self._text, self._at)
            if match is not None and match.end() > end:
                best, end = rule, match.end()
            elif match is None and rule.kind == "regex_begins":
                self._no_regex_before = self._end_of_regex()
        assert best is not None, "the last rule matches any character"
        return best, self._text[self._at : end]

    def _end_of_regex(self) -> int:
        match = re.compile(r"(?:\\#|[^#\r\n])*").match(self._text, self._at)
        return match.end() if match is not None else self._at

    def mark(self, text: str, at: int, _state: str) -> Token:
        return Token(text.strip(" \t"), "", at)

    def tag(self, text: str, at: int, _state: str) -> Token:
        return Token("tag", text[:-1].rstrip(" \t"), at)

    def defaults(self, text: str, at: int, _state: str) -> Token:
        if self._is_continued:
            return Token("error", "", at)
        match = re.match(r"[ \t]*Defaults([:@>!]?)[ \t]*", text)
        assert match is not None, "the rule matched it"
        # What follows is read once more, as names.
        self._at += (match.end() if match[1] else len(text)) - len(text)
        self._state = "GOTDEFS"
        return Token("defaults", match[1], at)

    def aliases(self, text: str, at: int, _state: str) -> Token:
        if self._is_continued:
            return Token("error", "", at)
        return Token("aliases", text.strip(" \t")[0], at)

    def include(self, text: str, at: int, _state: str) -> Token:
        if self._is_continued:
            self._state = "INITIAL"
            return Token("error", "", at)
        kind = "includedir" if text.startswith("includedir", 1) else "include"
        # The rule has read the whole line, so that it is no comment.
        self._at += 1 + len(kind) - len(text)
        return Token(kind, "", at)

    def network(self, text: str, at: int, _state: str) -> Token:
        # "::" may be in an address once.
        is_valid = all(len(re.findall("::", part)) <= 1 and ":::" not in part for part in text.split("/"))
        return Token("network" if is_valid else "error", text, at)

    def negation(self, text: str, at: int, _state: str) -> Token | None:
        return Token("!", "", at) if len(text) % 2 else None

    def blank(self, _text: str, _at: int, _state: str) -> None:
        self._has_space = True

    def continuation(self, _text: str, _at: int, _state: str) -> None:
        self._has_space = self._is_continued = True
        self._line += 1

    def newline(self, text: str, at: int, _state: str) -> Token:
        if not text.endswith("\n"):
            return Token("error", "", at)
        self._state, self._is_continued = "INITIAL", False
        self._line += 1
        return Token("\n", "", at)

    def quote(self, _text: str, _at: int, state: str) -> None:
        self._before = {"EXPECTPATH": "INITIAL", "GOTINC": "INITIAL"}.get(state, state)
        self._string = []

    def text_of_string(self, text: str, _at: int, _state: str) -> None:
        self._string.append(_plain(text))

    def continuation_of_string(self, _text: str, _at: int, _state: str) -> None:
        self._is_continued = True
        self._line += 1

    def end_of_string(self, _text: str, at: int, _state: str) -> Token:
        self._state = self._before
        text = "".join(self._string)
        if text in ("", "%", "%:", "+"):
            return Token("error", "", at)
        kind = {"%": "usergroup", "+": "netgroup"}.get(text[0], "word")
        return Token(kind if self._state in ("INITIAL", "GOTDEFS") else "word", text, at)

    def broken_string(self, text: str, at: int, _state: str) -> Token:
        self._at -= len(text)
        self._state = "INITIAL"
        return Token("error", "", at)

    def digest(self, text: str, at: int, _state: str) -> Token | None:
        self._state = "INITIAL"
        size = _BASE64_LENGTHS[self._digest_type]
        is_hex = len(text) == size * 2 and re.fullmatch("[0-9A-Fa-f]+", text) is not None
        length = 4 * ((size + 2) // 3) if text.endswith("=") else (4 * size + 2) // 3
        return Token("digest", text, at) if is_hex or len(text) == length else None

    def type_of_digest(self, text: str, at: int, _state: str) -> Token:
        self._digest_type = text
        return Token("digest_type", text, at)

    def begin_command(self, text: str, at: int, _state: str) -> Token | None:
        self._command, self._arguments = _command(text), []
        if text.endswith("/"):
            # A folder has no arguments.
            self._state = "INITIAL"
            return self._end_command(at)
        return None

    def begin_regex(self, text: str, _at: int, _state: str) -> None:
        self._command, self._arguments = text, []

    def whole_command(self, text: str, at: int, _state: str) -> Token:
        return Token("command", text if text.startswith("^") else _command(text), at)

    def argument(self, text: str, _at: int, _state: str) -> None:
        if not self._arguments and text.startswith("^"):
            self._state = "GOTREGEX"
            self._at -= len(text)
            return
        if self._has_space and self._arguments:
            self._arguments.append(" ")
        self._arguments.append(text)
        self._has_space = False

    def escaped_argument(self, text: str, at: int, state: str) -> None:
        self.argument(text[1:], at, state)

    def part(self, text: str, _at: int, _state: str) -> None:
        if self._is_continued and not text.startswith("\\"):
            text, self._is_continued = text.lstrip(" \t"), False
        self._arguments.append(text)

    def end_regex(self, _text: str, at: int, _state: str) -> Token:
        self._arguments.append("$")
        self._state, self._is_continued = "INITIAL", False
        return self._end_command(at)

    def unfinished(self, text: str, at: int, _state: str) -> Token:
        self._at -= len(text)
        self._state = "INITIAL"
        return Token("error", "", at)

    def command_ends(self, text: str, at: int, _state: str) -> Token:
        self._at -= len(text)
        self._state = "INITIAL"
        return self._end_command(at)

    def _end_command(self, at: int) -> Token:
        arguments = "".join(self._arguments) if self._arguments else None
        return Token("command", self._command, at, arguments)


_HANDLERS = {
    "mark": _Lexer.mark,
    "tag": _Lexer.tag,
    "defaults": _Lexer.defaults,
    "aliases": _Lexer.aliases,
    "include": _Lexer.include,
    "includedir": _Lexer.include,
    "network": _Lexer.network,
    "negation": _Lexer.negation,
    "blank": _Lexer.blank,
    "continuation": _Lexer.continuation,
    "\n": _Lexer.newline,
    "comment": _Lexer.newline,
    "quote": _Lexer.quote,
    "text": _Lexer.text_of_string,
    "continuation_of_string": _Lexer.continuation_of_string,
    "end_of_string": _Lexer.end_of_string,
    "broken_string": _Lexer.broken_string,
    "digest": _Lexer.digest,
    "digest_type": _Lexer.type_of_digest,
    "command_begins": _Lexer.begin_command,
    "regex_begins": _Lexer.begin_regex,
    "command": _Lexer.whole_command,
    "argument": _Lexer.argument,
    "escaped_argument": _Lexer.escaped_argument,
    "part": _Lexer.part,
    "regex_ends": _Lexer.end_regex,
    "unfinished": _Lexer.unfinished,
    "command_ends": _Lexer.command_ends,
}


def _command(text: str) -> str:
    """Return a command without the backslashes that only sudoers needs; sudoedit has no path."""
    path = re.sub(r"\\([,:= \t#])", r"\1", text)
    return "sudoedit" if path.endswith("/sudoedit") else path


def _plain(text: str) -> str:
    r"""Return a word without its backslashes; \x41 stands for a byte."""
    if "\\" not in text:
        return text
    data = re.sub(
        rb"\\(?:x([0-9A-Fa-f]{2})|(.))",
        lambda match: bytes((int(match[1], 16),)) if match[1] else match[2],
        text.encode(errors="surrogatepass"),
        flags=re.DOTALL,
    )
    return decode(data)
