"""Sharing: one run of a table's function answers identical requests, or with a snapshot every request."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from kolide_kit.author_code import SameProcess, describe

from ..errors import DeadlineExceeded, QueryCancelled, TableError
from ..vocabulary import ColumnType
from .columns import INTEGER_RANGES
from .run import ON_PURPOSE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .definition import Definition
    from .query import Query


class _Generation:
    """One run of the function that requests share, kept for as long as it is fresh."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.ended = 0.0
        self.rows: list[Sequence[Any]] = []
        self.error: BaseException | None = None
        self.indexes: dict[str, dict[Any, list[Sequence[Any]]]] = {}


class Generations:
    """The runs of a table with `cache` or `snapshot`."""

    def __init__(self, definition: Definition) -> None:
        """Start without a run."""
        self._definition = definition
        self._shared: dict[str, _Generation] = {}
        self._lock = threading.Lock()

    def rows(self, query: Query, run: Callable[[Query], Iterable[Sequence[Any]]]) -> Iterable[Sequence[Any]]:
        """Return the rows for a query from a run that is fresh or still going on, or else from a new one.

        Args:
            query: the query.
            run: makes the rows for the query that it gets.

        Raises:
            TableError: the run that the query waited for failed, or did not end in time.
            BaseException: whatever `run` raises.
        """
        if self._definition.options.snapshot:
            return self._look_up(self._share("", query.whole(), run), query)
        return self._share(query.identity(), query, run).rows

    def _share(self, key: str, query: Query, run: Callable[[Query], Iterable[Sequence[Any]]]) -> _Generation:
        while True:
            generation, mine = self._claim(key)
            if mine:
                try:
                    with SameProcess():
                        generation.rows = list(run(query))
                except BaseException as error:
                    generation.error = error
                    with self._lock:
                        self._shared.pop(key, None)
                    raise
                finally:
                    generation.ended = time.monotonic()
                    generation.done.set()
            elif not generation.done.wait(query.remaining()):
                raise TableError(f"{self._definition.name}: out of time")
            if generation.error is None:
                return generation
            # The call that ran it gave up for a reason of its own: try again.
            if not issubclass(type(generation.error), (QueryCancelled, DeadlineExceeded)):
                raise TableError(describe(generation.error, *ON_PURPOSE)) from generation.error

    def _claim(self, key: str) -> tuple[_Generation, bool]:
        """Return a generation, and whether the caller has to run it."""
        cache = self._definition.options.cache
        fresh = 1.0 if cache is None else cache
        with self._lock:
            now = time.monotonic()
            for old in [k for k, f in self._shared.items() if f.done.is_set() and now - f.ended > fresh]:
                del self._shared[old]
            generation = self._shared.get(key)
            if generation is not None:
                return generation, False
            generation = self._shared[key] = _Generation()
            return generation, True

    def _look_up(self, generation: _Generation, query: Query) -> Iterable[Sequence[Any]]:
        """Return rows of a snapshot; use a hash index of the first column that has to equal something."""
        for position, column in enumerate(self._definition.columns):
            # A version collation takes different texts for equal; no hash shows that.
            if not column.definition.index or (column.definition.collate or "").startswith("version"):
                continue
            wanted = query.equals(column.name)
            if wanted is None or (column.type not in INTEGER_RANGES and column.type is not ColumnType.TEXT):
                continue
            with self._lock:
                index = generation.indexes.get(column.name)
                if index is None:
                    index = {}
                    texts = column.texts([row[position] for row in generation.rows])
                    for text, row in zip(texts, generation.rows, strict=True):
                        index.setdefault(_folded(text), []).append(row)
                    generation.indexes[column.name] = index
            keys = dict.fromkeys(_folded(str(value)) for value in wanted)
            return [row for text in keys for row in index.get(text, ())]
        return generation.rows


def _folded(text: str) -> str:
    """Return a key that is equal for texts that any of SQLite's own collations takes for equal.

    A request does not say which collation a statement uses.
    """
    return text.casefold().rstrip(" ")
