"""Writable tables, as their author writes them: a class with rows, insert, update and delete."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from .errors import ReadOnly
from .rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .query import Query

R = TypeVar("R", bound=Row)


class WritableTable(ABC, Generic[R]):
    """Base of a class that keeps the rows of a table; `table(name)` makes a `Table` of an object of it.

    ::

        class Notes(WritableTable[Note]):
            \"\"\"Notes about this machine.\"\"\"

            def rows(self, query: Query) -> Iterable[Note]: ...
            def insert(self, row: Note) -> int: ...
            def update(self, old: Note, new: Note) -> None: ...
            def delete(self, row: Note) -> None: ...

        notes = table("notes")(Notes())

    What is not written here is refused: "table notes may not be modified". A write is refused by raising ReadOnly,
    ConstraintFailed or TableError. At least one column must be declared with `key=True`; no two rows may have the same key.

    A statement that writes to several rows is several calls, and osquery knows no transactions: when one of them is refused, the
    statement fails, and what was written before stays. Calls that write come one after the other; `rows` may run meanwhile.
    """

    @abstractmethod
    def rows(self, query: Query) -> Iterable[R]:
        """The rows, as a table's function gives them."""

    def insert(self, row: R) -> R | int | None:
        """Add a row.

        A column that the statement gives no value, or NULL, has its default; without one it is None if its type allows that, and
        else the statement fails.

        Returns:
            The row as it is kept; or its key, if that is one integer; or None if it is kept as it was given.
        """
        raise ReadOnly

    def update(self, old: R, new: R) -> None:
        """Put a row in the place of another.

        Args:
            old: the row as the statement has read it.
            new: the same with what the statement sets.
        """
        raise ReadOnly

    def delete(self, row: R) -> None:
        """Take a row away.

        Args:
            row: as the statement has read it. Costly columns that it does not use may be None.
        """
        raise ReadOnly


__all__ = ["WritableTable"]
