"""Rows: immutable tuples in column order, with a keyword constructor that type checkers understand."""

from __future__ import annotations

import typing
from operator import itemgetter
from typing import Any, ClassVar, dataclass_transform

from ..errors import DefinitionError
from .columns import MISSING, Column, ColumnDef, check_name
from .named import Named

# Names that a row uses itself. Every tuple also has a `count`, but a column may take that name.
_RESERVED = frozenset(dir(Named)) - {"count"} | {"__columns__", "__match_args__"}


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Column,))
class RowType(type):
    """The class of row classes: it turns the columns that a class body declares into a tuple class."""

    def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> RowType:
        """Make the class, with the base classes' columns first.

        Raises:
            DefinitionError: the body declares a column that osqueryd would refuse, or a name with a type that
                is neither a column nor a `ClassVar`.
        """
        columns: dict[str, ColumnDef] = {}
        for base in bases:
            columns.update(getattr(base, "__columns__", {}))
        annotated = body.get("__annotations__", {})
        own = _own_columns(name, body, annotated)
        columns.update(own)
        for position, key in enumerate(columns):
            body[key] = property(itemgetter(position), doc=columns[key].description)
        fields = tuple(columns)
        if len(own) < len(columns) or len(annotated) > len(own):
            # polars pairs annotations with values by position.
            body["__annotations__"] = {
                key: annotated[key] for key in (*fields, *annotated) if key in annotated
            }
        body["__slots__"] = ()
        body["__columns__"] = columns
        body["_fields"] = body["__match_args__"] = fields
        body["_field_defaults"] = {k: c.default for k, c in columns.items() if c.default is not MISSING}
        body["__new__"] = _constructor(name, columns)
        return super().__new__(mcs, name, bases, body)


def _own_columns(name: str, body: dict[str, Any], annotated: dict[str, Any]) -> dict[str, ColumnDef]:
    """Return the columns of a class body; raises DefinitionError as `RowType` does."""
    own = {key: value for key, value in body.items() if isinstance(value, ColumnDef)}
    for key, column in own.items():
        if key not in annotated:
            raise DefinitionError(f"column {name}.{key} has no type: write `{key}: str = Column(...)`")
        check_name(key, f"column {name}.")
        if key in _RESERVED:
            raise DefinitionError(
                f"column {name}.{key}: every row has a {key} of its own; choose another name"
            )
        column.check(f"column {name}.{key}")
    for key, hint in annotated.items():
        # Type checkers take every name with a type for a field, so one that is no column would mislead them.
        if key not in own and not key.startswith("_") and not _is_class_variable(hint):
            raise DefinitionError(_no_column(f"{name}.{key}", key, hint, body.get(key, MISSING)))
    return own


def _is_class_variable(hint: Any) -> bool:
    """Return whether an annotation is a ClassVar; it is a text under `from __future__ import annotations`."""
    if isinstance(hint, str):
        return hint.strip("'\" ").partition("[")[0].rpartition(".")[2] == "ClassVar"
    return hint is ClassVar or typing.get_origin(hint) is ClassVar


def _no_column(where: str, key: str, hint: Any, value: Any) -> str:
    """Return the error about a name that has a type and is no column, with what to write."""
    from kolide_kit.author_code import shown

    # `x: str == Column(...)` is a type without a value: the result of the comparison.
    if isinstance(hint, bool) or (isinstance(hint, str) and "==" in hint):
        return f"{where} is compared with `==`: write `{key}: str = Column(...)`"
    kind = hint if isinstance(hint, str) else getattr(hint, "__name__", "") or str(hint)
    kind = kind if typing.get_origin(hint) is None else str(hint)
    if value is MISSING:
        return (
            f"{where} has no Column: write `{key}: {kind} = Column(...)`, "
            f"or `{key}: ClassVar[{kind}]` if it is no column"
        )
    return (
        f"{where} = {shown(value)} has no Column: write `{key}: {kind} = Column(..., default=...)`, "
        f"or `{key}: ClassVar[{kind}] = ...` if it is no column"
    )


def _constructor(name: str, columns: dict[str, ColumnDef]) -> Any:
    """Return `__new__` with the columns as its own keyword arguments, which is the fastest constructor."""
    given = ", ".join(k if c.default is MISSING else f"{k}=_{k}" for k, c in columns.items())
    values = "".join(f"{key}, " for key in columns)
    names = {"_new": tuple.__new__, **{f"_{key}": column.default for key, column in columns.items()}}
    code = f"def __new__(_cls{', *, ' if given else ''}{given}): return _new(_cls, ({values}))"
    exec(code, names)  # noqa: S102  names were checked; collections.namedtuple does the same
    constructor: Any = names["__new__"]
    constructor.__qualname__ = f"{name}.__new__"  # Python names it in a TypeError about the arguments
    return constructor


class Row(Named, metaclass=RowType):
    """Base of the row classes that an author writes."""

    __columns__: ClassVar[dict[str, ColumnDef]] = {}

    def __repr__(self) -> str:
        """Return the class and the columns with their values."""
        inner = ", ".join(f"{key}={value!r}" for key, value in zip(self.__columns__, self, strict=True))
        return f"{type(self).__name__}({inner})"
