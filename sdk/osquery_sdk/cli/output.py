"""Print the results of queries in several forms, to a terminal, a pipe or a file.

NULL is empty in every form, as in osqueryi. `--nullvalue` sets another text for it; typed JSON has null.
"""

from __future__ import annotations

import json
import math
import os
import re
from typing import TYPE_CHECKING, Any

from kolide_kit.author_code import to_stderr
from kolide_kit.spinner import is_terminal
from kolide_kit.streams import stdout

from .exit_codes import Failed, Misuse

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping, Sequence
    from typing import BinaryIO, TextIO, TypeAlias

    from ..engine import Host, ResultSet, TypedResult
    from .pager import Pager

    Value: TypeAlias = str | int | float | None

FORMS = {
    "table": "a table",
    "line": "a line for each column",
    "json": "a JSON array of objects",
    "csv": "comma-separated values with a header",
    "ndjson": "a JSON object a line",
    "markdown": "a Markdown table",
}
JSON_FORMS = ("json", "ndjson")
# A program reads the others, even where a terminal shows them.
_FOR_PEOPLE = ("table", "line")
_LEAST_WIDTH = 6
_USUAL_WIDTH = 80
_CSV_SIGNS = re.compile(r'[",\r\n]')
# JSON needs escapes for bytes that are not UTF-8, a terminal for control characters.
_TO_ESCAPE = re.compile(r"[\x7f-\x9f\ud800-\udfff]")
# Signs with a meaning in a Markdown cell, or in the HTML within it.
_MARKDOWN_SIGNS = re.compile(r"[\\`*_<>\[\]|~&]")


def add_forms(parser: ArgumentParser) -> None:
    """Add an option for each form, which sets `form`, and `--typed`."""
    group = parser.add_mutually_exclusive_group()
    for name, words in FORMS.items():
        default = " (the default)" if name == "table" else ""
        group.add_argument(
            f"--{name}",
            dest="form",
            action="store_const",
            const=name,
            default="table",
            help=f"print {words}{default}",
        )
    parser.add_argument(
        "--typed", action="store_true", help="in JSON, print numbers as numbers and NULL as null"
    )


def check_forms(options: Namespace) -> None:
    """Raise Misuse for options of `add_forms` that do not fit together."""
    if options.typed and options.form not in JSON_FORMS:
        raise Misuse("--typed needs --json or --ndjson")


def ask(host: Host, sql: str, *, typed: bool, timeout: float | None) -> ResultSet | TypedResult:
    """Run one statement; its values are texts or, if `typed`, of SQL's types."""
    return host.query_typed(sql, timeout=timeout) if typed else host.query(sql, timeout=timeout)


class Printer:
    """A printer of results, to standard output or a file.

    Args:
        file: gets all output instead of standard output.
        pager: shows results that are longer than the terminal.
    """

    def __init__(self, file: BinaryIO | None = None, *, pager: Pager | None = None) -> None:
        """Set up; nothing is printed yet."""
        self._file = file
        self._pager = pager

    @property
    def is_on_terminal(self) -> bool:
        """Results go to a terminal, where a person reads them."""
        return self._file is None and stdout().isatty()

    def rows(self, columns: Sequence[str], rows: Sequence[Mapping[str, Value]], form: str) -> None:
        """Print rows: cut to fit a terminal, or in full and in UTF-8 to a pipe or file."""
        out = stdout()
        if not self.is_on_terminal:
            self._write(render(columns, rows, form))
            return
        text = render(columns, rows, form, width=terminal_width(out))
        if columns and not rows and form in _FOR_PEOPLE:
            text += "0 rows\n"
        if form == "csv":
            text = "".join(c if c == "\n" else clean(c) for c in text)
        if self._pager is not None and _is_long(text, out):
            # A pager that scrolls sideways shows the table in full.
            whole = render(columns, rows, form) if self._pager.scrolls and form == "table" else text
            if self._pager.show(whole, out):
                return
        self._show(text, out)
        if form == "table" and "…" in text:
            to_stderr("Cells end in … to fit the terminal; the line form shows them in full.")

    def text(self, text: str) -> None:
        """Print text for people. It ends with a newline."""
        out = stdout()
        if not self.is_on_terminal:
            self._write(text)
        elif self._pager is None or not _is_long(text, out) or not self._pager.show(text, out):
            self._show(text, out)

    def _write(self, text: str) -> None:
        # Bytes from a table that are not UTF-8 are written unchanged.
        data = text.encode("utf-8", "surrogateescape")
        if self._file is not None:
            self._file.write(data)
            self._file.flush()
            return
        out = stdout()
        out.flush()
        out.buffer.write(data)
        out.buffer.flush()

    def _show(self, text: str, out: TextIO) -> None:
        print(text.encode("utf-8", "backslashreplace").decode(), end="", flush=True, file=out)


def _is_long(text: str, terminal: TextIO) -> bool:
    """Return whether text has more lines than a terminal shows above its prompt."""
    try:
        lines = os.get_terminal_size(terminal.fileno()).lines
    except (OSError, ValueError):
        return False
    return 0 < lines <= text.count("\n") + 1


