"""Results of a query as a person or a machine reads them.

NULL is empty in every form, as in osqueryi; `--nullvalue` names it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING

from osquery_sdk.streams import stdout

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Mapping, Sequence
    from typing import TextIO

FORMS = {
    "table": "a table",
    "line": "a line for each column",
    "json": "a JSON array of objects",
    "csv": "comma-separated values with a header",
}
_LEAST_WIDTH = 6
_USUAL_WIDTH = 80
# What is not UTF-8 has no place in JSON but as an escape; control characters have none on a terminal.
_CSV_SIGNS = re.compile(r'[",\r\n]')
_TO_ESCAPE = re.compile(r"[\x7f-\x9f\ud800-\udfff]")


def add_forms(parser: ArgumentParser) -> None:
    """Add an option for each form; `form` is the one chosen."""
    group = parser.add_mutually_exclusive_group()
    for name, words in FORMS.items():
        default = " (unless told otherwise)" if name == "table" else ""
        group.add_argument(
            f"--{name}",
            dest="form",
            action="store_const",
            const=name,
            default="table",
            help=f"print {words}{default}",
        )


def write(columns: Sequence[str], rows: Sequence[Mapping[str, str]], form: str) -> None:
    """Print rows to standard output: made to fit a terminal, or whole and in UTF-8 for a pipe or file."""
    out = stdout()
    if not out.isatty():
        # Bytes that a table sent and that are no UTF-8 go out as they came.
        out.flush()
        out.buffer.write(render(columns, rows, form).encode("utf-8", "surrogateescape"))
        out.buffer.flush()
        return
    text = render(columns, rows, form, width=terminal_width(out))
    if form == "csv":
        text = "".join(c if c == "\n" else _clean(c) for c in text)
    print(text.encode("utf-8", "backslashreplace").decode(), end="", flush=True, file=out)
    if form == "table" and "…" in text:
        print("Cells end in … to fit the terminal; line form shows them whole.", file=sys.stderr)


def terminal_width(terminal: TextIO) -> int:
    """Columns of a terminal: what COLUMNS says, or its own width, or 80 if it has none."""
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(terminal.fileno()).columns or _USUAL_WIDTH
    except (OSError, ValueError):
        return _USUAL_WIDTH


def render(
    columns: Sequence[str], rows: Sequence[Mapping[str, str]], form: str, *, width: int | None = None
) -> str:
    """Rows in one of `FORMS`, with a newline at the end.

    Args:
        columns: their names, in order.
        rows: a value, or none, for each column.
        form: one of `FORMS`.
        width: columns of the terminal that a table has to fit.
    """
    if form == "json":
        return _json(columns, rows)
    if form == "csv":
        return _csv(columns, rows)
    if form == "line":
        return _lines(columns, rows)
    return _table(columns, rows, width)


def _json(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    text = json.dumps(
        [{column: row.get(column, "") for column in columns} for row in rows], indent=2, ensure_ascii=False
    )
    return _TO_ESCAPE.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n"


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    # Python's writer leaves a carriage return unquoted where lines end with a line feed alone, so readers see a line end.
    lines = [columns, *([row.get(column, "") for column in columns] for row in rows)]
    alone = len(columns) == 1  # and empty it would be an empty line, which readers skip
    return "".join(",".join(_quoted(v) if v or not alone else '""' for v in line) + "\n" for line in lines)


def _quoted(value: str) -> str:
    """A value of RFC 4180."""
    return '"' + value.replace('"', '""') + '"' if _CSV_SIGNS.search(value) else value


def _lines(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    width = max(map(len, columns), default=0)
    return "\n".join(
        "".join(f"{column:>{width}} = {_clean(row.get(column, ''))}\n" for column in columns) for row in rows
    )


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, str]], width: int | None) -> str:
    if not columns:
        return ""
    heads = [_clean(column) for column in columns]
    cells = [[_clean(row.get(column, "")) for column in columns] for row in rows]
    widths = [max(map(cell_width, texts)) for texts in zip(heads, *cells, strict=True)]
    if width is not None:
        room = width - 3 * len(columns) - 1
        if room < sum(min(w, _LEAST_WIDTH) for w in widths):
            return _lines(columns, rows)
        _shrink(widths, room)
    rule = "+" + "+".join("-" * (w + 2) for w in widths) + "+"
    return "\n".join([rule, _row(heads, widths), rule, *(_row(row, widths) for row in cells), rule]) + "\n"


def _shrink(widths: list[int], room: int) -> None:
    """Take what is too much from the widest columns."""
    while (over := sum(widths) - room) > 0:
        widest = max(widths)
        second = max((w for w in widths if w < widest), default=0)
        places = [i for i, w in enumerate(widths) if w == widest]
        least = max(second, widest - -(-over // len(places)), _LEAST_WIDTH)
        if least == widest:
            least = widest - 1
        for place in places:
            if over <= 0:
                break
            over -= widest - least
            widths[place] = least


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(_fit(cell, width) for cell, width in zip(cells, widths, strict=True)) + " |"


def _fit(text: str, width: int) -> str:
    missing = width - cell_width(text)
    if missing >= 0:
        return text + " " * missing
    while text and cell_width(text) > width - 1:
        text = text[: max(0, min(len(text) - 1, width - 1))]
    return text + "…" + " " * (width - 1 - cell_width(text))


def _clean(text: str) -> str:
    """Text without control characters: each is written as its escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def cell_width(text: str) -> int:
    """Columns that printable text takes on a terminal."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(0 if category(c) in ("Mn", "Me") else 2 if east_asian_width(c) in "WF" else 1 for c in text)
