"""Turns plugins written for PyPI's `osquery` package into plugins of this SDK."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from kolide_kit.author_code import SameProcess, one_line, pass_on_interrupt, shown

from ..errors import ConfigError, DefinitionError, OsquerySdkError, PluginError
from ..plugins.base import Plugin
from ..plugins.config import ConfigPlugin
from ..plugins.logger import LoggerPlugin
from ..tables.columns import Column
from ..tables.definition import Definition
from ..tables.options import TableOptions
from ..tables.rows import Row
from ..tables.table import Table
from ..vocabulary import ColumnType
from ..wire.protocol import Reply, Status
from . import plugins as old
from .texts import text_rows, texts_of, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..tables.query import Query
    from ..wire.service import CallContext

_HINTS = {
    "TEXT": (str, ColumnType.TEXT),
    "INTEGER": (int, ColumnType.INTEGER),
    "BIGINT": (int, ColumnType.BIGINT),
    "UNSIGNED BIGINT": (int, ColumnType.UNSIGNED_BIGINT),
    "UNSIGNED_BIGINT": (int, ColumnType.UNSIGNED_BIGINT),
    "DOUBLE": (float, ColumnType.DOUBLE),
    "BLOB": (bytes, ColumnType.BLOB),
}


def adapted(plugin: old.BasePlugin) -> Table | Plugin:
    """Return the table or plugin that an `Extension` takes for an old plugin.

    Raises:
        DefinitionError: osqueryd would refuse the plugin.
    """
    registry = plugin.registry_name()
    if isinstance(plugin, old.TablePlugin):
        return OldTable(plugin)
    if isinstance(plugin, old.ConfigPlugin):
        return OldConfig(plugin)
    if isinstance(plugin, old.LoggerPlugin):
        return OldLogger(plugin)
    if registry in ("config", "logger", "distributed"):
        return OldPlugin(plugin)
    raise DefinitionError(
        f"{type(plugin).__name__}: osquery has no plugins of the kind {registry!r} for extensions"
    )


class OldTable(Table):
    """An old table. It may not be thread-safe, so it generates one answer at a time."""

    def __init__(self, plugin: old.TablePlugin) -> None:
        """Check its name and columns."""
        name = plugin.name()
        namespace: dict[str, Any] = {"__annotations__": {}, "__module__": __name__}
        for column in plugin.columns():
            kind = _HINTS.get(str(column.type).upper())
            if kind is None:
                raise DefinitionError(
                    f"table {name}: column {column.name}: osquery has no type {column.type!r}; "
                    f"the types are {', '.join(_HINTS)}"
                )
            if column.name in namespace["__annotations__"]:
                raise DefinitionError(f"table {name}: two columns are named {column.name}")
            namespace["__annotations__"][column.name] = kind[0]
            namespace[column.name] = Column(column.name, type=kind[1])
        row: type[Row] = type("OldRow", (Row,), namespace)
        description = (type(plugin).__doc__ or "").strip().split("\n")[0]
        description = description or "A table written for osquery-python."
        super().__init__(Definition.of(name, row, description, TableOptions()), self._nothing)
        self.plugin = plugin
        self._one_by_one = threading.Lock()

    @staticmethod
    def _nothing(query: Query) -> list[Row]:
        """Return nothing: `call` answers, because old tables make text, not rows."""
        return []

    def routes(self) -> list[dict[str, str]]:
        """Return the rows that describe the table, as that package writes them."""
        return [*self.plugin.routes(), {"id": "attributes", "attributes": "0"}]

    def call(
        self, request: Mapping[str, str], context: CallContext, warn: Callable[[str], None], client: Any
    ) -> Reply:
        """Answer osqueryd."""
        action = request.get("action")
        if action == "columns":
            return Reply(Status(), self.routes())
        if action != "generate":
            return self._other(request, warn)
        counters = self.counters
        counters.calls += 1
        started = time.monotonic()
        limit = self.options.deadline
        message = f"{self.name}: no answer within {limit:g} s"
        context.limit(limit, Reply.failure(message))
        if not self._one_by_one.acquire(timeout=limit):
            counters.add_error(message)
            return Reply.failure(message)
        try:
            with SameProcess():
                rows = text_rows(self.name, self.plugin.generate, request.get("context", ""))
        except BaseException as error:  # noqa: BLE001  any exception fails this one statement
            return self._failed(error, warn)
        finally:
            self._one_by_one.release()
            counters.add_time(time.monotonic() - started)
        counters.last_rows = len(rows)
        return Reply(Status(), rows)

    def _other(self, request: Mapping[str, str], warn: Callable[[str], None]) -> Reply:
        """Answer insert, update or delete: an old table that takes them overrides `call`."""
        if type(self.plugin).call is old.TablePlugin.call:
            return Reply(Status(), [{"status": "readonly"}])
        try:
            with SameProcess(), self._one_by_one:
                return _response(self.name, self.plugin.call(dict(request)))
        except BaseException as error:  # noqa: BLE001  as in `call`
            failed = self._failed(error, warn)
            # osqueryd ignores the status of a write, and reads its row.
            return Reply(failed.status, [{"status": "failure", "message": failed.status.message}])

    def _failed(self, error: BaseException, warn: Callable[[str], None]) -> Reply:
        pass_on_interrupt(error)
        message = self._complain(error, warn, OsquerySdkError)
        self.counters.add_error(message)
        return Reply.failure(message)


class OldConfig(ConfigPlugin):
    """An old config plugin; its configuration is checked, and the last correct one is kept."""

    def __init__(self, plugin: old.ConfigPlugin) -> None:
        """Check its name."""
        super().__init__(plugin.name())
        self.plugin = plugin

    def gen_config(self) -> Mapping[str, Mapping[str, Any] | str]:
        """Return the dictionary in the list that `content` returns."""
        content = self.plugin.content()
        if isinstance(content, (list, tuple)) and len(content) == 1 and isinstance(content[0], dict):
            return content[0]
        raise ConfigError(f"content() has to return a list of one dictionary, not {shown(content)}")


class OldLogger(LoggerPlugin):
    """An old logger; a line that it fails to log is counted and reported, and does not end osqueryd."""

    def __init__(self, plugin: old.LoggerPlugin) -> None:
        """Check its name."""
        super().__init__(plugin.name())
        self.plugin = plugin

    @property
    def features(self) -> int:
        """0: that package has no method for status lines or events."""
        return 0

    def log_string(self, line: str, category: str) -> None:
        """Log a result."""
        self._log_it(self.plugin.log_string(line))

    def log_snapshot(self, line: str) -> None:
        """Log a snapshot."""
        self._log_it(self.plugin.log_snapshot(line))

    def log_health(self, health: str) -> None:
        """Log a report of osquery's health."""
        self._log_it(self.plugin.log_health(health))

    def _log_it(self, status: Any) -> None:
        if getattr(status, "code", 0):
            raise PluginError(f"{self.name}: {one_line(to_text(status.message or 'no reason given'))}")


class OldPlugin(Plugin):
    """An old plugin that answers by its own `call`."""

    def __init__(self, plugin: old.BasePlugin) -> None:
        """Check its name."""
        self.registry = plugin.registry_name()
        super().__init__(plugin.name())
        self.plugin = plugin

    def routes(self) -> list[dict[str, str]]:
        """Return the plugin's own routes."""
        return self.plugin.routes()

    def answer(self, request: Mapping[str, str]) -> Reply:
        """Return the plugin's own answer."""
        return _response(self.name, self.plugin.call(dict(request)))


def _response(name: str, answer: Any) -> Reply:
    status = answer.status
    rows = [texts_of(row, name) for row in answer.response or ()]
    message = one_line(to_text(status.message or ""))
    return Reply(Status(int(status.code or 0), message, int(status.uuid or 0)), rows)
