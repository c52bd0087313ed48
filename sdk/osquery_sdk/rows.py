"""Rows: immutable tuples in column order, with a keyword constructor that type checkers understand."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, ClassVar, dataclass_transform

from .columns import MISSING, Column, ColumnDef, check_name
from .errors import DefinitionError
from .named import Named

# Names of what a row has beside its columns. `count`, which every tuple has as well, is too good a name for a column.
_ROWS_OWN = frozenset(dir(tuple)) - {"count"} | {
    "__columns__",
    "__match_args__",
    "__replace__",
    "_asdict",
    "_field_defaults",
    "_fields",
    "_make",
    "_replace",
}


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Column,))
class RowType(type):
    """Makes a tuple class of the columns that a class body declares."""

    def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> RowType:
        """Collect the columns, the base classes' first."""
        columns: dict[str, ColumnDef] = {}
        for base in bases:
            columns.update(getattr(base, "__columns__", {}))
        own = {key: value for key, value in body.items() if isinstance(value, ColumnDef)}
        annotated = body.get("__annotations__", {})
        for key, column in own.items():
            if key not in annotated:
                raise DefinitionError(f"column {name}.{key} has no type: write `{key}: str = Column(...)`")
            check_name(key, f"column {name}.")
            if key in _ROWS_OWN:
                raise DefinitionError(
                    f"column {name}.{key}: every row has a {key} of its own; choose another name"
                )
            column.check(f"column {name}.{key}")
        columns.update(own)
        defaults = {f"_{key}": column.default for key, column in columns.items()}
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
        if columns:
            given = ", ".join(k if c.default is MISSING else f"{k}=_{k}" for k, c in columns.items())
            values = ", ".join(columns)
            # As collections.namedtuple does: a function with the columns as its own arguments is the fastest constructor.
            code = f"lambda _cls, *, {given}: _new(_cls, ({values},))"
            made = eval(code, {"_new": tuple.__new__, **defaults})  # noqa: S307  names were checked
            made.__name__ = "__new__"
            made.__qualname__ = f"{name}.__new__"  # what a TypeError names
            body["__new__"] = made
        return super().__new__(mcs, name, bases, body)


class Row(Named, metaclass=RowType):
    """Base of an author's row classes."""

    __columns__: ClassVar[dict[str, ColumnDef]] = {}

    def __repr__(self) -> str:
        """Class and columns."""
        inner = ", ".join(f"{key}={value!r}" for key, value in zip(self.__columns__, self, strict=True))
        return f"{type(self).__name__}({inner})"
