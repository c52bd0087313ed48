"""Search texts for secrets, and for the command lines in them."""

import functools
import re
from collections.abc import Iterator

from ..quoted import past_quoted
from .arguments import WRITERS, is_option
from .audit import audited, encoded_secrets
from .clues import interesting, may_be_command, suggests_secret
from .commands import read_commands
from .findings import Findings
from .names import is_path, is_secret
from .patterns import Span, secrets_in
from .rules import program_name
from .segments import segments
from .shell import Word, shell_words

# sh -c "su -c 'sh -c ...'": nobody quotes deeper, and each level reads its text again.
_DEEPEST = 8
# A longer text is not divided into words: that takes memory for each of them.
_LONGEST = 1 << 16
_MOST_DOCUMENTS = 4
_MOST_SUBSTITUTED = 32
# A variable's assignment; its value is no other variable.
_ASSIGNED = re.compile(r"(?<![\w$\-.])(\w{1,64})=(?![$`])")
_ASSIGNED_END = re.compile(r"[\s;&|()<>\"'`]")
_VARIABLE = re.compile(r"\$\{?(\w+)")


def text_secrets(text: str, depth: int, *, is_script: bool = False) -> Iterator[Span]:
    """Yield where secrets are in a text; the spans may overlap."""
    yield from secrets_in(text)
    if depth < _DEEPEST and ("proctitle=" in text or "cmd=" in text):
        yield from encoded_secrets(text, functools.partial(inner_secrets, depth + 1))
    if depth < _DEEPEST and ((is_script and "\n" not in text) or may_be_command(text)):
        yield from _command_secrets(text, depth)


def _command_secrets(text: str, depth: int) -> Iterator[Span]:
    """Yield where secrets are in the command lines of a text."""
    pieces = list(segments(text))
    variables: set[str] = set()
    for start, end in interesting(text, pieces) if len(pieces) > 1 else pieces:
        if end - start <= _LONGEST:
            lines = _Text(text[start:end], depth)
            yield from ((start + first, start + last) for first, last in lines.secrets())
            variables |= lines.variables
    if variables:
        yield from _assigned(text, variables)


def _assigned(text: str, variables: set[str]) -> Iterator[Span]:
    """Yield the values of variables that were secrets: `p=X; mysql -p$p`."""
    for match in _ASSIGNED.finditer(text):
        if match[1] in variables:
            value = match.end()
            quoted = text[value : value + 1] in ("'", '"')
            end = past_quoted(text, value)[0] - 1 if quoted else 0
            if not quoted:
                ending = _ASSIGNED_END.search(text, value)
                end = len(text) if ending is None else ending.start()
            if end > value + quoted:
                yield value + quoted, end


def inner_secrets(depth: int, text: str, is_script: bool) -> Iterator[Span]:
    """Yield where secrets are in a text within another one."""
    return text_secrets(text, depth, is_script=is_script)


