"""Offers the names of PyPI's `osquery` package on this SDK: ``import osquery_sdk.compat as osquery``.

Its promises and its shape are kept: a decorator registers plugins, and plugins are singletons.
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
