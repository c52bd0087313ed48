"""From an author's rows to the bytes of an answer.

Rows are turned around into columns, 1,024 at a time: what has to be checked or converted is then decided once for a
column of values, by functions that run in C, and not once for each value.
"""

from __future__ import annotations

import enum
import json
import math
import os
from datetime import datetime
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, Any

from .columns import INTEGER_RANGES, ColumnType
from .errors import ColumnValueError, LimitExceeded
from .wire.codec import encode_row_header, encode_string

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CHUNK = 1024
_LENGTHS = [n.to_bytes(4, "big") for n in range(4096)]
_LENGTH_TEXTS = [raw.decode("latin-1") for raw in _LENGTHS]
_MASK = (1 << 63) - 1


class ColumnInfo:
    """A column of a table, resolved: its name, SQL type, whether it may be NULL."""

    __slots__ = ("costly", "definition", "key", "name", "nullable", "options", "table", "type")

    def __init__(self, table: str, name: str, kind: ColumnType, nullable: bool, definition: Any) -> None:
        """Take what the table found out."""
        self.table = table
        self.name = name
        self.type = kind
        self.nullable = nullable
        self.definition = definition
        self.key = definition.key
        self.costly = definition.costly
        self.options = definition.options()

    def texts(self, values: Sequence[Any]) -> list[str]:
        """The values as osqueryd reads them.

        Raises:
            ColumnValueError: a value is not of the column's type, or out of its range.
        """
        kinds = set(map(type, values))
        if self.type is ColumnType.TEXT:
            if kinds == {str}:
                return list(values)
        elif self.type in INTEGER_RANGES and kinds == {int}:
            low, high = INTEGER_RANGES[self.type]
            if min(values) >= low and max(values) <= high:
                return list(map(str, values))
        return [self._text(value) for value in values]

    def _text(self, value: Any) -> str:
        if isinstance(value, enum.Enum):
            value = value.value
        if value is None:
            # A column left out because nobody wants it is None whatever its type says.
            if self.nullable or self.costly:
                return ""
            raise self._wrong(value, "declare the type with `| None`, or give a value")
        kind = self.type
        if kind is ColumnType.TEXT:
            if isinstance(value, str):
                return value
            if isinstance(value, os.PathLike):
                return os.fsdecode(value)
            if isinstance(value, (list, dict, tuple)):
                try:
                    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
                except (TypeError, ValueError) as error:
                    raise self._wrong(value, str(error)) from error
        elif kind is ColumnType.BLOB:
            if isinstance(value, (bytes, bytearray, memoryview)):
                return bytes(value).decode("utf-8", "surrogateescape")
        elif kind is ColumnType.DOUBLE:
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                number = float(value)
                return "" if math.isnan(number) else repr(number)
        elif isinstance(value, datetime):
            return self._integer(int(value.timestamp()))
        elif isinstance(value, int):
            return self._integer(int(value))
        raise self._wrong(value, f"a {kind.value} column takes no {type(value).__name__}")

    def _integer(self, value: int) -> str:
        low, high = INTEGER_RANGES[self.type]
        if not low <= value <= high:
            raise self._wrong(value, f"{self.type.value} goes from {low} to {high}")
        return str(value)

    def _wrong(self, value: object, why: str) -> ColumnValueError:
        shown = repr(value)
        if len(shown) > 60:
            shown = shown[:57] + "..."
        return ColumnValueError(f"{self.table}.{self.name} = {shown}: {why}")


class Answer:
    """Rows that were checked, ready to be encoded while they are sent."""

    __slots__ = ("_blocks", "_heads", "_text_heads", "count")

    def __init__(self, names: Sequence[str]) -> None:
        """Take the names of the columns to send, rowid included."""
        header = encode_row_header(len(names))
        keys = [encode_string(name) for name in names]
        self._heads = [header + keys[0], *keys[1:]]
        self._text_heads = [head.decode("latin-1") for head in self._heads]
        self._blocks: list[list[list[str]]] = []
        self.count = 0

    def add(self, columns: list[list[str]]) -> None:
        """Add a block of rows, given as columns of text of one length."""
        self._blocks.append(columns)
        self.count += len(columns[0])

    def chunks(self) -> Iterator[bytes]:
        """The rows' encoding; see `EncodedRows`."""
        for columns in self._blocks:
            parts: list[Any] = []
            if all("".join(texts).isascii() for texts in columns):
                for head, texts in zip(self._text_heads, columns, strict=True):
                    parts += (repeat(head), _text_lengths(texts), texts)
                yield "".join(chain.from_iterable(zip(*parts, strict=False))).encode("latin-1")
            else:
                for raw_head, texts in zip(self._heads, columns, strict=True):
                    raws = [text.encode("utf-8", "surrogateescape") for text in texts]
                    parts += (repeat(raw_head), [len(raw).to_bytes(4, "big") for raw in raws], raws)
                yield b"".join(chain.from_iterable(zip(*parts, strict=False)))


def _text_lengths(texts: list[str]) -> list[str]:
    try:
        return list(map(_LENGTH_TEXTS.__getitem__, map(len, texts)))
    except IndexError:
        return [len(text).to_bytes(4, "big").decode("latin-1") for text in texts]


def build(
    table: str,
    columns: Sequence[ColumnInfo],
    rows: Iterator[Sequence[Any]],
    used: frozenset[str] | None,
    max_rows: int,
) -> Answer:
    """Check rows, number them, and make an answer of the columns that the statement uses.

    Raises:
        ColumnValueError: see `ColumnInfo.texts`.
        LimitExceeded: more than `max_rows` rows.
    """
    sent = [i for i, column in enumerate(columns) if used is None or column.name in used]
    keys = [i for i, column in enumerate(columns) if column.key]
    by_content = not keys
    if by_content:
        keys = [i for i, column in enumerate(columns) if not column.costly]
    answer = Answer(["rowid", *(columns[i].name for i in sent)])
    seen: set[int] = set()
    repeats: dict[int, int] = {}
    width = len(columns)
    while True:
        block = list(islice(rows, _CHUNK))
        if not block:
            return answer
        if answer.count + len(block) > max_rows:
            raise LimitExceeded(f"{table} has more than {max_rows} rows: raise max_rows, or ask for fewer")
        try:
            by_column = list(zip(*block, strict=True))
        except ValueError:
            by_column = []
        if len(by_column) != width:
            raise ColumnValueError(
                f"{table}: a row has {len(next(r for r in block if len(r) != width))} values, not {width}"
            )
        texts = {i: columns[i].texts(by_column[i]) for i in {*sent, *keys}}
        plain = len(keys) == 1 and not by_content and columns[keys[0]].type in INTEGER_RANGES
        if plain and "" not in texts[keys[0]]:
            identities = list(map(int, texts[keys[0]]))
        else:
            plain = False
            identities = [hash(identity) & _MASK for identity in zip(*(texts[i] for i in keys), strict=True)]
        fresh = set(identities)
        if len(fresh) == len(identities) and seen.isdisjoint(fresh):
            seen |= fresh
            numbers = texts[keys[0]] if plain else list(map(str, identities))
        else:
            numbers = []
            for identity in identities:
                number = identity
                while number in seen:
                    repeats[identity] = repeats.get(identity, 0) + 1
                    number = hash((identity, repeats[identity])) & _MASK
                seen.add(number)
                numbers.append(str(number))
        answer.add([numbers, *(texts[i] for i in sent)])
