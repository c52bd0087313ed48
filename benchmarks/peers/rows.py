"""The table that every peer serves: `i INTEGER, a TEXT, b TEXT of 41 characters, c BIGINT`, BENCH_ROWS rows."""

import os

COLUMNS = (("i", "INTEGER"), ("a", "TEXT"), ("b", "TEXT"), ("c", "BIGINT"))


def row_count() -> int:
    return int(os.environ.get("BENCH_ROWS", "1"))
