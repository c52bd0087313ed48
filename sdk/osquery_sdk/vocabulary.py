"""osquery's own numbers and words: column options, types, operators, collations, registries, status codes.

Sources: `ColumnOptions` in osquery/core/sql/column.h, `ConstraintOperator` and `TableAttributes` in
osquery/core/tables.h, and sqlite.org/c3ref/c_index_constraint_eq.html.
"""

from __future__ import annotations

import enum
import sys
from typing import Final

# Column options: a bit set, the `op` of a route row.
INDEX, REQUIRED, ADDITIONAL, OPTIMIZED, HIDDEN = 1, 2, 4, 8, 16

COLLATIONS: Final = {
    "binary": 32,
    "nocase": 64,
    "rtrim": 128,
    "version": 256,
    "version_arch": 512,
    "version_dpkg": 1024,
    "version_rhel": 2048,
}
"""Collation -> its bit in the column options."""

PROGRAM_SUFFIXES: Final = (".ext", ".exe")
PROGRAM_SUFFIX: Final = ".exe" if sys.platform == "win32" else ".ext"
"""The end of a file's name by which osqueryd takes it for an extension when it loads a folder."""

# Table attributes: a bit set, sent in a route row of its own.
USER_BASED = 8


class ColumnType(enum.Enum):
    """osquery's column types."""

    TEXT = "TEXT"
    INTEGER = "INTEGER"
    BIGINT = "BIGINT"
    UNSIGNED_BIGINT = "UNSIGNED BIGINT"
    DOUBLE = "DOUBLE"
    BLOB = "BLOB"


# Operators of the terms that are sent to a table.
EQUALS, GREATER, LESS_OR_EQUAL, LESS, GREATER_OR_EQUAL = 2, 4, 8, 16, 32
LIKE, GLOB = 65, 66
LIMIT, OFFSET = 73, 74

OPERATORS: Final = {
    EQUALS: "=",
    GREATER: ">",
    LESS_OR_EQUAL: "<=",
    LESS: "<",
    GREATER_OR_EQUAL: ">=",
    64: "MATCH",
    LIKE: "LIKE",
    GLOB: "GLOB",
    67: "REGEXP",
    68: "!=",
    69: "IS NOT",
    70: "IS NOT NULL",
    71: "IS NULL",
    72: "IS",
    LIMIT: "LIMIT",
    OFFSET: "OFFSET",
}
"""Number of an operator -> the operator in SQL."""

# Registries that an extension can add plugins to.
TABLE, CONFIG, LOGGER, DISTRIBUTED = "table", "config", "logger", "distributed"

# Status codes of an answer: everything but 0 is a failure.
SUCCESS, FAILURE = 0, 1
