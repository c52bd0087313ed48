"""What the owner of a table answers, before a value is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from ..wire.protocol import Status

ByteRows: TypeAlias = Sequence[Mapping[str, bytes]]
TextRows: TypeAlias = Sequence[Mapping[str, str]]


class Answer(NamedTuple):
    """A reply to a table call. Values are the bytes that were sent: most of them are never asked for."""

    status: Status = Status()
    rows: ByteRows = ()

    @property
    def failed(self) -> bool:
        """The statement fails with the status's message."""
        return self.status.code != 0


Caller: TypeAlias = Callable[[dict[str, str], float | None], Answer]
"""Sends a request to the owner of a table and returns its answer, by a moment of `time.monotonic()` at the latest.

A failure is a status code other than 0, with the message for the statement. `DeadlineExceeded` is for that moment alone.
"""


def to_bytes(rows: Iterable[Mapping[str, str]]) -> list[dict[str, bytes]]:
    """Rows of text as they travel."""
    return [{key: value.encode(errors="surrogateescape") for key, value in row.items()} for row in rows]


def to_text(rows: Iterable[Mapping[str, bytes]]) -> list[dict[str, str]]:
    """Rows as text, with surrogate escapes for bytes that are not UTF-8."""
    return [{key: value.decode(errors="surrogateescape") for key, value in row.items()} for row in rows]
