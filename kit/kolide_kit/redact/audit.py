"""Read the arguments of programs in the records of Linux's audit.

EXECVE has a0="mysql" a1="-pX"; PROCTITLE has proctitle=6D7973..., all arguments with zeros between them, and
USER_CMD has cmd=6D7973..., a command line. Audit writes a value as hexadecimal digits where it has blanks,
quotes or other than printable ASCII.

Source: auditd's audit-userspace documentation, ausearch(8) and its option -i.
"""

import re
from collections.abc import Iterator

from .commands import read_commands
from .findings import Search
from .patterns import Span
from .shell import Word

_ARGUMENT = re.compile(r"a\d{1,4}(?:\[\d{1,4}\])?=")
_DIGITS = re.compile(r"(?:[0-9A-F][0-9A-F])+\Z")
_ENCODED = re.compile(r"\b(?:proctitle|cmd)=([0-9A-F]{4,})(?![0-9A-Za-z])")


class EncodedWord(Word):
    """A word that stands in the text as hexadecimal digits, two for each character."""

    def span(self, start: int, end: int) -> Span:
        """Return where the digits of a part of the value stand in the text."""
        return self.sources[0] + 2 * start, self.sources[0] + 2 * end


def encoded_secrets(text: str, search: Search) -> Iterator[Span]:
    """Yield where secrets are in values of hexadecimal digits."""
    for match in _ENCODED.finditer(text):
        digits = match[1][: len(match[1]) & ~1]
        value = bytes.fromhex(digits).decode("latin-1")
        word = EncodedWord(value, False, [0], [match.start(1)])
        if "\0" not in value:
            yield from (word.span(*span) for span in search(value, True))
            continue
        arguments = value.split("\0")
        starts = [0]
        for argument in arguments:
            starts.append(starts[-1] + len(argument) + 1)
        for index, start, end in read_commands(arguments, search).spans:
            yield word.span(starts[index] + start, starts[index] + end)


def audited(words: list[Word]) -> list[Word]:
    """Return the arguments in place of words such as a0="mysql", if there are such."""
    if not any(word.value.startswith("a0=") for word in words):
        return words
    return [_argument(word) for word in words]


def _argument(word: Word) -> Word:
    match = _ARGUMENT.match(word.value)
    if match is None:
        return word
    start, value = match.end(), word.value[match.end() :]
    if not word.is_quoted and _DIGITS.match(value) is not None:
        return EncodedWord(
            bytes.fromhex(value).decode("latin-1"), False, [0], [word.source(start)], is_quoted=True
        )
    sources = [word.source(start + at) for at in range(len(value))]
    return Word(value, False, list(range(len(value))) or [0], sources or [0], word.inner, is_quoted=True)
