"""The plugin classes of PyPI's `osquery` package."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

from .extensions.ttypes import ExtensionResponse, ExtensionStatus
from .texts import text_rows

__all__ = [
    "INTEGER",
    "STRING",
    "BasePlugin",
    "ConfigPlugin",
    "LoggerPlugin",
    "Singleton",
    "TableColumn",
    "TablePlugin",
]

STRING = "TEXT"
INTEGER = "INTEGER"


class TableColumn(NamedTuple):
    """Name and type of a column. The type is any that osquery knows, such as BIGINT or DOUBLE."""

    name: str
    type: str


class Singleton:
    """A class of which there is one object, as that package has it."""

    _instance: ClassVar[Any] = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """The one there is, or a first one."""
        if "_instance" not in vars(cls) or cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance


class BasePlugin(Singleton, ABC):
    """Any plugin."""

    @abstractmethod
    def call(self, context: dict[str, str]) -> Any:
        """Answer a request with an ExtensionResponse."""

    @abstractmethod
    def name(self) -> str:
        """The name that osquery has for it."""

    def registry_name(self) -> str:
        """Of which kind it is."""
        raise NotImplementedError

    def routes(self) -> list[dict[str, str]]:
        """The rows that describe it to osquery."""
        return []


class TablePlugin(BasePlugin):
    """A table: `name`, `columns` and `generate` are the author's."""

    def registry_name(self) -> str:
        """Of tables."""
        return "table"

    def call(self, context: dict[str, str]) -> ExtensionResponse:
        """Answer a request, with rows of text."""
        action = context.get("action")
        if action == "generate":
            return ExtensionResponse(ExtensionStatus(0, "OK"), text_rows(self, context.get("context", "")))
        if action == "columns":
            return ExtensionResponse(ExtensionStatus(0, "OK"), self.routes())
        why = "Unknown action" if action else "Table plugins must include a request action"
        return ExtensionResponse(ExtensionStatus(1, why), [])

    def routes(self) -> list[dict[str, str]]:
        """A row a column; osquery takes each for an index, as it does with that package."""
        return [{"id": "column", "name": c.name, "type": c.type, "op": "0"} for c in self.columns()]

    @abstractmethod
    def columns(self) -> list[TableColumn]:
        """The columns."""

    @abstractmethod
    def generate(self, context: dict[str, Any]) -> Any:
        """The rows, each a dictionary; `context` is what osquery says of the statement."""


class ConfigPlugin(BasePlugin):
    """A configuration: `name` and `content` are the author's."""

    def registry_name(self) -> str:
        """Of configurations."""
        return "config"

    def call(self, context: dict[str, str]) -> ExtensionResponse:
        """Answer genConfig."""
        if context.get("action") == "genConfig":
            return ExtensionResponse(ExtensionStatus(0, "OK"), self.content())
        return ExtensionResponse(ExtensionStatus(1, "Not a valid config plugin action"), [])

    @abstractmethod
    def content(self) -> Any:
        """A list of one dictionary: source to the text of a configuration."""


class LoggerPlugin(BasePlugin):
    """A logger: `name` and `log_string` are the author's."""

    def registry_name(self) -> str:
        """Of loggers."""
        return "logger"

    def call(self, context: dict[str, str]) -> ExtensionResponse:
        """Answer a line to log."""
        for key in ("string", "snapshot", "health"):
            if key in context:
                return ExtensionResponse(getattr(self, f"log_{key}")(context[key]), [])
        known = "init" in context or "status" in context
        why = "Use Glog for status logging" if known else "Not a valid logger plugin action"
        return ExtensionResponse(ExtensionStatus(1, why), [])

    @abstractmethod
    def log_string(self, value: str) -> Any:
        """Log a result; returns an ExtensionStatus."""

    def log_snapshot(self, value: str) -> Any:
        """Log a snapshot; returns an ExtensionStatus."""
        return self.log_string(value)

    def log_health(self, value: str) -> Any:
        """Log what an older osquery says of its health; returns an ExtensionStatus."""
        return ExtensionStatus(0, "OK")