class _Text:
    """The secrets of the command lines in a text."""

    def __init__(self, text: str, depth: int) -> None:
        self._text = text
        self._depth = depth
        self._search = functools.partial(inner_secrets, depth + 1)
        self._words = shell_words(text)
        self._is_audit = "a0=" in text
        self._documents = 0
        self.variables: set[str] = set()

    def secrets(self) -> Iterator[Span]:
        """Yield the spans."""
        words: list[Word] = []
        here: list[Word] = []
        pipeline: list[_Part] = []
        at = 0
        while at < len(self._words):
            word = self._words[at]
            at += 1
            if not word.is_operator:
                words.append(word)
                if word.inner:
                    yield from self._inner(word)
                continue
            operator = word.value
            if operator[0] in "<>" or operator in ("&>", "&>>"):
                spans, at = self._redirected(at, operator, words, here)
                yield from spans
                continue
            if words:
                pipeline.append(self._part(words, here))
                words, here = [], []
            if operator not in ("|", "|&"):
                yield from self._pipeline(pipeline)
                pipeline = []
        if words:
            pipeline.append(self._part(words, here))
        yield from self._pipeline(pipeline)

    def _redirected(
        self, at: int, operator: str, words: list[Word], here: list[Word]
    ) -> tuple[list[Span], int]:
        """Take what follows a redirection; return secrets in it, and where the next word is."""
        if at == len(self._words):
            return [], at
        word = self._words[at]
        if word.is_operator:
            return self._substituted(at, words, here) if word.value == "(" else ([], at)
        if operator == "<<<":
            here.append(word)
            return list(self._inner(word)), at + 1
        if operator[:2] == "<<":
            here.append(self._document(at, operator))
        return [], at + 1

    def _substituted(self, at: int, words: list[Word], here: list[Word]) -> tuple[list[Span], int]:
        """Take `<(echo X)`: its output is a file to the command."""
        start = self._words[at].source(0)
        last = min(len(self._words), at + _MOST_SUBSTITUTED)
        closing = next((end for end in range(at + 1, last) if self._words[end].is_operator), None)
        words.append(Word("", False, [0], [start]))
        inner = self._words[at + 1 : closing]
        if closing is None or not inner or self._words[closing].value != ")":
            return [], at
        if program_name(inner[0].value) in WRITERS:
            here += [word for word in inner[1:] if not is_option(word.value)]
        spans = self._search(self._text[start + 1 : self._words[closing].source(0)], True)
        return [(start + 1 + a, start + 1 + b) for a, b in spans], closing + 1

    def _part(self, words: list[Word], here: list[Word]) -> "_Part":
        """Read a command of which the words are known."""
        shown = audited(words) if self._is_audit else words
        command = read_commands(
            [word.value for word in shown], self._search, [word.is_quoted for word in shown]
        )
        part = _Part(command, words, here)
        for index, start, end in command.spans:
            if start < end:
                part.spans += self._shown(shown[index], start, end)
        for word in here:
            if word.value and (command.reads_secret or (part.suggests and _may_be_secret(word.value))):
                part.spans.append(word.span(0, len(word.value)))
            elif word.value:
                inner = self._search(word.value, True)
                part.spans += [word.span(*span) for span in inner if span[0] < span[1]]
        return part

    def _shown(self, word: Word, start: int, end: int) -> list[Span]:
        """Return the spans to hide for a secret: of the value `$(cat FILE)` not the program and the file."""
        first, last = word.span(start, end)
        if (variable := _VARIABLE.match(self._text, first, last)) is not None:
            self.variables.add(variable[1])
        for inner_start, inner_end in word.inner:
            if inner_start <= first + 2 and inner_end >= last - 1:
                inner = [each for each in shell_words(self._text[inner_start:inner_end]) if each.value]
                return [
                    (
                        each.span(0, len(each.value))[0] + inner_start,
                        each.span(0, len(each.value))[1] + inner_start,
                    )
                    for position, each in enumerate(inner)
                    if position and not each.is_operator and not is_path(each.value)
                ]
        return [(first, last)]

    def _inner(self, word: Word) -> Iterator[Span]:
        """Yield the secrets in the commands within a word, which as texts have been searched."""
        if self._depth >= _DEEPEST:
            return
        for start, end in word.inner:
            inner = _command_secrets(self._text[start:end], self._depth + 1)
            yield from ((start + first, start + last) for first, last in inner)

    def _document(self, at: int, operator: str) -> Word:
        """Return the here-document whose delimiter is the word at `at`, as a word."""
        text = self._text
        delimiter = self._words[at]
        self._documents += 1
        # Each may have the rest of the text, and documents of its own.
        if self._documents > (1 if self._depth else _MOST_DOCUMENTS):
            return Word("", False, [0], [0])
        begin = text.find("\n", delimiter.source(0)) + 1
        end = -1 if begin == 0 else text.find(f"\n{delimiter.value}", begin - 1)
        if operator == "<<-" and begin:
            match = re.compile(rf"\n\t*{re.escape(delimiter.value)}").search(text, begin - 1)
            end = -1 if match is None else match.start()
        value = "" if begin == 0 else text[begin : len(text) if end < 0 else end]
        return Word(value, False, [0], [begin])

    @staticmethod
    def _pipeline(pipeline: list["_Part"]) -> Iterator[Span]:
        """Yield the secrets of commands, and what is written to one that reads a secret."""
        reads = suggests = False
        for part in reversed(pipeline):
            yield from part.spans
            if part.command.writes and (reads or suggests):
                yield from (
                    word.span(0, len(word.value))
                    for word in part.written()
                    if reads or _may_be_secret(word.value)
                )
            reads = reads or part.command.reads_secret
            suggests = suggests or part.suggests


class _Part:
    """A command of a pipeline."""

    def __init__(self, command: Findings, words: list[Word], here: list[Word]) -> None:
        self.command = command
        self.spans: list[Span] = []
        self._words = words
        self._here = here

    @functools.cached_property
    def suggests(self) -> bool:
        """Return whether it may read a secret, by its words."""
        return not self.command.is_harmless and any(suggests_secret(word.value) for word in self._words)

    def written(self) -> Iterator[Word]:
        """Yield the words that `echo` and the like write."""
        yield from (word for word in self._here if word.value)
        is_written = False  # what follows `cat` are files
        for word in self._words:
            if is_written and word.value and not is_path(word.value) and not is_option(word.value):
                yield word
            is_written = is_written or program_name(word.value) in WRITERS - {"cat"}


def _may_be_secret(value: str) -> bool:
    return (
        len(value) > 3
        and "://" not in value
        and is_secret("password", value)
        and re.search(r"\s", value) is None
    )
