"""Values as SQL text: osquery's protocol has no parameters, so they are written into the statement."""

from __future__ import annotations

import enum
import math
import os
from collections.abc import Mapping
from datetime import datetime
from operator import index
from typing import TYPE_CHECKING, Any

from kolide_kit.author_code import describe, pass_on_interrupt, shown
from kolide_kit.times import unix_seconds

from ..sql.tokens import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]


def with_parameters(sql: str, parameters: Parameters) -> str:
    """Return a statement with its parameters in the place of `?`, or of `:name` if they are a mapping.

    Texts, quoted names and comments are left alone. A list, tuple or set becomes the list of an IN: `x in ?`.

    Raises:
        ValueError: more or fewer parameters than places, or a value that SQL does not have.
    """
    named = parameters if isinstance(parameters, Mapping) else None
    places = list(_places(sql, named=named is not None))
    if named is not None:
        unknown = {name for _, _, name in places} - set(named)
        if unknown:
            raise ValueError(f"the statement has :{min(unknown)}, and the parameters do not")
        values = [named[name] for _, _, name in places]
    else:
        values = list(parameters)
        if len(values) != len(places):
            raise ValueError(
                f"the statement has {len(places)} places for parameters, and {len(values)} are given"
            )
    parts: list[str] = []
    end = 0
    for number, ((start, after, name), value) in enumerate(zip(places, values, strict=True), 1):
        # Put blanks around the value: it must not run together with the text beside it.
        parts += (sql[end:start], " ", _filled(value, name or str(number)), " ")
        end = after
    return "".join([*parts, sql[end:]])


def _places(sql: str, *, named: bool) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and name of each place for a parameter."""
    words = tokens(sql)
    for token, after in zip(words, [*words[1:], None], strict=True):
        if not named and token.text == "?":
            if after is not None and after.kind == "number" and after.start == token.end:
                raise ValueError(f"write ? or :name for a parameter, not ?{after.text}")
            yield token.start, token.end, ""
        if named and token.text == ":" and after is not None and after.kind == "word":
            # `:name` is one word; `: name` is something else.
            if after.start > token.end:
                continue
            yield token.start, after.end, after.text


def _filled(value: Any, place: str) -> str:
    """Return a parameter as a literal; `place` is its name, or its number from 1."""
    try:
        return quoted(value)
    except BaseException as error:
        pass_on_interrupt(error)
        raise ValueError(f"parameter {place} = {shown(value)}: {describe(error, ValueError)}") from error


def quoted(value: Any) -> str:
    """Return a value as a literal of SQL; raises ValueError for one that SQL does not have."""
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None:
        return "NULL"
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, datetime):
        return _number(unix_seconds(value))
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
        value = os.fsdecode(value) if isinstance(value, bytes) else value
    if isinstance(value, str):
        text: str = str.__str__(value)
        if "\0" in text or not _is_plain(text):
            # A statement's text ends at a NUL byte, and must be UTF-8.
            return f"cast(x'{text.encode('utf-8', 'surrogateescape').hex()}' as text)"
        return "'" + text.replace("'", "''") + "'"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"x'{bytes(value).hex()}'"
    if isinstance(value, (list, tuple, set, frozenset)):
        return f"({', '.join(map(_item, value))})"
    if hasattr(type(value), "__index__"):
        return _number(index(value))
    raise ValueError(f"SQL has no {type(value).__name__}")


def _item(value: Any) -> str:
    if isinstance(value, (list, tuple, set, frozenset)):
        raise ValueError("a list in a list is none of SQL's values")
    return quoted(value)


def _number(value: float) -> str:
    if isinstance(value, float):
        if math.isnan(value):
            return "NULL"
        # A subclass of float may have any repr: use float's own.
        text = float.__repr__(value) if math.isfinite(value) else "9e999" if value > 0 else "-9e999"
    else:
        value = int.__pos__(index(value))
        if not -(2**63) <= value < 2**63:
            raise ValueError("it is no number of SQL: they go from -2^63 to 2^63-1")
        text = str(value)
    # A minus sign right behind another one would begin a comment.
    return f"({text})" if text[0] == "-" else text


def _is_plain(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
