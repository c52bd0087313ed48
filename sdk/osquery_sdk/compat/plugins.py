"""The plugin classes of PyPI's `osquery` package."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

from .extensions.ttypes import ExtensionResponse, ExtensionStatus
from .texts import text_rows

STRING = "TEXT"
INTEGER = "INTEGER"


class TableColumn(NamedTuple):
    """The name and type of a column. The type is one of osquery's, such as BIGINT or DOUBLE."""

    name: str
    type: str


class Singleton:
    """A base for classes that have one object each, as in that package."""

    _instance: ClassVar[Any] = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Return the one object; the first call makes it."""
        if "_instance" not in vars(cls) or cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance


class BasePlugin(Singleton, ABC):
    """A plugin of any kind."""

    @abstractmethod
    def call(self, context: dict[str, str]) -> Any:
        """Answer a request with an ExtensionResponse."""

    @abstractmethod
    def name(self) -> str:
        """Return the name under which osquery knows the plugin."""

    def registry_name(self) -> str:
        """Return the kind: table, config, logger or distributed."""
        raise NotImplementedError

    def routes(self) -> list[dict[str, str]]:
        """Return the rows that describe the plugin to osquery."""
        return []


class TablePlugin(BasePlugin):
    """A table; the author writes `name`, `columns` and `generate`."""

    def registry_name(self) -> str:
        """Return "table"."""
        return "table"

    def call(self, context: dict[str, str]) -> ExtensionResponse:
        """Answer a request, with rows of text."""
        action = context.get("action")
        if action == "generate":
            rows = text_rows(self.name(), self.generate, context.get("context", ""))
            return ExtensionResponse(ExtensionStatus(0, "OK"), rows)
        if action == "columns":
            return ExtensionResponse(ExtensionStatus(0, "OK"), self.routes())
        why = "Unknown action" if action else "Table plugins must include a request action"
        return ExtensionResponse(ExtensionStatus(1, why), [])

    def routes(self) -> list[dict[str, str]]:
        """Return one row for each column; osquery takes each column for an index, as with that package."""
        return [{"id": "column", "name": c.name, "type": c.type, "op": "0"} for c in self.columns()]

    @abstractmethod
    def columns(self) -> list[TableColumn]:
        """Return the columns."""

    @abstractmethod
    def generate(self, context: dict[str, Any]) -> Any:
        """Return the rows, each a dictionary; `context` is osquery's description of the statement."""


class ConfigPlugin(BasePlugin):
    """A configuration; the author writes `name` and `content`."""

    def registry_name(self) -> str:
        """Return "config"."""
        return "config"

    def call(self, context: dict[str, str]) -> ExtensionResponse:
        """Answer genConfig."""
        if context.get("action") == "genConfig":
            return ExtensionResponse(ExtensionStatus(0, "OK"), self.content())
        return ExtensionResponse(ExtensionStatus(1, "Not a valid config plugin action"), [])

    @abstractmethod
    def content(self) -> Any:
        """Return a list of one dictionary, from a source to the text of a configuration."""


class LoggerPlugin(BasePlugin):
    """A logger; the author writes `name` and `log_string`."""

    def registry_name(self) -> str:
        """Return "logger"."""
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
        """Log a result; return an ExtensionStatus."""

    def log_snapshot(self, value: str) -> Any:
        """Log a snapshot; return an ExtensionStatus."""
        return self.log_string(value)

    def log_health(self, value: str) -> Any:
        """Log an older osquery's report of its health; return an ExtensionStatus."""
        return ExtensionStatus(0, "OK")
