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

from kolide_kit.limits import Limits

from ._version import __version__
from .cli.extension import Extension
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
from .tables.columns import Column
from .tables.declare import table
from .tables.deferred import deferred
from .tables.query import Constraint, Query, Range
from .tables.rows import Row
from .tables.table import Table
from .tables.writable import WritableTable
from .vocabulary import ColumnType

if TYPE_CHECKING:
    from kolide_kit.atomic import replace_file
    from kolide_kit.errors import SettingsError
    from kolide_kit.installed import install_command, install_hint
    from kolide_kit.settings import Configuration, Secret, Setting
    from kolide_kit.spelling import did_you_mean
    from kolide_kit.text import line_and_column

    from .asking.client import Client
    from .engine import Host
    from .plugins.config import ConfigPlugin, check_config, check_pack
    from .plugins.distributed import DistributedPlugin, DistributedQueries, DistributedResult, QueryStats
    from .plugins.logger import LoggerPlugin, StatusLog
    from .plugins.spool.logger import LogBatch, SpooledLogger, SpoolOptions
    from .plugins.spool.queue import LogRecord
    from .serving.settings import extension_settings
    from .tables.client import QueryClient
    from .tables.programs import ProgramOutput, program_environment, run_program

__all__ = [
    "Client",
    "Column",
    "ColumnType",
    "ColumnValueError",
    "ConfigError",
    "ConfigPlugin",
    "Configuration",
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
    "QueryClient",
    "QueryStats",
    "Range",
    "ReadOnly",
    "RegistrationError",
    "Rejected",
    "RemoteError",
    "Row",
    "Secret",
    "Setting",
    "SettingsError",
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
    "deferred",
    "did_you_mean",
    "extension_settings",
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
    "Client": "osquery_sdk.asking.client",
    "ConfigPlugin": "osquery_sdk.plugins.config",
    "Configuration": "kolide_kit.settings",
    "DistributedPlugin": "osquery_sdk.plugins.distributed",
    "DistributedQueries": "osquery_sdk.plugins.distributed",
    "DistributedResult": "osquery_sdk.plugins.distributed",
    "Host": "osquery_sdk.engine.host",
    "LogBatch": "osquery_sdk.plugins.spool.logger",
    "LogRecord": "osquery_sdk.plugins.spool.queue",
    "LoggerPlugin": "osquery_sdk.plugins.logger",
    "ProgramOutput": "osquery_sdk.tables.programs",
    "QueryClient": "osquery_sdk.tables.client",
    "QueryStats": "osquery_sdk.plugins.distributed",
    "Secret": "kolide_kit.settings",
    "Setting": "kolide_kit.settings",
    "SettingsError": "kolide_kit.errors",
    "SpoolOptions": "osquery_sdk.plugins.spool.logger",
    "SpooledLogger": "osquery_sdk.plugins.spool.logger",
    "StatusLog": "osquery_sdk.plugins.logger",
    "check_config": "osquery_sdk.plugins.config",
    "check_pack": "osquery_sdk.plugins.config",
    "did_you_mean": "kolide_kit.spelling",
    "extension_settings": "osquery_sdk.serving.settings",
    "install_command": "kolide_kit.installed",
    "install_hint": "kolide_kit.installed",
    "line_and_column": "kolide_kit.text",
    "program_environment": "osquery_sdk.tables.programs",
    "replace_file": "kolide_kit.atomic",
    "run_program": "osquery_sdk.tables.programs",
}


def __getattr__(name: str) -> Any:
    """Import a public name that only some extensions need."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    """List the public names, also those that are imported on first use."""
    return sorted({*globals(), *__all__})
