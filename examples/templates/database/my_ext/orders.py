"""The table my_ext: the orders of a shop, from its SQLite file."""

from collections.abc import Iterator
from datetime import UTC, datetime

from osquery_sdk import Column, Query, Row, Table, table

from .database import Database


class Order(Row):
    """An order."""

    id: int = Column("Number of the order", index=True, key=True)
    customer: str = Column("Who ordered", index=True)
    total: float = Column("What it costs")
    placed: datetime = Column("When it was placed, Unix seconds", additional=True)


def orders_table(database: Database) -> Table:
    """Return the table of the orders in a database."""

    @table(
        "my_ext",
        examples=(
            "select customer, sum(total) as total from my_ext group by customer",
            "select id, total from my_ext where customer = 'maria' and placed > 1700000000",
        ),
    )
    def orders(query: Query) -> Iterator[Order]:
        """Orders of the shop."""
        conditions, parameters = where(query)
        sql = f"select id, customer, total, placed from orders where {conditions}"
        for row in database.read(query, sql, parameters):
            yield Order(
                id=row["id"],
                customer=row["customer"],
                total=row["total"],
                placed=datetime.fromtimestamp(row["placed"], UTC),
            )

    return orders


def where(query: Query) -> tuple[str, list[object]]:
    """Return what the statement asks for as conditions of SQLite, with a question mark for each value."""
    conditions: list[str] = []
    parameters: list[object] = []
    for column in ("id", "customer"):
        values = query.equals(column)
        if values is not None:
            # Ignore case, as the statement may: osquery checks the rows again, so extra rows do no harm.
            conditions.append(f"{column} collate nocase in ({', '.join('?' * len(values))})")
            parameters += values
    bounds = query.range("placed")
    if bounds.low is not None:
        conditions.append("placed >= ?")
        parameters.append(bounds.low)
    if bounds.high is not None:
        conditions.append("placed <= ?")
        parameters.append(bounds.high)
    return " and ".join(conditions) or "true", parameters
