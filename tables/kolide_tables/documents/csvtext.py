"""Read CSV: each record is a map from the header's names to its fields."""

import re
from collections.abc import Iterator

from kolide_kit.limits import Budget

from ..reading.parsing import ParseError

__all__ = ["CsvRecords"]

# The largest C long on every platform. A field is never larger than its file, which has a limit of its own.
_LONGEST_FIELD = 2**31 - 1
# The line in which Excel is told the separator.
_TOLD = re.compile(r"[Ss][Ee][Pp]=([,;\t|])(?:\r\n?|\n)")
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")


class CsvRecords:
    """Records as maps, without the header and empty lines; they are read anew in each iteration.

    A field without a name, beyond the header's end or under an empty name, is named by its position. The
    second column of a name, `a`, is named `a_2`. Fields are separated by commas; if the header has no comma,
    by tabs or semicolons, if it has those. A first line such as `sep=;` says it too, and is left out.
    """

    def __init__(self, text: str, budget: Budget) -> None:
        """Keep the text."""
        self._text = text
        self._budget = budget

    def __iter__(self) -> Iterator[object]:
        """Yield the records; raises ParseError."""
        import csv

        # The csv module's own limit, 128 KB, would make a large field an error; it can be set only for the
        # whole process.
        csv.field_size_limit(_LONGEST_FIELD)
        told = _TOLD.match(self._text)
        lines = (match[0] for match in _LINE.finditer(self._text, told.end() if told else 0))
        rows = csv.reader(lines, delimiter=told[1] if told else _delimiter(self._text))
        try:
            header = _names(next(filter(None, rows), []))
            for row in rows:
                self._budget.step()
                if not row:
                    continue
                more = map(str, range(len(header), len(row)))
                names = header if len(row) <= len(header) else [*header, *more]
                yield dict(zip(names, row, strict=False))
        except csv.Error as error:
            raise ParseError(f"line {rows.line_num}, column 1: {error}") from error


def _names(header: list[str]) -> list[str]:
    """Return a name for each column, none of them twice."""
    names: list[str] = []
    # Names that are written win over those that are made here.
    taken = set(header)
    counts: dict[str, int] = {}
    for position, written in enumerate(header):
        name = base = written or str(position)
        count = counts.get(base, 0 if written else int(base in taken))
        while count and (name in taken or name == base):
            count += 1
            name = f"{base}_{count}"
        counts[base] = count or 1
        taken.add(name)
        names.append(name)
    return names


def _delimiter(text: str) -> str:
    """Return the separator of the header's names; quoted names are skipped."""
    separators = set()
    for mark in re.finditer(r'"[^"]*"?|[,\t;\r\n]', text.lstrip("\r\n")):
        if mark[0] in "\r\n":
            break
        separators.add(mark[0])
    return next((character for character in ",\t;" if character in separators), ",")
