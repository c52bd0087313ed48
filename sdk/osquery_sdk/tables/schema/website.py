"""The form "json": the schema of osquery's website, as its `tools/codegen/genwebsitejson.py` writes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .model import TableSchema


def website(tables: Iterable[TableSchema]) -> str:
    """Return one JSON array with all tables."""
    return json.dumps([_json(table) for table in tables], indent=2, ensure_ascii=False) + "\n"


def _json(table: TableSchema) -> dict[str, object]:
    return {
        "name": table.name,
        "description": table.description,
        "url": "",
        "platforms": sorted(table.platforms),
        "evented": table.is_evented,
        "cacheable": table.is_cacheable,
        "notes": table.remarks,
        "examples": list(table.examples),
        "columns": [
            {
                "name": column.name,
                "description": column.description,
                "type": column.type_word,
                "notes": "",
                "hidden": column.hidden,
                "required": column.required,
                "index": column.indexed,
            }
            for column in table.columns
        ],
    }
