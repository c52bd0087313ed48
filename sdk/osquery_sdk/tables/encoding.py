"""Encoding: from an author's rows to the bytes of an answer.

A block of rows is turned into columns, and each column is checked and converted at once by functions that run
in C. That is faster than a decision for each value.
"""

from __future__ import annotations

import enum
import json
import math
import os
from array import array
from datetime import datetime
from itertools import islice
from operator import index
from struct import error as PackError  # noqa: N812
from struct import pack
from typing import TYPE_CHECKING, Any

from kolide_kit.author_code import describe, end_if_forked, pass_on_interrupt, shown, text_of
from kolide_kit.times import unix_seconds

from ..errors import ColumnValueError, LimitExceeded
from ..vocabulary import ColumnType
from ..wire.codec import encode_row_header, encode_string, encode_text
from .columns import INTEGER_RANGES
from .rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_BLOCK = 512
_COMMON_LENGTH = 256
# struct's and array's names of the C types that hold a column's integers
_CODES = {ColumnType.INTEGER: "i", ColumnType.BIGINT: "q", ColumnType.UNSIGNED_BIGINT: "q"}
_MASK = (1 << 63) - 1


class ColumnInfo:
    """A column of a table, resolved: its name, its SQL type, and whether it may be NULL."""

    def __init__(
        self, table: str, name: str, kind: ColumnType, nullable: bool, definition: Any, options: int
    ) -> None:
        """Take the facts that the table resolved."""
        self.table = table
        self.name = name
        self.type = kind
        self._range = INTEGER_RANGES.get(kind)
        self._code = _CODES.get(kind)
        self.nullable = nullable
        self.definition = definition
        self.key = definition.key
        self.costly = definition.costly
        self.options = options

    def in_table(self, name: str) -> ColumnInfo:
        """Return the same column for a table of another name."""
        return ColumnInfo(name, self.name, self.type, self.nullable, self.definition, self.options)

    def checked(self, values: Sequence[Any]) -> Sequence[str] | array[int]:
        """Return the values, checked: numbers as an array, all others as the texts that osqueryd reads.

        Raises:
            ColumnValueError: a value is not of the column's type, or out of its range.
        """
        # These passes in C fail at the first value of another type. Only then is each value looked at.
        try:
            if self.type is ColumnType.TEXT:
                "".join(values)
                return values
            if self._code is not None:
                numbers = array(self._code, pack(f"{len(values)}{self._code}", *values))
                if self.type is not ColumnType.UNSIGNED_BIGINT or min(numbers) >= 0:
                    return numbers
        except (TypeError, PackError):
            pass
        except BaseException as error:  # noqa: BLE001  from an author's __index__; `_text` names the value
            pass_on_interrupt(error)
        # Lists come as JSON, and many are alike: equal texts of a block are kept once.
        known: dict[str, str] = {}
        return [known.setdefault(text, text) for text in map(self._text, values)]

    def texts(self, values: Sequence[Any]) -> Sequence[str]:
        """Return the values as the texts that osqueryd reads; raises as `checked` does."""
        return _texts(self.checked(values))

    def text(self, value: Any) -> str:
        """Return one value as the text that osqueryd reads; raises as `checked` does."""
        kind = type(value)
        if kind is str and self.type is ColumnType.TEXT:
            return value  # type: ignore[no-any-return]  # its type was just checked
        if kind is int and self._range is not None:
            low, high = self._range
            if low <= value <= high:
                return int.__repr__(value)
        return self._text(value)

    def operand(self, value: Any) -> str:
        """Return one value as the text that osqueryd sends in a term; raises as `checked` does."""
        if isinstance(value, str) and not isinstance(value, enum.Enum):
            return str.__str__(value)
        if value is None:
            raise self._wrong(value, "osqueryd sends no term with NULL")
        if type(value) in (int, float) and self.type is not ColumnType.BLOB:
            # A statement may ask for any number, also for one that the column cannot have.
            if type(value) is int and not -(2**63) <= value < 2**63:
                raise self._wrong(value, "it is no number of SQL")
            return str(value)
        return self._text(value)

    def _text(self, value: Any) -> str:
        if value is None:
            # A costly column that the statement does not use is None, whatever its type says.
            if self.nullable or self.costly:
                return ""
            raise self._wrong(value, "declare the type with `| None`, or give a value")
        try:
            return self._converted(value)
        except ColumnValueError:
            raise
        except BaseException as error:  # the value may be of an author's class
            pass_on_interrupt(error)
            raise self._wrong(value, _reason(error)) from error

    def _converted(self, value: Any) -> str:
        if isinstance(value, enum.Enum):
            value = value.value
        kind = self.type
        if kind is ColumnType.TEXT:
            if isinstance(value, str):
                return str.__str__(value)  # a plain str, whatever the value's class makes of it
            if isinstance(value, os.PathLike):
                return os.fsdecode(value)
            if isinstance(value, (list, dict, tuple)):
                return _json(value)
        elif kind is ColumnType.BLOB:
            if isinstance(value, (bytes, bytearray, memoryview)):
                return bytes(value).decode("utf-8", "surrogateescape")
        elif kind is ColumnType.DOUBLE:
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                number = float(value)
                return "" if math.isnan(number) else repr(number)
        elif isinstance(value, datetime):
            return self._integer(unix_seconds(value))
        elif hasattr(type(value), "__index__"):
            # Integers of other libraries have __index__ too; struct packs them by it.
            return self._integer(int.__pos__(index(value)))
        raise self._wrong(value, f"a {kind.value} column takes no {type(value).__name__}")

    def _integer(self, value: int) -> str:
        low, high = INTEGER_RANGES[self.type]
        if not low <= value <= high:
            raise self._wrong(value, f"{self.type.value} goes from {low} to {high}")
        return str(value)

    def _wrong(self, value: object, why: str) -> ColumnValueError:
        return ColumnValueError(f"{self.table}.{self.name} = {shown(value)}: {why}")