def save(path: str, data: bytes) -> None:
    """Write a file whole, or leave the old one. Follow a link; write to a device or pipe.

    Raises:
        Failed: the file cannot be written. The old file is unchanged.
    """
    import stat
    from pathlib import Path

    from kolide_kit.atomic import replace_file

    target = Path(os.path.realpath(path))
    try:
        facts = target.stat() if target.exists() else None
        if facts is not None and stat.S_ISDIR(facts.st_mode):
            raise Failed(f"{path} is a folder, not a file")
        if facts is not None and not stat.S_ISREG(facts.st_mode):
            with target.open("wb", buffering=0) as device:
                device.write(data)
            return
        replace_file(target, data, mode=_usual_mode() if facts is None else stat.S_IMODE(facts.st_mode))
    except OSError as error:
        raise Failed(f"{path}: {error.strerror or error}") from error


def require_place(path: str) -> None:
    """Raise Failed if no file can be made at a path; called before statements that may take long."""
    folder = os.path.dirname(os.path.realpath(path))  # noqa: PTH120  beside realpath
    if os.path.isdir(path):  # noqa: PTH112
        raise Failed(f"{path} is a folder, not a file")
    if not os.path.isdir(folder):  # noqa: PTH112
        raise Failed(f"{path}: the folder {folder} does not exist")


def _usual_mode() -> int:
    """Return the permissions of a new file, as the umask sets them."""
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def colours(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that may show colours: NO_COLOR is not set."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def terminal_width(terminal: TextIO) -> int:
    """Return the width of a terminal in columns: that of COLUMNS, or its own, or 80 if it has none."""
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    try:
        return os.get_terminal_size(terminal.fileno()).columns or _USUAL_WIDTH
    except (OSError, ValueError):
        return _USUAL_WIDTH


def render(
    columns: Sequence[str], rows: Sequence[Mapping[str, Value]], form: str, *, width: int | None = None
) -> str:
    """Return rows in one of `FORMS`, with a newline at the end.

    Args:
        columns: names of the columns, in order.
        rows: values by column; a missing one is empty. Values other than texts are for the JSON forms.
        form: one of `FORMS`.
        width: width of the terminal that a table has to fit, in columns.
    """
    if form in JSON_FORMS:
        objects = [{column: _plain(row.get(column, "")) for column in columns} for row in rows]
        if form == "json":
            return _json(objects, indent=2)
        return "".join(_json(values, separators=(",", ":")) for values in objects)
    texts = [[_value_text(row.get(column, "")) for column in columns] for row in rows]
    if form == "table":
        return _table(columns, texts, width)
    return {"csv": _csv, "line": _lines, "markdown": _markdown}[form](columns, texts)


def _value_text(value: Value) -> str:
    return "" if value is None else str(value)


def _plain(value: Value) -> Value:
    """Return a value for JSON: infinity and NaN become texts."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _json(values: object, **layout: Any) -> str:
    text = json.dumps(values, ensure_ascii=False, **layout)
    return _TO_ESCAPE.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n"


def _csv(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    # Python's csv module leaves a carriage return unquoted if lines end with a line feed alone. Readers would
    # then see the end of a line.
    alone = len(columns) == 1  # readers skip the empty line of a single empty value
    return "".join(",".join(_quoted(v, alone=alone) for v in line) + "\n" for line in (columns, *rows))


def _quoted(value: str, *, alone: bool) -> str:
    """Return a value of CSV, quoted by RFC 4180 where needed."""
    needs_it = _CSV_SIGNS.search(value) or (alone and not value)
    return '"' + value.replace('"', '""') + '"' if needs_it else value


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not columns:
        return ""
    lines = [map(_cell, columns), ["---"] * len(columns), *(map(_cell, row) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    """Return text escaped for a cell of a Markdown table."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "<br>".join(_MARKDOWN_SIGNS.sub(lambda sign: f"\\{sign[0]}", clean(line)) for line in lines)


def _lines(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    width = max(map(len, columns), default=0)
    return "\n".join(
        "".join(f"{column:>{width}} = {clean(text)}\n" for column, text in zip(columns, row, strict=True))
        for row in rows
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> str:
    if not columns:
        return ""
    heads, *cells = [[clean(text) for text in line] for line in (columns, *rows)]
    widths = [max(map(cell_width, texts)) for texts in zip(heads, *cells, strict=True)]
    if width is not None:
        room = width - 3 * len(columns) - 1
        if room < sum(min(w, _LEAST_WIDTH) for w in widths):
            return _lines(columns, rows)
        _shrink(widths, room)
    rule = "+" + "+".join("-" * (w + 2) for w in widths) + "+"
    return "\n".join([rule, _row(heads, widths), rule, *(_row(row, widths) for row in cells), rule]) + "\n"


def _shrink(widths: list[int], room: int) -> None:
    """Narrow the widest columns until all fit into the room."""
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


def clean(text: str) -> str:
    """Return text with control characters and bytes that are not UTF-8 written as escapes."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def cell_width(text: str) -> int:
    """Return the width of printable text on a terminal, in columns."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(0 if category(c) in ("Mn", "Me") else 2 if east_asian_width(c) in "WF" else 1 for c in text)
