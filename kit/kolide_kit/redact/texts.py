"""Search texts for secrets, and for the command lines in them."""

import functools
import re
from collections.abc import Iterator

from .arguments import is_option
from .commands import WRITERS, read_commands
from .findings import Findings
from .names import is_path
from .patterns import Span, secrets_in
from .programs import SECRETS
from .rules import program_name
from .shell import Word, shell_words

# sh -c "su -c 'sh -c ...'": nobody quotes deeper, and each level reads its text again.
_DEEPEST = 8
# A longer text is not divided into words: that takes memory for each of them.
_LONGEST = 1 << 16
_MOST_DOCUMENTS = 4
_CLUE = re.compile(r"\s-[pPwW]\s|\\|\$\(|`|[\"'][^\"']*[\"'][^\"']*[\"']|\ba0=")
_SEPARATORS = re.compile(r"[\s/\\'\"=(|;&`<>,\[\]{}$]+")
_AUDIT = re.compile(r"a\d{1,4}=")


def text_secrets(text: str, depth: int, *, is_script: bool = False) -> Iterator[Span]:
    """Yield where secrets are in a text; the spans may overlap."""
    yield from secrets_in(text)
    if depth < _DEEPEST and len(text) <= _LONGEST and (is_script or _may_be_command(text)):
        yield from _Text(text, depth).secrets()


@functools.cache
def _secretive() -> frozenset[str]:
    """Return the names of the programs that have secrets among their arguments."""
    names = {name.partition("/")[0] for line in SECRETS for name in line[0].split()}
    names.add("sudo")
    return frozenset(f"{name}{ending}" for name in names for ending in ("", ".exe", ".py"))


def _may_be_command(text: str) -> bool:
    """Return whether dividing a text into words may find more than searching it: most texts are none."""
    return _CLUE.search(text) is not None or not _secretive().isdisjoint(_SEPARATORS.split(text.lower()))


class _Text:
    """The secrets of the command lines in a text."""

    def __init__(self, text: str, depth: int) -> None:
        self._text = text
        self._depth = depth
        self._words = shell_words(text)
        self._documents = 0

    def secrets(self) -> Iterator[Span]:
        """Yield the spans."""
        words: list[Word] = []
        pipeline: list[tuple[Findings, list[Word], list[Word]]] = []
        here: list[Word] = []
        at = 0
        while at < len(self._words):
            word = self._words[at]
            at += 1
            if not word.is_operator:
                words.append(word)
                yield from self._inner(word)
                continue
            operator = word.value
            if operator[0] in "<>" or operator in ("&>", "&>>"):
                if at < len(self._words) and not self._words[at].is_operator and operator not in "()":
                    if operator == "<<<":
                        here.append(self._words[at])
                        yield from self._inner(self._words[at])
                    elif operator[:2] == "<<":
                        here.append(self._document(at, operator))
                    at += 1
                continue
            if words:
                command, spans = self._run(words, here)
                yield from spans
                pipeline.append((command, words, here))
                words, here = [], []
            if operator not in ("|", "|&"):
                yield from self._piped(pipeline)
                pipeline = []
        if words:
            command, spans = self._run(words, here)
            yield from spans
            pipeline.append((command, words, here))
        yield from self._piped(pipeline)

    def _search(self, text: str, is_script: bool) -> Iterator[Span]:
        return text_secrets(text, self._depth + 1, is_script=is_script)

    def _run(self, words: list[Word], here: list[Word]) -> tuple[Findings, list[Span]]:
        """Search a command of which the words are known."""
        values = [word.value for word in words]
        offsets = _audited(values)
        command = read_commands(
            values,
            self._search,
            [word.is_quoted or offset > 0 for word, offset in zip(words, offsets, strict=True)],
        )
        spans: list[Span] = []
        for index, start, end in command.spans:
            if start < end:
                spans += self._shown(words[index], start + offsets[index], end + offsets[index])
        for word in here:
            if word.value and command.reads_secret:
                spans.append(word.span(0, len(word.value)))
            elif word.value:
                inner = self._search(word.value, True)
                spans += [word.span(*span) for span in inner if span[0] < span[1]]
        return command, spans

    def _shown(self, word: Word, start: int, end: int) -> list[Span]:
        """Return the spans to hide for a secret: of the value `$(cat FILE)` not the program and the file."""
        first, last = word.span(start, end)
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
        """Yield the secrets in the commands within a word."""
        if self._depth >= _DEEPEST:
            return
        for start, end in word.inner:
            inner = self._text[start:end]
            yield from ((start + a, start + b) for a, b in self._search(inner, True))

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
    def _piped(pipeline: list[tuple[Findings, list[Word], list[Word]]]) -> Iterator[Span]:
        """Yield what is written to a program that reads a secret: `echo X | chpasswd`."""
        reads = False
        for command, words, here in reversed(pipeline):
            if reads and command.writes:
                yield from (word.span(0, len(word.value)) for word in here if word.value)
                is_written = False
                for word in words:
                    if is_written and word.value and not is_path(word.value) and not is_option(word.value):
                        yield word.span(0, len(word.value))
                    is_written = is_written or program_name(word.value) in WRITERS
            reads = reads or command.reads_secret


def _audited(values: list[str]) -> list[int]:
    """Strip the names of arguments in audit's records, a0="mysql" a1="-pX"; return how much was stripped."""
    offsets = [0] * len(values)
    if any(value.startswith("a0=") for value in values):
        for index, value in enumerate(values):
            match = _AUDIT.match(value)
            if match is not None:
                offsets[index] = match.end()
                values[index] = value[match.end() :]
    return offsets
