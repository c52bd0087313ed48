"""The definition of a table: its name, row class, columns with their SQL types, options and description."""

from __future__ import annotations

import enum
import sys
import types
import typing
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from kolide_kit.author_code import shown
from kolide_kit.limits import Limits

from ..errors import DefinitionError
from ..vocabulary import ColumnType
from .columns import INTEGER_RANGES, check_name
from .encoding import ColumnInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .options import TableOptions
    from .rows import Row

_MAX_COLUMNS = 2000  # SQLite's limit
_SIMPLE = {
    str: ColumnType.TEXT,
    int: ColumnType.BIGINT,
    bool: ColumnType.INTEGER,
    float: ColumnType.DOUBLE,
    bytes: ColumnType.BLOB,
    datetime: ColumnType.BIGINT,
    list: ColumnType.TEXT,
    dict: ColumnType.TEXT,
}
# Annotations that need no evaluation: no texts, and nothing of `typing` with arguments.
_PLAIN = (type, types.UnionType, types.GenericAlias)


class Definition(NamedTuple):
    """A table as it was declared; it never changes.

    Attributes:
        name: the table's name in SQL.
        row: the class of its rows.
        columns: the columns, in order.
        options: the options.
        description: the first paragraph of the docstring.
        by_name: the columns by their names.
        aliases: the columns' names by their other names.
        required: the names of the columns that are declared with required=True.
        declared_as: the name that the author gave, which `options.examples` have.
    """

    name: str
    row: type[Row]
    columns: tuple[ColumnInfo, ...]
    options: TableOptions
    description: str
    by_name: Mapping[str, ColumnInfo]
    aliases: Mapping[str, str]
    required: tuple[str, ...]
    declared_as: str

    @classmethod
    def of(cls, name: str, row: type[Row], description: str, options: TableOptions) -> Definition:
        """Resolve the columns of a row class, and refuse whatever osqueryd would refuse.

        Raises:
            DefinitionError: the text says what to change.
        """
        check_name(name, "table")
        columns = _resolve(name, row, options)
        definition = cls(
            name,
            row,
            columns,
            options,
            description,
            by_name={column.name: column for column in columns},
            aliases={alias: c.name for c in columns for alias in c.definition.aliases},
            required=tuple(c.name for c in columns if c.definition.required),
            declared_as=name,
        )
        if options.all_required and not definition.required:
            raise DefinitionError(
                f"table {name}: with all_required=True declare the columns that are needed with required=True"
            )
        for column in definition.columns if options.snapshot else ():
            if column.definition.required or column.definition.costly:
                mark = "required" if column.definition.required else "costly"
                raise DefinitionError(
                    f"table {name}: with snapshot=True the function makes all rows with all columns, "
                    f"whatever a statement asks for, so {column.name} cannot be {mark}"
                )
        return definition

    def configured(
        self, *, name: str | None = None, limits: Limits | None = None, family: str | None = None
    ) -> Definition:
        """Return a definition with other settings; see `Table.configured`."""
        options = self.options
        if limits is not None:
            if not isinstance(limits, Limits):
                raise DefinitionError(f"table {self.name}: limits is a Limits, not {shown(limits)}")
            options = options._replace(limits=limits, deadline=limits.max_seconds, max_rows=limits.max_rows)
        if family is not None:
            options = options._replace(family=family)
        name = self.name if name is None else name
        options.check(name)
        columns = self.columns
        if name != self.name:
            columns = tuple(column.in_table(name) for column in columns)
        return self._replace(
            name=name, options=options, columns=columns, by_name={c.name: c for c in columns}
        )

    @property
    def examples(self) -> tuple[str, ...]:
        """Return the statements for the documentation, with the table's present name."""
        # Only documentation and errors need them: a program of many renamed tables starts sooner so.
        from ..sql.tokens import renamed

        return tuple(renamed(example, self.declared_as, self.name) for example in self.options.examples)

    def column(self, name: str) -> ColumnInfo:
        """Return the column of a name; raises DefinitionError if the table has none."""
        try:
            return self.by_name[name]
        except KeyError:
            raise DefinitionError(
                f"{self.name} has no column {name!r}; it has {', '.join(self.by_name)}{self.meant(name)}"
            ) from None

    def meant(self, name: str) -> str:
        """Return the end of an error about an unknown column: the column that was meant, or ""."""
        from kolide_kit.spelling import did_you_mean

        if name in self.aliases:
            return f"; {name} is another name of {self.aliases[name]}"
        meant = did_you_mean(name, self.by_name)
        return f"; {meant}" if meant else ""

    def missing(self, narrows: Callable[[str], bool]) -> list[str]:
        """Return the required columns without a value, if the table needs a value for each.

        Args:
            narrows: returns whether a query gives a column a value.
        """
        needed = self.required if self.options.all_required else ()
        return [name for name in needed if not narrows(name)]


