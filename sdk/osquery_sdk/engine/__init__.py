"""Run SQL over extensions without osqueryd: an extension manager on SQLite's virtual tables.

It treats extensions as osqueryd 5.23 does: the same terms of a statement reach a table, in the same requests;
answers are read alike, and errors have the same texts. Use it for development and for a first run, and
osqueryd in production.

The engine needs APSW, which the extra `engine` installs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import LaunchError, SqlError
from ..vocabulary import OPERATORS

if TYPE_CHECKING:
    from .answer import Answer, Caller
    from .daemon.daemon import Daemon
    from .host import Host
    from .launch import ExtensionProcess
    from .manager.manager import VERSION, Manager
    from .sql.engine import Engine
    from .sql.statements import ResultSet, TypedResult
    from .trace import Observer, TableCall, Term

__all__ = [
    "OPERATORS",
    "VERSION",
    "Answer",
    "Caller",
    "Daemon",
    "Engine",
    "ExtensionProcess",
    "Host",
    "LaunchError",
    "Manager",
    "Observer",
    "ResultSet",
    "SqlError",
    "TableCall",
    "Term",
    "TypedResult",
]

_HOMES = {
    "osquery_sdk.engine.answer": ("Answer", "Caller"),
    "osquery_sdk.engine.daemon.daemon": ("Daemon",),
    "osquery_sdk.engine.sql.engine": ("Engine",),
    "osquery_sdk.engine.sql.statements": ("ResultSet", "TypedResult"),
    "osquery_sdk.engine.host": ("Host",),
    "osquery_sdk.engine.launch": ("ExtensionProcess",),
    "osquery_sdk.engine.manager.manager": ("VERSION", "Manager"),
    "osquery_sdk.engine.trace": ("Observer", "TableCall", "Term"),
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: most need APSW, which is slow to import and may be missing."""
    for module, names in _HOMES.items():
        if name in names:
            from importlib import import_module

            from .needs import apsw_needed

            with apsw_needed():
                if name == "Host":  # it needs APSW only when it starts: say at once that APSW is missing
                    import_module("osquery_sdk.engine.manager.manager")
                return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
