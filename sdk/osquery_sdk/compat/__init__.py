"""The names of PyPI's `osquery` package, served by this SDK: ``import osquery_sdk.compat as osquery``.

What that package promises its users is kept, and so is its shape: plugins are registered by a decorator, and are singletons.
"""

from __future__ import annotations

from . import extensions
from .client import DEFAULT_SOCKET_PATH, WINDOWS_PLATFORM, ExtensionClient
from .management import (
    ExtensionManager,
    SpawnInstance,
    deregister_extension,
    parse_cli_params,
    register_plugin,
    start_extension,
)
from .plugins import (
    INTEGER,
    STRING,
    BasePlugin,
    ConfigPlugin,
    LoggerPlugin,
    Singleton,
    TableColumn,
    TablePlugin,
)

__all__ = [
    "DEFAULT_SOCKET_PATH",
    "INTEGER",
    "STRING",
    "WINDOWS_PLATFORM",
    "BasePlugin",
    "ConfigPlugin",
    "ExtensionClient",
    "ExtensionManager",
    "LoggerPlugin",
    "Singleton",
    "SpawnInstance",
    "TableColumn",
    "TablePlugin",
    "deregister_extension",
    "extensions",
    "parse_cli_params",
    "register_plugin",
    "start_extension",
]
