"""The engine's own plugins that an extension can call: the database, the config that is pushed, SQL.

Facts from `DatabasePlugin::call`, `ConfigPlugin::call` and `SQLPlugin::call`. The database is osquery's "ephemeral"
one: it lives as long as the engine.
"""

from __future__ import annotations

import hashlib
import json
from threading import Lock
from typing import TYPE_CHECKING, Any

from ..wire.protocol import Status
from .answer import Answer, to_bytes
from .database import SqlError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .engine import Engine
    from .flags import Flags


def failure(message: str) -> Answer:
    """An answer that is an error."""
    return Answer(Status(1, message))


class DatabasePlugin:
    """Keys and values by domain."""

    def __init__(self) -> None:
        """Start empty."""
        self._domains: dict[str, dict[str, str]] = {}
        self._lock = Lock()

    def call(self, request: Mapping[str, str]) -> Answer:
        """get, put, putBatch, remove, remove_range, scan and reset."""
        domain, key = request.get("domain", ""), request.get("key", "")
        with self._lock:
            match request.get("action"):
                case None:
                    return failure("Database plugin must include a request action")
                case "get":
                    return self._get(domain, key)
                case "put" if "value" not in request:
                    return failure("Database plugin put action requires a value")
                case "put":
                    self._domains.setdefault(domain, {})[key] = request["value"]
                    return Answer()
                case "putBatch":
                    return self._put_batch(domain, request.get("json"))
                case "remove":
                    self._domains.get(domain, {}).pop(key, None)
                    return Answer()
                case "remove_range":
                    return self._remove_range(domain, key, request.get("key_high", ""))
                case "scan":
                    return self._scan(domain, request.get("prefix", ""), request.get("max", "0"))
                case "reset":
                    self._domains.clear()
                    return Answer()
                case _:
                    return failure("Unknown database plugin action")

    def _get(self, domain: str, key: str) -> Answer:
        if domain not in self._domains:
            return failure(f"Domain {domain} does not exist")
        if key not in self._domains[domain]:
            return failure(f"Key {key} in domain {domain} does not exist")
        return Answer(rows=to_bytes([{"v": self._domains[domain][key]}]))

    def _put_batch(self, domain: str, text: str | None) -> Answer:
        if text is None:
            return failure("Database plugin putBatch action requires a json-encoded value list")
        try:
            values: Any = json.loads(text)
        except ValueError:
            values = None
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            return failure(
                "Database plugin putBatch action with an invalid json received. Only string values are supported"
            )
        self._domains.setdefault(domain, {}).update(values)
        return Answer()

    def _remove_range(self, domain: str, low: str, high: str) -> Answer:
        if not low or not high:
            return failure("Missing range")
        keys = self._domains.get(domain, {})
        for key in [key for key in keys if low <= key <= high]:
            del keys[key]
        return Answer()

    def _scan(self, domain: str, prefix: str, limit: str) -> Answer:
        keys = sorted(key for key in self._domains.get(domain, {}) if key.startswith(prefix))
        count = int(limit) if limit.isascii() and limit.isdigit() else 0
        return Answer(rows=to_bytes({"k": key} for key in keys[: count or None]))


class ConfigPlugin:
    """The config as it was pushed through `call("config", "update", ...)`: by source, the last one counts."""

    def __init__(self, flags: Flags) -> None:
        """Start without a config."""
        self._flags = flags
        self._sources: dict[str, tuple[str, dict[str, Any]]] = {}
        self._lock = Lock()
        self.valid = False

    def call(self, request: Mapping[str, str]) -> Answer:
        """Update, genConfig and option."""
        match request.get("action"):
            case None:
                return failure("Config plugins require an action")
            case "update":
                if "source" not in request or "data" not in request:
                    return failure("Missing source or data")
                return self._update(request["source"], request["data"])
            case "genConfig":
                with self._lock:
                    return Answer(rows=to_bytes([{name: text for name, (text, _) in self._sources.items()}]))
            case "option":
                if "name" not in request:
                    return failure("Missing option name")
                name = request["name"]
                return Answer(rows=to_bytes([{"name": name, "value": self._flags[name]}]))
            case action:
                return failure(f"Config plugin action unknown: {action}")

    def _update(self, source: str, data: str) -> Answer:
        try:
            document = json.loads(data)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            self.valid = False
            return failure("Error parsing the config JSON")
        with self._lock:
            self._sources[source] = data, document
        self.valid = True
        return Answer()

    def hash(self) -> str:
        """A hash of the config; "" without one."""
        with self._lock:
            if not self._sources:
                return ""
            joined = "".join(f"{name}\0{text}\0" for name, (text, _) in sorted(self._sources.items()))
        return hashlib.sha1(joined.encode(errors="surrogateescape"), usedforsecurity=False).hexdigest()

    def schedule(self) -> dict[str, dict[str, Any]]:
        """The scheduled queries by name. The engine lists them and runs none."""
        out: dict[str, dict[str, Any]] = {}
        with self._lock:
            for _, document in self._sources.values():
                schedule = document.get("schedule")
                if isinstance(schedule, dict):
                    out.update((name, query) for name, query in schedule.items() if isinstance(query, dict))
        return out


class SqlPlugin:
    """SQL through the registry, as extensions of osquery's C++ SDK ask for it."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine that answers."""
        self._engine = engine

    def call(self, request: Mapping[str, str]) -> Answer:
        """Query and columns."""
        sql = request.get("query", "")
        try:
            match request.get("action"):
                case None:
                    return failure("SQL plugin must include a request action")
                case "query":
                    return Answer(rows=to_bytes(self._engine.query(sql).rows))
                case "columns":
                    columns = self._engine.get_query_columns(sql)
                    return Answer(rows=to_bytes({"n": name, "t": kind, "o": "0"} for name, kind in columns))
                case _:
                    return failure("Unknown action")
        except SqlError as exc:
            return failure(str(exc))
