"""Divide a command line into words by the rules of the shell, and remember where each character stood.

Texts that are no command lines are divided as well, so nothing here fails: a quote that is not closed, or
that is an apostrophe, stands for itself.

Source: POSIX.1-2024, Shell Command Language, and bash(1).
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ..quoted import past_quoted

# Behind blanks an operator (`2>&1`, `<<<`, `&&`: what separates words, and is one itself), or a plain word.
_NEXT = re.compile(
    r"[^\S\n]*(?:(<<<|<<-?|&&|\|\||;;|\|&|>>|>&|<&|&>>?|[|&;()<>\n])|([^\s\\'\"`$|&;()<>]+)(?=\s|\Z))?"
)
_START = (0,)
_PLAIN = re.compile(r"[^\s\\'\"`$|&;()<>]+")
_ESCAPED = re.compile(r"\\([$`\"\\\n])")
_ESCAPED_OF_LIST = re.compile(r"\\([\"'\\])")
_LIST = re.compile(r"'\[(?:'|\"[^\"]*\",)")
_PLAIN_STRING = re.compile(r"[^\\$]*\Z")
_LIST_END = re.compile(r"[,\]})]+(?=\s|['\"]|\Z)")


@dataclass(slots=True)
class Word:
    """A word without its quotes, or an operator.

    `starts` and `sources` map the value's characters to those of the text: from each start on, characters
    follow each other in the text as they do in the value. `inner` has the commands within: `$(...)`.
    """

    value: str
    is_operator: bool
    starts: Sequence[int]
    sources: Sequence[int]
    inner: Sequence[tuple[int, int]] = ()
    is_quoted: bool = False

    def source(self, position: int) -> int:
        """Return where the value's character at `position` stands in the text."""
        piece = bisect_right(self.starts, position) - 1
        return self.sources[piece] + position - self.starts[piece]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where a part of the value, which is not empty, stands in the text."""
        return self.source(start), self.source(end - 1) + 1


def shell_words(text: str) -> list[Word]:
    """Return the words and operators of a text."""
    return _Lexer(text).words()


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._closed = {"'": True, '"': True, "`": True}  # whether a further quote may still be closed
        self._in_list = False
        self._parentheses: dict[int, int] | None = None

    def words(self) -> list[Word]:
        text, found = self._text, []
        while (token := _NEXT.match(text, self._at)) is not None:
            operator, word = token.groups()
            if operator is not None or word is not None:
                found.append(
                    Word(operator or word, word is None, _START, (token.start(token.lastindex or 0),))
                )
                self._at = token.end()
                continue
            self._at = token.end()
            if self._at == len(text):
                break
            found.append(self._word())
        return found

    def _word(self) -> Word:
        """Return the word that begins here."""
        text = self._text
        start = self._at
        self._values: list[str] = []
        self._starts: list[int] = []
        self._sources: list[int] = []
        self._inner: list[tuple[int, int]] = []
        self._length = 0
        while self._at < len(text) and self._piece(start):
            pass
        if not self._starts:
            self._add("", self._at)
        value = "".join(self._values)
        is_quoted = len(value) != self._at - start
        return Word(value, False, self._starts, self._sources, self._inner, is_quoted)

    def _add(self, value: str, source: int) -> None:
        # Pieces that follow each other in the text are one.
        if self._sources and self._sources[-1] + self._length - self._starts[-1] == source:
            self._values.append(value)
        else:
            self._starts.append(self._length)
            self._sources.append(source)
            self._values.append(value)
        self._length += len(value)

    def _piece(self, start: int) -> bool:
        """Take the next piece of the word that began at `start`; return False at the word's end."""
        text, at = self._text, self._at
        plain = _PLAIN.match(text, at)
        if plain is not None:
            if at > start and text[at - 1] in "'\"" and (end := _LIST_END.match(text, at)) is not None:
                self._at = end.end()  # the comma of ["a", "b"] is no part of the word
                self._in_list = self._in_list and "]" not in end[0]
                return False
            value = plain[0]
            is_list = (
                at == start and value.strip("[{(") == "" and text[plain.end() : plain.end() + 1] in "'\""
            )
            if not is_list:
                self._add(value, at)
            elif value.endswith("["):
                self._in_list = True
            self._at = plain.end()
            return True
        character = text[at]
        if character in "'\"":
            return self._quoted(character)
        if character == "\\" and re.match(r"[A-Za-z]:\\", text[start : start + 3]):
            self._add(character, at)  # C:\bin\x of Windows has no escapes
            self._at = at + 1
            return True
        if character == "\\":
            if at + 1 < len(text) and text[at + 1] != "\n":
                self._add(text[at + 1], at + 1)
            self._at = min(at + 2, len(text))
            return True
        if character == "`":
            return self._substitution(at + 1, self._backquote(at), 1)
        if character == "$":
            if text.startswith("$(", at) and not text.startswith("$((", at):
                return self._substitution(at + 2, self._parenthesis(at + 1), 1)
            if text.startswith(("$'", '$"'), at):
                self._at += 1
            else:
                self._add(character, at)
                self._at += 1
            return True
        return False

    def _quoted(self, quote: str) -> bool:
        """Take a quoted string; an apostrophe, and a quote that is not closed, stand for themselves."""
        text, at = self._text, self._at
        if text.startswith("'[", at) and _LIST.match(text, at):  # Python's: Command '['a', 'b']' returned ...
            self._at = at + 2
            self._in_list = True
            return True
        is_plain = quote == "'" and text[at - 1 : at] != "$" and not self._in_list
        end = -1
        if self._closed[quote] and not self._is_apostrophe(at):
            if is_plain:
                end = text.find("'", at + 1)
                self._closed[quote] = end >= 0
            else:
                past, closed = past_quoted(text, at)
                end = past - 1 if closed else -1
                self._closed[quote] = closed
        if end < 0:
            self._add(quote, at)
            self._at = at + 1
            return True
        if is_plain:
            self._add(text[at + 1 : end], at + 1)
        else:
            self._unescape(at + 1, end)
        self._at = end + 1
        return True

    def _unescape(self, start: int, end: int) -> None:
        text, done = self._text, start
        if _PLAIN_STRING.match(text, start, end) is not None:
            self._add(text[start:end], start)
            return
        self._find_inner(start, end)
        pattern = _ESCAPED_OF_LIST if self._in_list else _ESCAPED
        for escaped in pattern.finditer(text, start, end):
            if escaped.start() > done:
                self._add(text[done : escaped.start()], done)
            if escaped[1] != "\n":
                self._add(escaped[1], escaped.start(1))
            done = escaped.end()
        self._add(text[done:end], done)

    def _find_inner(self, start: int, end: int) -> None:
        """Note the commands within a string in double quotes."""
        at = start
        while (text_at := self._text.find("$(", at, end)) >= 0:
            closing = self._parenthesis(text_at + 1)
            at = text_at + 2
            if text_at < closing < end:
                self._inner.append((text_at + 2, closing))
                at = closing + 1

    def _is_apostrophe(self, at: int) -> bool:
        """Return whether a quote is the apostrophe of a word such as can't."""
        text = self._text
        if text[at] != "'" or not (text[at - 1 : at].isalnum() and text[at + 1 : at + 2].isalpha()):
            return False
        first = self._values[0][:1] if self._values else ""
        return first.isalpha() and not any("=" in value for value in self._values)

    def _substitution(self, start: int, end: int, closing: int) -> bool:
        text, at = self._text, self._at
        if end < 0:
            self._add(text[at:start], at)
            self._at = start
            return True
        self._inner.append((start, end))
        self._add(text[at : end + closing], at)
        self._at = end + closing
        return True

    def _backquote(self, at: int) -> int:
        end = self._text.find("`", at + 1) if self._closed["`"] else -1
        self._closed["`"] = end >= 0
        return end

    def _parenthesis(self, at: int) -> int:
        """Return where the parenthesis at `at` is closed; -1 if it is not. Quotes are not looked at."""
        if self._parentheses is None:
            self._parentheses = {}
            opened: list[int] = []
            for match in re.finditer(r"[()]", self._text):
                if match[0] == "(":
                    opened.append(match.start())
                elif opened:
                    self._parentheses[opened.pop()] = match.start()
        return self._parentheses.get(at, -1)
