"""Writable tables: the base class that an author derives from, with rows, insert, update and delete."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from ..errors import ReadOnly
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

    A statement that needs a method left out here fails with "table notes may not be modified". A method
    refuses a write by raising ReadOnly, ConstraintFailed or TableError. At least one column must be declared
    with `key=True`; no two rows may have the same key.

    osquery knows no transactions. A statement that writes to several rows is several calls: if one is
    refused, the statement fails, and the earlier writes stay. Writes come one after the other; `rows` may run
    meanwhile.
    """

    @abstractmethod
    def rows(self, query: Query) -> Iterable[R]:
        """Return the rows, like a table's function."""

    def insert(self, row: R) -> R | int | None:
        """Add a row.

        A column without a value, or with NULL, has its default. Without a default it is None if its type
        allows that; otherwise the statement fails.

        Returns:
            The row as it is kept; or its key, if that is one integer; or None if it is kept as it was given.
        """
        raise ReadOnly

    def update(self, old: R, new: R) -> None:
        """Replace a row with another.

        Args:
            old: the row as the statement read it.
            new: the row with the values that the statement sets.
        """
        raise ReadOnly

    def delete(self, row: R) -> None:
        """Remove a row.

        Args:
            row: the row as the statement read it. Costly columns that it does not use may be None.
        """
        raise ReadOnly
