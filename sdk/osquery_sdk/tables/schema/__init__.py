"""Schemas of tables in the forms that others read: people, osquery's site and code generator, Fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .model import ColumnSchema, TableSchema

if TYPE_CHECKING:
    from collections.abc import Sequence

SUFFIXES = {"json": ".json", "markdown": ".md", "fleet-yaml": ".yml", "spec": ".table"}
"""Form -> suffix of its files."""


def render(tables: Sequence[TableSchema], form: str, *, program: str) -> str:
    """Return tables in one of the forms of `SUFFIXES`.

    Args:
        tables: the schemas.
        form: json is one array; documents of fleet-yaml are separated by `---`, specs by an empty line.
        program: the extension's name; a spec names it as the place of the implementation.
    """
    # A command that shows no schema does without the forms.
    if form == "json":
        from .website import website

        return website(tables)
    if form == "markdown":
        from .markdown import markdown

        return "\n".join(map(markdown, tables))
    if form == "fleet-yaml":
        from .fleet import fleet

        return "---\n".join(map(fleet, tables))
    from .spec import spec

    return "\n".join(spec(table, program) for table in tables)


__all__ = ["SUFFIXES", "ColumnSchema", "TableSchema", "render"]
