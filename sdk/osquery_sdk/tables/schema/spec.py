"""The form "spec": a table as osquery's code generator `tools/codegen/gentable.py` reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ...vocabulary import ADDITIONAL, COLLATIONS, HIDDEN, INDEX, OPTIMIZED, REQUIRED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .model import ColumnSchema, TableSchema

# osquery's bits of table attributes -> their names in a spec
_ATTRIBUTES = {1: "utility", 2: "cacheable", 4: "event_subscriber", 8: "user_data", 16: "kernel_required"}
_OPTIONS = {
    INDEX: "index",
    REQUIRED: "required",
    ADDITIONAL: "additional",
    OPTIMIZED: "optimized",
    HIDDEN: "hidden",
}


def spec(table: TableSchema, program: str) -> str:
    """Return the spec of a table.

    Args:
        table: the schema.
        program: the extension's name, for the place of the implementation.
    """
    description = " ".join(table.description.split()) or table.name
    names = f", aliases={_list(table.aliases)}" if table.aliases else ""
    lines = [
        *(f"# osquery's gentable.py refuses {why}" for why in _refusals(table)),
        f"table_name({_text(table.name)}{names})",
        # The generator refuses a description that does not end with a full stop.
        f"description({_text(description if description.endswith('.') else description + '.')})",
        "schema([",
        *(f"    {_column(column)}," for column in table.columns),
        "])",
    ]
    attributes = [f"{name}=True" for bit, name in _ATTRIBUTES.items() if table.attributes & bit]
    if attributes:
        lines.append(f"attributes({', '.join(attributes)})")
    # The generator wants a C++ source and function: name the ones that osquery would use.
    camel = "".join(word.title() for word in table.name.split("_"))
    lines.append(f"implementation({_text(f'{program}@gen{camel}')})")
    if table.remarks:
        lines.append(f"notes({_text(table.remarks)})")
    if table.examples:
        lines += ["examples([", *(f"    {_text(example)}," for example in table.examples), "])"]
    return "\n".join(lines) + "\n"


def _refusals(table: TableSchema) -> list[str]:
    """Return the reasons why the generator refuses a table. osqueryd takes such tables."""
    reasons = [
        f"a column named {column.name}: its own code has that name"
        for column in table.columns
        if column.name in ("n", "index")
    ]
    if table.is_evented:
        if not table.name.endswith("_events"):
            reasons.append("a table of events whose name does not end in _events")
        if ("time", "BIGINT") not in [(column.name, column.type) for column in table.columns]:
            reasons.append("a table of events without a column time of BIGINT")
    return reasons


def _column(column: ColumnSchema) -> str:
    words = [_text(column.name), column.type.replace(" ", "_"), _text(" ".join(column.description.split()))]
    if column.aliases:
        words.append(f"aliases={_list(column.aliases)}")
    words += [f"{name}=True" for bit, name in _OPTIONS.items() if column.options & bit]
    words += [
        f"collate={_text(name)}"
        for name, bit in COLLATIONS.items()
        if column.options & bit and name != "binary"
    ]
    return f"Column({', '.join(words)})"


def _text(text: str) -> str:
    """Return a Python string; JSON's escapes are Python's."""
    return json.dumps(text, ensure_ascii=False)


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, texts))}]"
