"""Write osquery tables in typed Python.

::

    from collections.abc import Iterator
    from osquery_sdk import Column, Extension, Query, Row, table

    class Answer(Row):
        number: int = Column("The number", index=True)

    @table("answers")
    def answers(query: Query) -> Iterator[Answer]:
        \"\"\"One answer.\"\"\"
        yield Answer(number=42)

    if __name__ == "__main__":
        raise SystemExit(Extension("answers", version="1.0", plugins=[answers]).run())
"""

from ._version import __version__
from .columns import Column, ColumnType
from .errors import (
    ColumnValueError,
    ConnectionFailed,
    ConstraintFailed,
    DeadlineExceeded,
    DefinitionError,
    LimitExceeded,
    ManagerUnavailable,
    OsquerySdkError,
    ProtocolError,
    QueryCancelled,
    ReadOnly,
    RegistrationError,
    RemoteError,
    TableError,
    WireError,
    WriteError,
)
from .extension import Extension
from .programs import ProgramOutput, program_environment, run_program
from .query import Constraint, Query, Range
from .rows import Row
from .tables import Table, table

__all__ = [
    "Column",
    "ColumnType",
    "ColumnValueError",
    "ConnectionFailed",
    "Constraint",
    "ConstraintFailed",
    "DeadlineExceeded",
    "DefinitionError",
    "Extension",
    "LimitExceeded",
    "ManagerUnavailable",
    "OsquerySdkError",
    "ProgramOutput",
    "ProtocolError",
    "Query",
    "QueryCancelled",
    "Range",
    "ReadOnly",
    "RegistrationError",
    "RemoteError",
    "Row",
    "Table",
    "TableError",
    "WireError",
    "WriteError",
    "__version__",
    "program_environment",
    "run_program",
    "table",
]
