"""Name the faults of a configuration: in an error if the statement names the file with `=`, else in the log.

Without the lines that its program refuses, an answer about one file would look as if they were not in it.
With LIKE, and with the default file, the lines and files without faults are still answered.
"""

import os
from collections.abc import Iterator, Sequence

from kolide_kit.limits import Budget
from osquery_sdk import Query, TableError

from ..reading.leftout import LeftOut
from ..reading.paths import asked_paths

_MOST = 5


class Faults:
    """Passes on what is wrong with files: raises it for a statement that names them, or logs it."""

    def __init__(self, query: Query) -> None:
        """Find out whether the statement names files."""
        self._is_named = query.equals("path") is not None
        self._left_out = LeftOut(query)

    def report(self, message: str) -> None:
        """Log a message, or count it if several are logged; raise TableError if the statement names the
        file.
        """
        if self._is_named:
            raise TableError(message)
        self._left_out.add(message)

    def finish(self) -> None:
        """Log how many messages were counted."""
        self._left_out.finish()


class BadLines:
    """The lines of one file that its program does not understand: the first in full, others by number."""

    def __init__(self) -> None:
        """Begin without any."""
        self._first = ""
        self._others: list[int] = []
        self._more = 0
        self._last = 0

    def add(self, line: int, column: int, problem: str) -> None:
        """Note a line, and the column from 1 at which the problem is; of one line, the first problem."""
        if line == self._last:
            return
        self._last = line
        if not self._first:
            self._first = f"line {line}, column {column}: {problem}"
        elif len(self._others) < _MOST:
            self._others.append(line)
        else:
            self._more += 1

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return bool(self._first)

    def __str__(self) -> str:
        """Return the first problem with its place, and the numbers of other lines."""
        if not self._others:
            return self._first
        named = ", ".join(map(str, self._others))
        more = f" and {self._more:,} more" if self._more else ""
        return f"{self._first}; also line{'s' * (len(self._others) > 1)} {named}{more}"


def paths_or_default(query: Query, defaults: Sequence[str], budget: Budget) -> Iterator[str]:
    """Yield the paths that =, IN or LIKE name, or else the first of the defaults that exists."""
    if query.equals("path") is None and not query.like("path"):
        return iter((next(filter(os.path.lexists, defaults), defaults[0]),))
    return asked_paths(query, "path", budget, links=True)
