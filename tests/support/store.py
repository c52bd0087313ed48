"""Tables of these tests: rows in a list, known by a number or by a text, looked up by index columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from osquery_sdk import Column, ConstraintFailed, Query, Row, WritableTable

if TYPE_CHECKING:
    from collections.abc import Iterator


class Numbered(Row):
    """Known by its number, which the table gives unless the statement does."""

    id: int | None = Column("Number", key=True, index=True, default=None)
    name: str = Column("Name", index=True)
    value: str | None = Column("Value", default=None)
    weight: float | None = Column("Weight", additional=True, default=None)


class Named(Row):
    """Known by its name; its row id is a hash of that."""

    id: int | None = Column("Number", index=True, default=None)
    name: str = Column("Name", key=True, index=True)
    value: str | None = Column("Value", default=None)
    weight: float | None = Column("Weight", additional=True, default=None)


T = TypeVar("T", Numbered, Named)


class Store(WritableTable[T], Generic[T]):
    """Rows in the order in which SQLite keeps them: by number, or as they came."""

    unique: tuple[str, ...]

    def __init__(self) -> None:
        self.kept: list[T] = []

    def rows(self, query: Query) -> Iterator[T]:
        for column in ("id", "name"):
            wanted = query.equals(column)
            if wanted is not None:
                yield from [row for row in self.kept if getattr(row, column) in wanted]
                return
        yield from list(self.kept)

    def check(self, row: T, but: T | None = None) -> None:
        for column in self.unique:
            for other in self.kept:
                if other is not but and getattr(other, column) == getattr(row, column):
                    raise ConstraintFailed(f"there is a row with this {column}")

    def update(self, old: T, new: T) -> None:
        self.check(new, old)
        self.kept[self.kept.index(old)] = new
        self.sort()

    def delete(self, row: T) -> None:
        self.kept.remove(row)

    def sort(self) -> None:
        pass


class ByNumber(Store[Numbered]):
    """Rows by number."""

    unique = ("id", "name")

    def insert(self, row: Numbered) -> int:
        number = row.id
        if number is None:
            number = 1 + max((kept.id or 0 for kept in self.kept), default=0)
        made = Numbered(id=number, name=row.name, value=row.value, weight=row.weight)
        self.check(made)
        self.kept.append(made)
        self.sort()
        return number

    def sort(self) -> None:
        self.kept.sort(key=lambda row: row.id or 0)


class ByName(Store[Named]):
    """Rows by name."""

    unique = ("name",)

    def insert(self, row: Named) -> None:
        self.check(row)
        self.kept.append(row)