def _json(value: list[Any] | dict[Any, Any] | tuple[Any, ...]) -> str:
    """Return JSON that every reader takes.

    Raises:
        TypeError, ValueError, RecursionError: JSON cannot express the value.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        # A lone surrogate, as in a file's name, has no UTF-8; JSON has escapes for it.
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text


def _reason(error: BaseException) -> str:
    """Return the reason why a value has no text."""
    kind = type(error)
    if issubclass(kind, RecursionError):
        return "it is nested too deep"
    if issubclass(kind, OverflowError):
        return f"it is out of range: {text_of(error)}"
    text = text_of(error)
    if text.startswith("Out of range float values"):
        return "JSON has neither nan nor infinity: give None, or a text"
    return text if kind in (TypeError, ValueError) else describe(error)


class _Heads(dict[int, str]):
    """The bytes before a value of one column, by the length of the value.

        column name (length and text) | length of the value (4 bytes, big-endian)

    They are kept as latin-1 text, one character a byte.
    """

    def __init__(self, head: bytes) -> None:
        self._head = head.decode("latin-1")

    def __missing__(self, length: int) -> str:
        head = self._head + length.to_bytes(4, "big").decode("latin-1")
        # Short lengths come again and again. Keeping every length would take much memory.
        if length < _COMMON_LENGTH:
            self[length] = head
        return head


class Answer:
    """Checked rows, which are encoded while they are sent."""

    __slots__ = ("_blocks", "_heads", "count")

    def __init__(self, heads: Sequence[_Heads]) -> None:
        """Take the heads of the row identifier and of each column that is sent."""
        self._heads = heads
        self._blocks: list[list[Sequence[str] | array[int]]] = []
        self.count = 0

    def add(self, identities: array[int], columns: Iterable[Sequence[str] | array[int]]) -> None:
        """Add a block of rows: each row's identity, and the columns."""
        self._blocks.append([identities, *columns])
        self.count += len(identities)

    def number(self) -> None:
        """Give rows that look the same different row identifiers; the others keep their identity as one."""
        seen = set[int]().union(*(block[0] for block in self._blocks))
        if len(seen) == self.count:
            return
        seen.clear()
        repeats: dict[int, int] = {}
        for block in self._blocks:
            rowids = array("q")
            for identity in block[0]:
                assert isinstance(identity, int)
                rowid = identity
                while rowid in seen:
                    repeats[identity] = repeat = repeats.get(identity, 0) + 1
                    rowid = hash((identity, repeat)) & _MASK
                seen.add(rowid)
                rowids.append(rowid)
            block[0] = rowids

    def chunks(self) -> Iterator[bytes]:
        """Yield the rows' encoding; see `EncodedRows`."""
        return map(self._encode, self._blocks)

    def _encode(self, columns: Sequence[Sequence[str] | array[int]]) -> bytes:
        # parts holds, row by row: head, text, head, text, ... A slice assignment in C fills one
        # column at a time.
        width = 2 * len(self._heads)
        parts: list[Any] = [None] * (width * len(columns[0]))
        previous: Sequence[str] | array[int] = ()
        texts: Sequence[str] = ()
        lengths: list[int] = []
        for at, (heads, column) in enumerate(zip(self._heads, columns, strict=True)):
            # The row identifier is most often the first column too: measure it once.
            if column is not previous:
                texts, lengths = _measured(column)
                previous = column
            # Numbers, hashes and times mostly have one length.
            if lengths.count(lengths[0]) == len(lengths):
                parts[2 * at :: width] = [heads[lengths[0]]] * len(lengths)
            else:
                parts[2 * at :: width] = map(heads.__getitem__, lengths)
            parts[2 * at + 1 :: width] = texts
        return "".join(parts).encode("latin-1")


