"""Gather the secrets in the words of a command line."""

import re
from collections.abc import Callable, Iterable, Sequence

from .names import is_path, is_secret
from .patterns import NAME, Span
from .values import secret_part

# Search a text, as a command of the shell or as a text of any kind.
Search = Callable[[str, bool], Iterable[Span]]

# Commands that may begin within another one, by the names of programs there.
_MOST_GUESSES = 8
# A whole argument NAME=VALUE, --name=value, -Dname=value, /name:value: the value is everything after the
# name.
_WHOLE = re.compile(rf"(?:--?|/|\+)?({NAME})([=:]\s?)")
_SPECIAL = re.compile(r"[=:@\s'\"`$\\;|&]|[\w\-.+/]{16}")
# Of BORG_PASSCOMMAND='echo x', and other names of what writes a secret.
_WRITTEN = ("echo ", "printf ", "print ")


class Findings:
    """The secrets in the words of a command line, and what else its programs make known."""

    def __init__(self, words: Sequence[str], search: Search, quoted: Sequence[bool] | None = None) -> None:
        self.words = words
        # (index of the word, start, end) of each secret.
        self.spans: list[tuple[int, int, int]] = []
        # A program that stands elsewhere than the word before its arguments.
        self.programs: dict[int, str] = {}
        self.is_harmless = False
        self.reads_secret = False
        self.writes = False
        self._search = search
        # A word of a text that has no quotes has been searched as a part of the text.
        self._quoted = quoted
        self._later: list[int] = []
        self._guesses = 0

    def later(self, start: int) -> None:
        """Note a word that may begin a command, too."""
        if self._guesses < _MOST_GUESSES:
            self._guesses += 1
            self._later.append(start)

    def next_guess(self) -> int | None:
        """Return the next of the words that may begin a command."""
        return self._later.pop(0) if self._later else None

    def hide(self, index: int, spans: Iterable[Span], offset: int = 0) -> None:
        """Note the secrets in a word; `offset` is where the spans count from."""
        self.spans += [(index, start + offset, end + offset) for start, end in spans]

    def plain(self, index: int) -> None:
        """Search a word of which nothing is known."""
        word = self.words[index]
        if _SPECIAL.search(word) is None:
            return
        whole = _WHOLE.match(word)
        if whole is not None and not word.startswith("://", whole.end() - 1):
            value = word[whole.end() :]
            self._written(index, whole.end())
            if " " in value and (self._quoted is None or self._quoted[index]):
                self.hide(index, self._search(value, False), whole.end())
            if is_secret(whole[1], value) and (value or whole[2] == "="):
                self.spans.append((index, whole.end(), len(word)))
                return
            if is_secret(whole[1], "x1" * 8) and is_path(value):
                return
        if self._quoted is None or self._quoted[index]:
            self.hide(index, self._search(word, False))

    def _written(self, index: int, start: int) -> None:
        value = self.words[index][start:]
        if value.startswith(_WRITTEN):
            self.hide(index, secret_part(value, "echo"), start)

    def script(self, index: int, offset: int = 0) -> None:
        """Search a word, or what follows `offset` in it, as a command of the shell."""
        if (whole := _WHOLE.match(self.words[index], offset)) is not None:
            self._written(index, whole.end())
        self.hide(index, self._search(self.words[index][offset:], True), offset)
