"""Random statements over tables without traps give the rows of a plain SQLite with the same tables.

The oracle is Python's SQLite, so this runs without osqueryd.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

from osquery_sdk.engine import Host

from .random_sql.comparison import Asked
from .random_sql.statements import Author
from .random_sql.tables import plain_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .random_sql.tables import RandomColumn, RandomTable

_COLLATIONS = ((64, "NOCASE"), (128, "RTRIM"))
# Parts of SQL that a plain SQLite lacks, or that depend on the order of rows, on digits, or on its build.
_LEFT_OUT = re.compile(
    r"\b(limit|group_concat|json_group_array|round|quote|printf|version\w*|rowid|oid|_rowid_|main|match"
    r"|regexp)\b|'(?= (not )?(like|glob))|zeroblob"
)


def _declared(column: RandomColumn) -> str:
    collation = next((f" COLLATE {name}" for bit, name in _COLLATIONS if column.bits & (bit | 32) == bit), "")
    return f"{column.name} {column.type}{collation}"


def _value(column: RandomColumn, text: str) -> int | float | str | None:
    if column.type in ("TEXT", "BLOB"):
        return text
    if not text:
        return None
    return float(text) if column.type == "DOUBLE" else int(text)


def _plain(tables: Sequence[RandomTable]) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    for table in tables:
        connection.execute(f"CREATE TEMP TABLE {table.name} ({', '.join(map(_declared, table.columns))})")
        for row in table.rows:
            values = [_value(column, row[column.name]) for column in table.columns]
            connection.execute(f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(values))})", values)
    return connection


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return value.partition(b"\0")[0].decode(errors="surrogateescape")
    if isinstance(value, float):
        text = f"{value:.15g}"
        return text if "." in text else f"{text}.0"
    return "" if value is None else str(value).partition("\0")[0]


def _rows(connection: sqlite3.Connection, sql: str) -> Counter[tuple[tuple[str, str], ...]] | None:
    """Return the rows in any order; None if SQLite cannot run the statement."""
    try:
        cursor = connection.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        return Counter(
            tuple(sorted({name: _shown(value) for name, value in zip(names, row, strict=True)}.items()))
            for row in cursor
        )
    except (sqlite3.Error, sqlite3.Warning, UnicodeDecodeError):
        return None


def test_rows_are_those_of_a_plain_sqlite() -> None:
    compared = with_rows = 0
    for seed in range(6):
        tables = plain_tables(seed)
        author = Author(seed, tables)
        with Host(options={"extensions_interval": "600"}) as host, closing(_plain(tables)) as connection:
            asked = Asked(host.socket, tables)
            for _ in range(200):
                sql = author.statement()
                if _LEFT_OUT.search(sql) or ";" in sql or not sql.startswith(("select", "with")):
                    continue
                theirs = _rows(connection, sql)
                if theirs is None:
                    continue
                mine = asked.ask(sql, columns=False)
                assert mine.code == 0, (sql, mine.message)
                assert Counter(tuple(sorted(row.items())) for row in mine.rows) == theirs, sql
                compared += 1
                with_rows += bool(theirs)
            asked.close()
    assert compared > 400
    assert with_rows > 150
