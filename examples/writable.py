#!/usr/bin/env python3
# osquery-sdk query --extension ./writable.py \
#   "insert into todos (what, due) values ('water the plants', 1767225600) returning what"
"""A writable table: INSERT, UPDATE and DELETE call methods with typed rows."""

from collections.abc import Iterable
from datetime import datetime

from osquery_sdk import Column, ConstraintFailed, Extension, Query, Row, WritableTable, table


class Todo(Row):
    # The table numbers its rows itself, so an INSERT may leave the number out.
    id: int | None = Column("Number", key=True, default=None)
    what: str = Column("Thing to do")
    due: datetime | None = Column("Time when it is due, Unix seconds", default=None)
    done: bool = Column("1 if it has been done", default=False)


class Todos(WritableTable[Todo]):
    """Things to do, kept as long as the extension runs."""

    def __init__(self) -> None:
        self.kept: dict[int, Todo] = {}
        self.last = 0

    def rows(self, query: Query) -> Iterable[Todo]:
        return list(self.kept.values())

    def insert(self, row: Todo) -> int:
        if not row.what:
            raise ConstraintFailed("what may not be empty")
        self.last += 1
        self.kept[self.last] = Todo(id=self.last, what=row.what, due=row.due, done=row.done)
        return self.last

    def update(self, old: Todo, new: Todo) -> None:
        if new.id != old.id:
            raise ConstraintFailed("id cannot be changed")
        self.kept[self.number_of(old)] = new

    def delete(self, row: Todo) -> None:
        del self.kept[self.number_of(row)]

    @staticmethod
    def number_of(row: Todo) -> int:
        assert row.id is not None  # it has been inserted
        return row.id


def main() -> int:
    todos = table("todos", examples=("update todos set done = 1 where id = 1",))(Todos())
    return Extension("writable_example", version="1.0", plugins=[todos]).run()


if __name__ == "__main__":
    raise SystemExit(main())
