"""Redact arguments and texts, and remember the results for arguments."""

import functools
import hashlib
from collections.abc import Iterable, Sequence

from .commands import read_commands
from .names import REDACTED
from .patterns import Span
from .texts import inner_secrets, text_secrets

# Of so many characters at most are arguments whose result is kept.
_MOST_REMEMBERED = 4096


def redacted_text(text: str) -> str:
    """Return a text without its secrets, see `redact_text`."""
    return _hidden(text, text_secrets(text, 0))


def redacted_arguments(arguments: Sequence[str]) -> list[str]:
    """Return arguments without their secrets, see `redact_arguments`."""
    if sum(map(len, arguments)) > _MOST_REMEMBERED:
        return _redacted(arguments)
    return list(_remembered(_Request(arguments)))


class _Request:
    """Arguments to redact, that equal others by their hash: a cache of them keeps no secret."""

    __slots__ = ("arguments", "digest")

    def __init__(self, arguments: Sequence[str]) -> None:
        self.arguments = arguments
        data = "\0".join(arguments).encode("utf-8", "surrogatepass")
        self.digest = (len(arguments), hashlib.blake2b(data, digest_size=16).digest())

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Request) and self.digest == other.digest


# The same processes are asked about again and again.
@functools.lru_cache(maxsize=1024)
def _remembered(request: _Request) -> tuple[str, ...]:
    arguments, request.arguments = request.arguments, ()
    return tuple(_redacted(arguments))


def _redacted(arguments: Sequence[str]) -> list[str]:
    result = list(arguments)
    found: dict[int, list[Span]] = {}
    search = functools.partial(inner_secrets, 1)
    for index, start, end in read_commands(arguments, search).spans:
        found.setdefault(index, []).append((start, end))
    for index, spans in found.items():
        result[index] = _hidden(result[index], spans)
    return result


def _hidden(text: str, spans: Iterable[Span]) -> str:
    """Return a text with REDACTED in the place of each span; of those that overlap or touch, once."""
    shown: list[str] = []
    done = 0
    last = -1
    for start, end in sorted(spans):
        if start > last:
            shown += (text[done:start], REDACTED)
        last = max(last, end)
        done = max(done, end)
    return "".join((*shown, text[done:])) if shown else text
