"""Results of a query as a person or a machine reads them."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORMATS = ("table", "json", "csv", "line")


def render(columns: Sequence[str], rows: Sequence[Mapping[str, str]], form: str) -> str:
    """Rows in one of `FORMATS`, with a newline at the end."""
    if form == "json":
        return json.dumps([dict(row) for row in rows], indent=2, ensure_ascii=False) + "\n"
    if form == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([row.get(c, "") for c in columns] for row in rows)
        return out.getvalue()
    if form == "line":
        width = max(map(len, columns), default=0)
        return "\n".join("".join(f"{c:>{width}} = {row.get(c, '')}\n" for c in columns) for row in rows)
    cells = [[_cell(row.get(c, "")) for c in columns] for row in rows]
    widths = [max([len(c), *(len(row[i]) for row in cells)]) for i, c in enumerate(columns)]
    rule = "+" + "+".join("-" * (w + 2) for w in widths) + "+"
    lines = [rule, _line(columns, widths), rule, *(_line(row, widths) for row in cells), rule]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(f"{c:<{w}}" for c, w in zip(cells, widths, strict=True)) + " |"
