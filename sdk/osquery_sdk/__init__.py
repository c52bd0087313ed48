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

from typing import TYPE_CHECKING, Any

from ._version import __version__
from .cli.extension import Extension
from .columns import Column
from .errors import (
    ColumnValueError,
    ConfigError,
    ConnectionFailed,
    ConstraintFailed,
    DeadlineExceeded,
    DefinitionError,
    LimitExceeded,
    ManagerUnavailable,
    OsquerySdkError,
    PluginError,
    ProtocolError,
    QueryCancelled,
    ReadOnly,
    RegistrationError,
    Rejected,
    RemoteError,
    TableError,
    WireError,
    WireTimeout,
    WriteError,
)
from .limits import Limits
from .programs import ProgramOutput, program_environment, run_program
from .query import Constraint, Query, Range
from .rows import Row
from .tables import Table, table
from .vocabulary import ColumnType
from .writable import WritableTable

if TYPE_CHECKING:
    from .client import Client
    from .config import ConfigPlugin, check_config, check_pack
    from .distributed import DistributedPlugin, DistributedQueries, DistributedResult, QueryStats
    from .engine import Host
    from .files import replace_file
    from .installed import install_command, install_hint
    from .logger import LoggerPlugin, StatusLog
    from .places import line_and_column
    from .spelling import did_you_mean
    from .spool import LogRecord
    from .spooled import LogBatch, SpooledLogger, SpoolOptions

__all__ = [
    "Client",
    "Column",
    "ColumnType",
    "ColumnValueError",
    "ConfigError",
    "ConfigPlugin",
    "ConnectionFailed",
    "Constraint",
    "ConstraintFailed",
    "DeadlineExceeded",
    "DefinitionError",
    "DistributedPlugin",
    "DistributedQueries",
    "DistributedResult",
    "Extension",
    "Host",
    "LimitExceeded",
    "Limits",
    "LogBatch",
    "LogRecord",
    "LoggerPlugin",
    "ManagerUnavailable",
    "OsquerySdkError",
    "PluginError",
    "ProgramOutput",
    "ProtocolError",
    "Query",
    "QueryCancelled",
    "QueryStats",
    "Range",
    "ReadOnly",
    "RegistrationError",
    "Rejected",
    "RemoteError",
    "Row",
    "SpoolOptions",
    "SpooledLogger",
    "StatusLog",
    "Table",
    "TableError",
    "WireError",
    "WireTimeout",
    "WritableTable",
    "WriteError",
    "__version__",
    "check_config",
    "check_pack",
    "did_you_mean",
    "install_command",
    "install_hint",
    "line_and_column",
    "program_environment",
    "replace_file",
    "run_program",
    "table",
]

# Import these on first use: most extensions have only tables, and osqueryd waits for them to start.
_LATER = {
    "Client": "client",
    "ConfigPlugin": "config",
    "DistributedPlugin": "distributed",
    "DistributedQueries": "distributed",
    "DistributedResult": "distributed",
    "Host": "engine.host",
    "LogBatch": "spooled",
    "LogRecord": "spool",
    "LoggerPlugin": "logger",
    "QueryStats": "distributed",
    "SpoolOptions": "spooled",
    "SpooledLogger": "spooled",
    "StatusLog": "logger",
    "check_config": "config",
    "check_pack": "config",
    "did_you_mean": "spelling",
    "install_command": "installed",
    "install_hint": "installed",
    "line_and_column": "places",
    "replace_file": "files",
}


def __getattr__(name: str) -> Any:
    """Import a public name that only some extensions need."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LATER[name]}", __name__), name)


def __dir__() -> list[str]:
    """List the public names, also those that are imported on first use."""
    return sorted({*globals(), *__all__})
