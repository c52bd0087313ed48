"""Describe the tables that the extensions of a running host have, for the shell and for errors.

Extensions made with this SDK answer two actions that osqueryd never sends: `describe` and `examples`. Other
extensions refuse them; their tables have neither descriptions nor examples here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..sql.tokens import one_line, tables_of
from ..tables.options import this_platform
from ..tables.schema import TableSchema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..engine import Host

TABLES_OF_EXTENSIONS = (
    "select name from osquery_registry where registry = 'table' and owner_uuid <> 0 order by name"
)


def ask_table(host: Host, table: str, action: str) -> Sequence[Mapping[str, str]]:
    """Return the rows of a table's answer to an action; none where it does not know the action."""
    response = host.manager.call("table", table, {"action": action})
    return response.rows if isinstance(response.rows, (list, tuple)) else ()


def extension_tables(host: Host) -> list[str]:
    """Return the names of the tables that extensions have, sorted."""
    return [row["name"] for row in host.query(TABLES_OF_EXTENSIONS).rows]


def describe(host: Host, table: str) -> str:
    """Return a table's description; "" if it tells none."""
    return _descriptions(host, table).get("", "")


def schema_of(host: Host, table: str) -> TableSchema:
    """Return a table's schema, with the descriptions that its extension tells."""
    schema = _undescribed(host, table)
    texts = _descriptions(host, table)
    columns = tuple(column._replace(description=texts.get(column.name, "")) for column in schema.columns)
    return schema._replace(description=texts.get("", ""), columns=columns)


def _undescribed(host: Host, table: str) -> TableSchema:
    return TableSchema.from_routes(table, ask_table(host, table, "columns"), [this_platform()])


def _descriptions(host: Host, table: str) -> dict[str, str]:
    """Return the descriptions of a table's columns by name, and the table's own under ""."""
    rows = ask_table(host, table, "describe")
    return {row.get("name", ""): " ".join(row.get("description", "").split()) for row in rows}


def statement_to_try(host: Host) -> str:
    """Return a statement that runs on this host, without a semicolon.

    It is the shortest example of a table that requires no column: a required column often names a file that
    this machine lacks. Otherwise it is the shortest example of all. Without examples it reads a table that
    requires no column, or the time.
    """
    present = {name.lower() for name in host.tables()}
    examples, readable = [], []
    for table in extension_tables(host):
        requires = any(column.required for column in _undescribed(host, table).columns)
        if not requires:
            readable.append(f"select * from {table} limit 5")  # noqa: S608  the name of a registered table
        for row in ask_table(host, table, "examples"):
            example = one_line(row.get("sql", ""))
            if example and present.issuperset(name.lower() for name in tables_of(example).values()):
                examples.append((requires, len(example), example))
    if examples:
        return min(examples)[-1]
    return readable[0] if readable else "select * from time"
