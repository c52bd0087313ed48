"""Read the route rows that describe a table, and make osqueryd's `CREATE TABLE` from them.

Names go into the statement without quotes or checks, so osqueryd answers "SQLITE_ERROR" to those that SQL
rejects.

Facts from `columnDefinition` (osquery/core/tables.cpp) and `xCreate` (osquery/sql/virtual_table.cpp).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...vocabulary import ADDITIONAL, COLLATIONS, HIDDEN, INDEX
from .values import known_type, parse_decimal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..answer import TextRows


class RouteColumn(NamedTuple):
    """A column as the engine treats it."""

    name: str
    type: str
    """One of osquery's six types, or UNKNOWN."""
    options: int
    """Bit set of INDEX, REQUIRED, ADDITIONAL, OPTIMIZED, HIDDEN and the collations."""


class Definition(NamedTuple):
    """A table, as described by its route rows."""

    name: str
    statement: str
    """The CREATE TABLE statement that declares the virtual table to SQLite."""
    columns: tuple[RouteColumn, ...]
    """Columns in the order of the route rows. A column alias is a column, too."""
    aliases: Mapping[str, int]
    """Column alias -> position of its column."""
    views: tuple[str, ...]
    """Other names of the table; each becomes a view."""
    attributes: int


def _number(text: str | None, bits: int) -> int | None:
    number = None if text is None else parse_decimal(text)
    return number if number is not None and -(1 << bits - 1) <= number < 1 << bits - 1 else None


def _column_definitions(rows: TextRows) -> list[RouteColumn]:
    """Return the columns to declare to SQLite.

    Unlike the columns that the engine works with, they ignore `extensions_default_index`, and an alias has
    the type of its target.
    """
    columns: list[RouteColumn] = []
    types: dict[str, str] = {}
    for row in rows:
        kind, name = row.get("id"), row.get("name")
        if name is None:
            continue
        if kind == "column" and "type" in row:
            types[name] = known_type(row["type"])
            columns.append(RouteColumn(name, types[name], _number(row.get("op"), 32) or 0))
        elif kind == "columnAlias" and row.get("target") in types:
            columns.append(RouteColumn(name, types[row["target"]], HIDDEN))
    return columns


def create_statement(name: str, columns: Sequence[RouteColumn], *, extension: bool) -> str:
    """Return the CREATE TABLE statement for a table of these columns.

    Args:
        name: the table's name.
        columns: every column, aliases included.
        extension: True for a table of an extension, which keeps its rowid. A core table with a key has no
            rowid.
    """
    terms, keys = [], []
    for column in columns:
        term = f"`{column.name}` {column.type}"
        if column.options & HIDDEN:
            term += " HIDDEN"
        collation = next((name for name, bit in COLLATIONS.items() if column.options & bit), None)
        terms.append(term if collation is None else f"{term} COLLATE {collation.upper()}")
        if column.options & (INDEX | ADDITIONAL):
            keys.append(column.name)
    keyed = bool(keys)
    if keyed and not any(column.options & INDEX for column in columns):
        # ADDITIONAL columns alone do not tell rows apart.
        keys = [column.name for column in columns]
    if keyed:
        terms.append("PRIMARY KEY ({})".format(", ".join(f"`{key}`" for key in keys)))
    tail = "" if extension or not keyed else " WITHOUT ROWID"
    return f"CREATE TABLE {name}({', '.join(terms)}){tail}"


def parse_routes(name: str, rows: TextRows, *, extension: bool, default_index: bool = True) -> Definition:
    """Read a table's route rows as osqueryd does when it creates the virtual table.

    Args:
        name: the table's name.
        rows: `{id: column|alias|columnAlias|attributes, ...}`. Incomplete rows and other kinds are skipped.
        extension: True if the table comes from an extension.
        default_index: the flag `--extensions_default_index`: a column of an extension that has no option is
            an INDEX.
    """
    columns: list[RouteColumn] = []
    aliases: dict[str, int] = {}
    views: set[str] = set()
    attributes = 0
    for row in rows:
        kind, column_name = row.get("id"), row.get("name")
        if kind == "column" and column_name is not None and "type" in row:
            options = _number(row.get("op"), 64) or 0
            if options == 0 and extension and default_index:
                options = INDEX
            columns.append(RouteColumn(column_name, known_type(row["type"]), options))
        elif kind == "alias" and "alias" in row:
            views.add(row["alias"])
        elif kind == "columnAlias" and column_name is not None and "target" in row:
            columns.append(RouteColumn(column_name, "UNKNOWN", HIDDEN))
            names = [column.name for column in columns]
            aliases[column_name] = names.index(row["target"]) if row["target"] in names else 0
        elif kind == "attributes":
            attributes = _number(row.get("attributes"), 64) or 0
    statement = create_statement(name, _column_definitions(rows), extension=extension)
    return Definition(name, statement, tuple(columns), aliases, tuple(sorted(views)), attributes)
