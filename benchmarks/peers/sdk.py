"""Serve `bench_sdk` and `bench_sdk_rows` with this project's SDK, and `bench_sdk_snapshot` for look-ups."""

from collections.abc import Iterator

from rows import row_count

from osquery_sdk import Column, ColumnType, Extension, Query, Row, table


class Number(Row):
    i: int = Column("Number of the row", type=ColumnType.INTEGER, key=True)
    a: str = Column("A short text")
    b: str = Column("A text of 41 characters")
    c: int = Column("A large number")


class Indexed(Row):
    i: int = Column("Number of the row", type=ColumnType.INTEGER, key=True, index=True)
    a: str = Column("A short text")
    b: str = Column("A text of 41 characters")
    c: int = Column("A large number")


@table("bench_sdk", rows=Number)
def tuples(query: Query) -> list[tuple[int, str, str, int]]:
    """A list of tuples, as the other peers answer with a list of dicts."""
    return [(i, f"row {i}", "x" * 41, i * 1_000_003) for i in range(row_count())]


@table("bench_sdk_rows")
def rows(query: Query) -> Iterator[Number]:
    """Row objects from a generator; each costs about as much as a namedtuple."""
    for i in range(row_count()):
        yield Number(i=i, a=f"row {i}", b="x" * 41, c=i * 1_000_003)


@table("bench_sdk_snapshot", snapshot=True)
def snapshot(query: Query) -> Iterator[Indexed]:
    """Rows generated once, looked up by index."""
    for i in range(row_count()):
        yield Indexed(i=i, a=f"row {i}", b="x" * 41, c=i * 1_000_003)


if __name__ == "__main__":
    raise SystemExit(Extension("bench_sdk", version="1", plugins=[tuples, rows, snapshot]).run())
