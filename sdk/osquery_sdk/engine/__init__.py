"""The embedded engine: osqueryd's extension manager on SQLite virtual tables.

It behaves toward extensions as osqueryd 5.23 does: which terms of a statement reach a table, what a table is sent, how its
answer is read, and what an error says. It is for development and for a first run; production has osqueryd.

It needs APSW, which comes with the extra ``engine``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import LaunchError, SqlError
from ..vocabulary import OPERATORS

if TYPE_CHECKING:
    from .answer import Answer, Caller
    from .daemon import Daemon
    from .database import ResultSet, TypedResult
    from .engine import Engine
    from .host import Host
    from .launch import ExtensionProcess
    from .manager import VERSION, Manager
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
    "answer": ("Answer", "Caller"),
    "daemon": ("Daemon",),
    "database": ("ResultSet", "TypedResult"),
    "engine": ("Engine",),
    "host": ("Host",),
    "launch": ("ExtensionProcess",),
    "manager": ("VERSION", "Manager"),
    "trace": ("Observer", "TableCall", "Term"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: APSW is needed only then."""
    for module, names in _HOMES.items():
        if name in names:
            from importlib import import_module

            try:
                if module == "host":  # which needs APSW only when it starts; here it is missed at once
                    import_module(".manager", __name__)
                return getattr(import_module(f".{module}", __name__), name)
            except ModuleNotFoundError as exc:
                if exc.name != "apsw":
                    raise
                from ..installed import install_hint

                hint = install_hint("apsw", "engine")
                raise ImportError(f"the embedded engine needs apsw; {hint}", name="apsw") from exc
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