class Defined(Protocol):
    """An object with a definition: a `Table`."""

    @property
    def definition(self) -> Definition:
        """Return the definition."""


def _resolve(table: str, row: type[Row], options: TableOptions) -> tuple[ColumnInfo, ...]:
    """Return the columns of a row class with their SQL types."""
    if not row.__columns__:
        raise DefinitionError(f"table {table}: {row.__name__} has no columns")
    names = sum(1 + len(column.aliases) for column in row.__columns__.values())
    if names > _MAX_COLUMNS:
        raise DefinitionError(
            f"table {table}: {names} columns and aliases, where SQLite takes {_MAX_COLUMNS}"
        )
    hints = _hints(row)
    columns = []
    seen: set[str] = set()
    for name, definition in row.__columns__.items():
        for spelled in (name, *definition.aliases):
            if spelled.lower() in seen:
                raise DefinitionError(
                    f"table {table}: column {spelled!r} is there twice; names differ in more than case"
                )
            seen.add(spelled.lower())
            check_name(spelled, f"table {table}: column")
        kind, nullable = _column_type(hints[name], f"{table}.{name}")
        declared = definition.type
        if declared is not None and declared is not kind:
            if kind not in INTEGER_RANGES or declared not in INTEGER_RANGES:
                raise DefinitionError(f"{table}.{name}: {declared.value} does not go with {hints[name]}")
            kind = declared
        if (definition.collate or "").startswith("version") and kind is not ColumnType.TEXT:
            raise DefinitionError(f"{table}.{name}: a version collation needs a text column")
        bits = definition.options(each_value=options.all_required)
        columns.append(ColumnInfo(table, name, kind, nullable, definition, bits))
    return tuple(columns)


def _hints(row: type[Row]) -> dict[str, Any]:
    """Return the types of the columns.

    `typing.get_type_hints` takes a third of the start of an extension with many tables, so only annotations
    that are texts go through it.
    """
    annotations: dict[str, Any] = {}
    for base in reversed(row.__mro__):
        # inspect is not loaded for this.
        annotations.update(base.__dict__.get("__annotations__", {}))  # noqa: RUF063
    columns = {name: annotations[name] for name in row.__columns__ if name in annotations}
    if len(columns) == len(row.__columns__) and all(isinstance(hint, _PLAIN) for hint in columns.values()):
        return columns
    return typing.get_type_hints(row)


def _column_type(hint: Any, where: str) -> tuple[ColumnType, bool]:
    # `typing.get_origin` is slow, an extension may have hundreds of columns, and most have a plain type.
    if type(hint) is type and hint in _SIMPLE:
        return _SIMPLE[hint], False
    nullable = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [part for part in typing.get_args(hint) if part is not type(None)]
        nullable = len(rest) < len(typing.get_args(hint))
        if len(rest) != 1:
            raise DefinitionError(f"{where}: one type, or one type and None, not {hint}")
        hint = rest[0]
    plain = typing.get_origin(hint) or hint
    if plain in _SIMPLE:
        return _SIMPLE[plain], nullable
    if isinstance(plain, type) and issubclass(plain, enum.Enum):
        kinds = {_SIMPLE.get(type(member.value)) for member in plain}
        if len(kinds) == 1 and (kind := kinds.pop()) is not None:
            return kind, nullable
    # Do not import pathlib here: if the annotation is a Path, it is loaded already.
    pathlib = sys.modules.get("pathlib")
    if pathlib is not None and isinstance(plain, type) and issubclass(plain, pathlib.PurePath):
        return ColumnType.TEXT, nullable
    raise DefinitionError(
        f"{where}: no osquery type for {hint}; use str, int, bool, float, bytes, datetime, Path, Enum, list "
        f"or dict"
    )
