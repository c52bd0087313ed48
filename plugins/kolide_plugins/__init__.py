"""Bundled config, logger and distributed plugins. Each is imported when it is first used."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config_files import FileConfig, FolderConfig
    from .config_https import HttpsConfig
    from .http_logger import HttpLogger
    from .json_lines import JsonLinesLogger
    from .kafka_logger import KafkaLogger
    from .parquet_logger import ParquetLogger
    from .query_folder import QueryFolder
    from .syslog_logger import SyslogLogger

__all__ = [
    "FileConfig",
    "FolderConfig",
    "HttpLogger",
    "HttpsConfig",
    "JsonLinesLogger",
    "KafkaLogger",
    "ParquetLogger",
    "QueryFolder",
    "SyslogLogger",
]

_HOMES = {
    "FileConfig": "config_files",
    "FolderConfig": "config_files",
    "HttpLogger": "http_logger",
    "HttpsConfig": "config_https",
    "JsonLinesLogger": "json_lines",
    "KafkaLogger": "kafka_logger",
    "ParquetLogger": "parquet_logger",
    "QueryFolder": "query_folder",
    "SyslogLogger": "syslog_logger",
}


def __getattr__(name: str) -> Any:
    """Import the class that is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
