"""Makes a database to try the table with: python -m tests.sample orders.sqlite."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

ORDERS = [
    (1, "maria", 12.5, 1_700_000_000),
    (2, "tom", 99.0, 1_710_000_000),
    (3, "maria", 7.25, 1_720_000_000),
    (4, "o'brien", 1.0, 1_730_000_000),
]


def make(path: Path) -> None:
    """Write the orders into a new file, in the place of an old one."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "create table orders (id integer primary key, customer text, total real, placed integer)"
        )
        connection.executemany("insert into orders values (?, ?, ?, ?)", ORDERS)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
