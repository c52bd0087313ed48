"""A table that the frozen program imports when it is first queried."""

from collections.abc import Iterator

from osquery_sdk import Column, Query, Row, table


class Hour(Row):
    hour: int = Column("Of the day", index=True)
    name: str = Column("Its name")


@table("small_late", examples=("select name from small_late where hour = 23",))
def late(query: Query) -> Iterator[Hour]:
    """Late hours."""
    yield Hour(hour=23, name="eleven")
    yield Hour(hour=24, name="midnight")