def _measured(column: Sequence[str] | array[int]) -> tuple[Sequence[str], list[int]]:
    """Return the texts of a column as latin-1 that stands for bytes, and their lengths."""
    if isinstance(column, array):
        texts: Sequence[str] = _texts(column)
        return texts, list(map(len, texts))
    texts = column
    if not "".join(texts).isascii():
        texts = [encode_text(text).decode("latin-1") for text in texts]
    try:
        return texts, list(map(len, texts))
    except BaseException as error:  # noqa: BLE001  a subclass of str may have its own __len__
        pass_on_interrupt(error)
        texts = list(map(str.__str__, texts))
        return texts, list(map(len, texts))


def _texts(column: Sequence[str] | array[int]) -> Sequence[str]:
    return list(map(int.__repr__, column)) if isinstance(column, array) else column


class OneRow:
    """A single row, encoded. Look-ups answer with one row, for which the column-wise way would cost more."""

    __slots__ = ("_encoded",)

    count = 1

    def __init__(self, encoded: bytes) -> None:
        """Take the row's encoding."""
        self._encoded = encoded

    def chunks(self) -> Iterator[bytes]:
        """Yield the row's encoding; see `EncodedRows`."""
        return iter((self._encoded,))


class Layout:
    """The columns of a table that an answer holds, and those that identify a row.

    Attributes:
        number: the position of the key, if that is one column of integers; else None.
    """

    def __init__(
        self, table: str, row: type[Row], columns: Sequence[ColumnInfo], used: frozenset[str] | None
    ) -> None:
        """Take the table's rows and columns, and the names of the columns in use (None: all)."""
        self._table = table
        self._row = row
        self._kinds: set[type] = {row, tuple}
        self._columns = columns
        self._sent = [i for i, column in enumerate(columns) if used is None or column.name in used]
        keys = [i for i, column in enumerate(columns) if column.key]
        self.number = keys[0] if len(keys) == 1 and columns[keys[0]].type in INTEGER_RANGES else None
        self._keys = keys or [i for i, column in enumerate(columns) if not column.costly]
        self._needed = sorted({*self._sent, *self._keys})
        first, *others = map(encode_string, ["rowid", *(columns[i].name for i in self._sent)])
        self._heads = [_Heads(encode_row_header(1 + len(others)) + first), *map(_Heads, others)]

    def build(self, rows: Iterator[Sequence[Any]], max_rows: int) -> Answer | OneRow:
        """Check and number the rows, and return them as an answer.

        Raises:
            ColumnValueError: see `ColumnInfo.checked`; or a row is not one of this table.
            LimitExceeded: more than `max_rows` rows.
        """
        block = list(islice(rows, _BLOCK))
        if len(block) == 1 and max_rows > 0:
            return self._build_one(block[0])
        pid = os.getpid()
        answer = Answer(self._heads)
        while block:
            if answer.count + len(block) > max_rows:
                raise LimitExceeded(
                    f"{self._table} has more than {max_rows} rows: raise max_rows, or ask for fewer"
                )
            by_column = self._turn(block)
            checked = {i: self._columns[i].checked(by_column[i]) for i in self._needed}
            answer.add(self._identities(checked), [checked[i] for i in self._sent])
            block = list(islice(rows, _BLOCK))
            end_if_forked(pid)
        answer.number()
        return answer

    def rowid(self, row: Sequence[Any]) -> int:
        """Return the row identifier of a row in an answer, unless an earlier row looks the same."""
        texts = [self._columns[i].text(row[i]) for i in self._keys]
        if self.number is not None and texts[0]:
            return int(texts[0])
        return hash(tuple(texts)) & _MASK

    def _identities(self, checked: dict[int, Sequence[str] | array[int]]) -> array[int]:
        """Return each row's identity: its key if that is one number, otherwise a hash of the key's texts."""
        if self.number is not None:
            numbers = checked[self.number]
            if isinstance(numbers, array):
                return numbers
            if "" not in numbers:
                return array("q", map(int, numbers))
        # Numbers stay arrays in the answer: their texts take eight times the memory.
        contents = zip(*(_texts(checked[i]) for i in self._keys), strict=True)
        return array("q", [hash(content) & _MASK for content in contents])

    def _build_one(self, row: Sequence[Any]) -> OneRow:
        columns = self._columns
        if type(row) not in self._kinds:
            self._check_kind(type(row))
        if len(row) != len(columns):
            raise self._wrong_width(row)
        texts = {i: columns[i].text(row[i]) for i in self._needed}
        number = "" if self.number is None else texts[self.number]
        if not number:
            number = str(hash(tuple([texts[i] for i in self._keys])) & _MASK)
        parts = [self._heads[0][len(number)], number]
        for at, i in enumerate(self._sent, 1):
            text = texts[i]
            value = text if text.isascii() else encode_text(text).decode("latin-1")
            parts += (self._heads[at][len(value)], value)
        return OneRow("".join(parts).encode("latin-1"))

    def _turn(self, block: list[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """Return rows as columns."""
        for kind in set(map(type, block)) - self._kinds:
            self._check_kind(kind)
        try:
            by_column = list(zip(*block, strict=True))
        except ValueError:
            by_column = []
        if len(by_column) != len(self._columns):
            raise self._wrong_width(next(row for row in block if len(row) != len(self._columns)))
        return by_column

    def _check_kind(self, kind: type) -> None:
        """Refuse a row of another table, and anything else that happens to have as many items."""
        if not issubclass(kind, tuple) or (issubclass(kind, Row) and not issubclass(kind, self._row)):
            raise ColumnValueError(
                f"{self._table}: rows are {self._row.__name__}, mappings or tuples, not {kind.__name__}"
            )

    def _wrong_width(self, row: Sequence[Any]) -> ColumnValueError:
        return ColumnValueError(f"{self._table}: a row has {len(row)} values, not {len(self._columns)}")
