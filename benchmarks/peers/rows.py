"""Read the number of rows that every peer serves, BENCH_ROWS.

The table is `i INTEGER, a TEXT, b TEXT of 41 characters, c BIGINT`.
"""

import os

COLUMNS = (("i", "INTEGER"), ("a", "TEXT"), ("b", "TEXT"), ("c", "BIGINT"))


def row_count() -> int:
    return int(os.environ.get("BENCH_ROWS", "1"))
