"""Everything the SDK raises on purpose, in one tree.

::

    OsquerySdkError
    ├── DefinitionError          a table, column or plugin that osqueryd would refuse
    ├── TableError               a table cannot answer; the text becomes the SQL statement's error
    │   ├── ColumnValueError     a value does not fit its column's type
    │   ├── LimitExceeded        a configured limit was reached
    │   ├── QueryCancelled       nobody waits for the answer any more
    │   └── DeadlineExceeded     out of time
    ├── WriteError               the reply of a writable table
    │   ├── ReadOnly             the table or row may not be modified
    │   └── ConstraintFailed     the write breaks a constraint
    ├── PluginError              a config, logger or distributed plugin cannot do what osqueryd asks
    │   ├── ConfigError          a configuration that osqueryd would refuse or misread
    │   ├── Rejected             log records that no further attempt would deliver
    │   └── SpoolError           the folder of a spool cannot be used
    ├── WireError                something is wrong on the socket
    │   ├── ConnectionFailed     nobody answers there, or the connection broke
    │   ├── ProtocolError        bytes that are no valid message, or are over a limit
    │   ├── RemoteError          the other side answered with an error
    │   └── WireTimeout          no answer in time; a DeadlineExceeded too
    ├── RegistrationError        osqueryd refused the extension
    │   └── ManagerUnavailable   no extension manager within the timeout
    ├── SqlError                 the embedded engine: a statement failed
    ├── LaunchError              the embedded engine: an extension did not start
    ├── StoreError               the embedded engine: its database file cannot be used
    ├── ProjectError             a pyproject.toml does not say which program is meant
    ├── FreezeError              an extension cannot be frozen into a program
    │   └── TargetError          the argument names no extension
    └── PackagingError           no package can be made
"""

from __future__ import annotations

from kolide_kit import errors

__all__ = [
    "ColumnValueError",
    "ConfigError",
    "ConnectionFailed",
    "ConstraintFailed",
    "DeadlineExceeded",
    "DefinitionError",
    "FreezeError",
    "LaunchError",
    "LimitExceeded",
    "ManagerUnavailable",
    "OsquerySdkError",
    "PackagingError",
    "PluginError",
    "ProjectError",
    "ProtocolError",
    "QueryCancelled",
    "ReadOnly",
    "RegistrationError",
    "Rejected",
    "RemoteError",
    "SpoolError",
    "SqlError",
    "StoreError",
    "TableError",
    "TargetError",
    "WireError",
    "WireTimeout",
    "WriteError",
]


class OsquerySdkError(errors.KolideError):
    """Base of every error the SDK raises on purpose."""


class DefinitionError(OsquerySdkError):
    """A table, column or plugin is defined in a way osqueryd would refuse; the text says what to change."""


class TableError(OsquerySdkError):
    """A table cannot answer. Its text, one line, becomes the error of the SQL statement."""


class ColumnValueError(TableError):
    """A row holds a value that does not fit its column's type; the text names table, column and value."""


class LimitExceeded(TableError, errors.LimitExceeded):
    """A configured limit was reached; the text names it and says how to raise it."""


class QueryCancelled(TableError, errors.Cancelled):
    """The answer is no longer wanted: the extension stops, or osqueryd has gone."""


class DeadlineExceeded(TableError, errors.DeadlineExceeded):
    """The time for an answer, or for a remote call, is over."""


class WriteError(OsquerySdkError):
    """Base of the refusals that a writable table may answer with."""


class ReadOnly(WriteError):
    """The table, or this row, may not be modified."""


class ConstraintFailed(WriteError):
    """The write breaks a constraint of the table."""


class PluginError(OsquerySdkError):
    """A plugin other than a table cannot do what osqueryd asks; the text goes into osqueryd's log."""


class ConfigError(PluginError):
    """A configuration that osqueryd would refuse or misread; the text names where and what."""


class Rejected(PluginError):
    """Log records that no further attempt would deliver. They are given up and counted as dropped."""


class SpoolError(PluginError):
    """The folder of a spool cannot be used; the text says why."""


class WireError(OsquerySdkError):
    """Base of the errors on an extension socket."""


class ConnectionFailed(WireError):
    """Nobody answers at the socket, or the connection broke in the middle of a message."""


class ProtocolError(WireError):
    """Bytes that are no valid Thrift message of this protocol, or that are over a limit."""


class RemoteError(WireError):
    """The other side answered with an error.

    Attributes:
        code: the status code of the reply; -1 for a Thrift exception.
    """

    def __init__(self, message: str, *, code: int = 1) -> None:
        """Take the reply's message as the text, and its status code."""
        super().__init__(message)
        self.code = code


class WireTimeout(WireError, DeadlineExceeded):
    """The other side did not answer, or did not read, in time."""


class RegistrationError(OsquerySdkError):
    """osqueryd refused the extension; the text is osqueryd's, with what to do about it."""


class ManagerUnavailable(RegistrationError):
    """No extension manager answered at the socket within the timeout."""


class SqlError(OsquerySdkError):
    """A statement failed in the embedded engine; the text is osqueryd's reply."""


class LaunchError(OsquerySdkError):
    """An extension could not be started, or ended before it registered; the text says how."""


class StoreError(OsquerySdkError):
    """The engine's database file cannot be used, or refused a value; the text names it and says why."""


class ProjectError(OsquerySdkError):
    """A pyproject.toml cannot be read, or does not say which program is meant."""


class FreezeError(OsquerySdkError):
    """The extension cannot be frozen, or the result does not run; the text says why and what to do."""


class TargetError(FreezeError):
    """The argument names no extension that could be frozen."""


class PackagingError(OsquerySdkError):
    """No package can be made, and nothing was written; the text says why and what to do."""
