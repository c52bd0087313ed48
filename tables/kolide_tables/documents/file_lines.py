"""kolide_file_lines: the lines of text files.

It can show any file's content, so a program has to enable it by name.
"""

from collections.abc import Iterator

from kolide_kit.limits import Budget
from kolide_kit.text import decode
from osquery_sdk import Column, Query, TableError, table

from ..reading.paths import FileRow, asked_contents

__all__ = ["FileLine", "file_lines"]


class FileLine(FileRow):
    """A line of a file."""

    line_number: int = Column("Number of the line, from 1", key=True)
    line: str = Column("The line, without its end")


@table(
    "kolide_file_lines",
    privilege="Without root: only files that the user may read.",
    examples=(
        "select line_number, line from kolide_file_lines where path = '/etc/hosts' and line not like '#%'",
        "select path, count(*) as lines from kolide_file_lines where path like '/etc/cron.d/%' group by path",
    ),
)
def file_lines(query: Query) -> Iterator[FileLine]:
    """Lines of text files: UTF-8, or what their byte order mark says; other bytes as escapes."""
    budget = Budget.of(query)
    for path, content, error in asked_contents(query, "path", budget):
        if error:
            raise TableError(error)
        lines = decode(content).split("\n")
        if not lines[-1]:
            del lines[-1]  # a line feed at the end begins no further line
        budget.add_rows(len(lines))
        for number, line in enumerate(lines, 1):
            yield FileLine(path=path, line_number=number, line=line.removesuffix("\r"))
