"""One run of a table's function: its result, of any kind that an author may return, as rows."""

from __future__ import annotations

import os
import types
from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from kolide_kit.author_code import SameProcess, end_if_forked, pass_on_interrupt, shown, until_fork
from kolide_kit.errors import LimitExceeded, SettingsError

from ..errors import TableError
from .columns import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .definition import Definition
    from .query import Query

# Errors that say by themselves what is wrong; any other comes with its type, and a traceback.
ON_PURPOSE = (TableError, LimitExceeded, SettingsError)
_PLAIN_RESULTS = (list, types.GeneratorType)


class Run:
    """The state of one call that has to be cleaned up.

    Attributes:
        pid: the process that began the call.
    """

    __slots__ = ("_definition", "_function", "_generators", "pid")

    def __init__(self, definition: Definition, function: Callable[[Query], Any]) -> None:
        """Take the table's definition, and the author's function."""
        self.pid = os.getpid()
        self._definition = definition
        self._function = function
        self._generators: tuple[types.GeneratorType[Any, None, None], ...] = ()

    def rows(self, query: Query) -> Iterator[Sequence[Any]]:
        """Run the function and return its rows as tuples in column order."""
        result = self._function(query)
        if type(result) is types.GeneratorType:
            self._generators += (result,)
        if type(result) not in _PLAIN_RESULTS and (
            hasattr(result, "__aiter__") or hasattr(result, "__await__")
        ):
            from .event_loops import run_async

            result = run_async(result)
        if result is None:
            return iter(())
        rows: Iterator[Any] = iter(result)
        first = next(rows, MISSING)
        if first is MISSING:
            return iter(())
        if type(result) is list:
            rows = chain((first,), rows)
        else:
            end_if_forked(self.pid)
            rows = until_fork(rows, first)
        if isinstance(first, tuple) or not isinstance(first, Mapping):
            return rows
        return self._from_mappings(rows)

    def close(self, report: Callable[[BaseException], object]) -> None:
        """Close the generators that a failed call left open; `report` gets the errors of closing them."""
        for generator in self._generators:
            try:
                with SameProcess():
                    generator.close()
            except BaseException as error:  # noqa: BLE001  the call has failed already
                pass_on_interrupt(error)
                report(error)

    def _from_mappings(self, rows: Iterator[Mapping[str, Any]]) -> Iterator[Sequence[Any]]:
        definition = self._definition
        names = tuple(definition.by_name)
        known = set(names)
        for row in rows:
            if not isinstance(row, Mapping):
                raise TableError(
                    f"{definition.name}: the first row is a mapping, a later one {type(row).__name__}"
                )
            if not known.issuperset(row):
                unknown = sorted(key if type(key) is str else shown(key) for key in row if key not in known)
                raise TableError(
                    f"{definition.name}: a row has unknown columns: {', '.join(unknown)}"
                    f"{definition.meant(unknown[0])}"
                )
            yield tuple(row.get(name) for name in names)
