"""Values: from osquery's texts and numbers to Python's types, for answers and for writes."""

from __future__ import annotations

import enum
import json
import types
import typing
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias

from kolide_kit.author_code import one_line
from kolide_kit.times import unix_seconds

from ..errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable

    Value: TypeAlias = str | int | float | None
    Reader: TypeAlias = Callable[[Value], Any]

_NULL = "it may not be NULL"


def reader(hint: Any, where: str) -> Reader:
    """Return a function that turns a value into the type that an annotation names.

    The function takes text, as osquery answers with, or numbers and None, as statements write them. It raises
    ValueError with the reason if the value does not fit the type.

    Args:
        hint: the annotation: str, int, bool, float, bytes, datetime, a path, an Enum, list, dict, `X | None`,
            or Any.
        where: the name of the place in errors.

    Raises:
        DefinitionError: no value of osquery's becomes one of that type.
    """
    if hint is Any or hint is object:
        return lambda value: value
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [part for part in typing.get_args(hint) if part is not type(None)]
        if len(rest) == 1:
            return _optional(reader(rest[0], where), keeps_empty=rest[0] in (str, bytes))
    plain = typing.get_origin(hint) or hint
    if plain in _READERS:
        return _READERS[plain]
    if isinstance(plain, type) and issubclass(plain, enum.Enum):
        return _enumeration(plain)
    if isinstance(plain, type) and issubclass(plain, PurePath):
        return lambda value: plain(_text(value))
    raise DefinitionError(
        f"{where}: nothing of osquery's becomes a {hint}; use str, int, bool, float, bytes, datetime, Path, "
        f"Enum, list or dict"
    )


def readers_of(kind: type) -> dict[str, Reader]:
    """Return a reader for each annotated field of a class.

    Raises:
        DefinitionError: an annotation cannot be looked up, or no value of osquery's becomes one of its type.
    """
    try:
        hints = typing.get_type_hints(kind)
    except NameError as error:
        raise DefinitionError(
            f"{kind.__name__}: {error}; define such classes at the top level of a module"
        ) from error
    return {
        name: reader(hint, f"{kind.__name__}.{name}")
        for name, hint in hints.items()
        if typing.get_origin(hint) is not typing.ClassVar
    }


def _optional(inner: Reader, *, keeps_empty: bool) -> Reader:
    """Return a reader that reads NULL as None.

    It reads the empty text as None too, unless the type has an empty value: osquery answers with it for NULL.
    """

    def read(value: Value) -> Any:
        if value is None or (value == "" and not keeps_empty):
            return None
        return inner(value)

    return read


def _text(value: Value) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(_NULL if value is None else "it takes text")


def _whole(value: Value) -> int:
    if value is None or value == "":
        raise ValueError(_NULL)
    try:
        number = int(value)
    except (ValueError, OverflowError):
        number = None
    if number is None or (isinstance(value, float) and number != value):
        raise ValueError("it takes a whole number")
    return number


def _truth(value: Value) -> bool:
    number = _whole(value)
    if number not in (0, 1):
        raise ValueError("it takes 0 or 1")
    return number == 1


def _real(value: Value) -> float:
    if value is None or value == "":
        raise ValueError(_NULL)
    if isinstance(value, str) and value.endswith(".0"):
        # osquery appends this to a number without a point: "1e+20.0", "inf.0".
        value = value[:-2]
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise ValueError("it takes a number") from None


def _bytes(value: Value) -> bytes:
    return _text(value).encode("utf-8", "surrogateescape")


def _moment(value: Value) -> datetime:
    seconds = _whole(value)
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError("it takes Unix seconds of a year up to 9999") from None


def _json(kind: type) -> Reader:
    def read(value: Value) -> Any:
        text = _text(value)
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError("it takes JSON") from None
        if not isinstance(content, kind):
            raise ValueError(f"it takes a JSON {'array' if kind is list else 'object'}")
        return content

    return read


def _enumeration(kind: type[enum.Enum]) -> Reader:
    # Look members up by text: a number comes as text from osquery, and as a number from a statement.
    members = {_as_sent(m.value): m for m in kind}

    def read(value: Value) -> enum.Enum:
        if value is None:
            raise ValueError(_NULL)
        member = members.get(str(value))
        if member is None:
            raise ValueError(one_line(f"it takes one of {', '.join(members)}"))
        return member

    return read


def _as_sent(value: Any) -> str:
    if isinstance(value, datetime):
        return str(unix_seconds(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(int(value) if isinstance(value, bool) else value)


_READERS: dict[Any, Reader] = {
    str: _text,
    int: _whole,
    bool: _truth,
    float: _real,
    bytes: _bytes,
    datetime: _moment,
    list: _json(list),
    dict: _json(dict),
}
