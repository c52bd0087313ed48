"""An answer to a table call, with values as the bytes that were sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from ..wire.protocol import Status

ByteRows: TypeAlias = Sequence[Mapping[str, bytes]]
TextRows: TypeAlias = Sequence[Mapping[str, str]]


class Answer(NamedTuple):
    """An answer to a table call.

    Values stay bytes until SQLite asks for one, which it does for few of them.
    """

    status: Status = Status()
    rows: ByteRows = ()

    @property
    def failed(self) -> bool:
        """True if the statement fails with the status's message."""
        return self.status.code != 0


Caller: TypeAlias = Callable[[dict[str, str], float | None], Answer]
"""Sends a request to the owner of a table and returns its answer, before a moment of `time.monotonic()`.

A failure is a status code other than 0, with the message for the statement. Only when that moment has come,
`DeadlineExceeded` is raised.
"""


def to_bytes(rows: Iterable[Mapping[str, str]]) -> list[dict[str, bytes]]:
    """Encode rows of text."""
    return [{key: value.encode(errors="surrogateescape") for key, value in row.items()} for row in rows]


def to_text(rows: Iterable[Mapping[str, bytes]]) -> list[dict[str, str]]:
    """Decode rows, with surrogate escapes for bytes that are not UTF-8."""
    return [{key: value.decode(errors="surrogateescape") for key, value in row.items()} for row in rows]
