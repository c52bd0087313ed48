"""The engine's own plugins that an extension can call: the database, the config that is pushed, and SQL.

The database is osquery's "ephemeral" one, unless it has a file.

Facts from `DatabasePlugin::call`, `ConfigPlugin::call` and `SQLPlugin::call`.
"""

from __future__ import annotations

import hashlib
import json
from threading import Lock
from typing import TYPE_CHECKING, Any

from ...errors import SqlError, StoreError
from ...wire.protocol import Status
from ..answer import Answer, to_bytes
from .configuration import Configuration, Pack, parse
from .store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ..sql.engine import Engine
    from .flags import Flags


_ONLY_STRINGS = (
    "Database plugin putBatch action with an invalid json received. Only string values are supported"
)


def failure(message: str) -> Answer:
    """Return an answer that is an error."""
    return Answer(Status(1, message))


class DatabasePlugin:
    """Keys and values by domain.

    Args:
        path: path of an SQLite file that keeps them; without it they end with the engine.
    """

    def __init__(self, path: str = "") -> None:
        """Read the file.

        Raises:
            StoreError: the file cannot be used.
        """
        self._domains: dict[str, dict[str, str]] = {}
        self._lock = Lock()
        self._file: Store | None = None
        if path:
            self._file = Store(path)
            for domain, key, value in self._file.rows():
                self._domains.setdefault(domain, {})[key] = value

    def get(self, domain: str, key: str) -> str | None:
        """Return a value; None if the key is not set."""
        with self._lock:
            return self._domains.get(domain, {}).get(key)

    def put(self, domain: str, values: Mapping[str, str]) -> None:
        """Set values.

        Raises:
            StoreError: the file cannot be written; nothing is changed.
        """
        with self._lock:
            if self._file is not None:
                self._file.put(domain, values)
            self._domains.setdefault(domain, {}).update(values)

    def remove(self, domain: str, keys: Iterable[str]) -> None:
        """Remove keys. Missing keys are not an error.

        Raises:
            StoreError: the file cannot be written; nothing is changed.
        """
        names = list(keys)
        with self._lock:
            if self._file is not None:
                self._file.remove(domain, names)
            for name in names:
                self._domains.get(domain, {}).pop(name, None)

    def keys(self, domain: str) -> list[str]:
        """Return the keys of a domain, sorted."""
        with self._lock:
            return sorted(self._domains.get(domain, {}))

    def call(self, request: Mapping[str, str]) -> Answer:
        """Answer get, put, putBatch, remove, remove_range, scan and reset."""
        try:
            return self._call(request)
        except StoreError as error:
            return failure(str(error))

    def _call(self, request: Mapping[str, str]) -> Answer:
        domain, key = request.get("domain", ""), request.get("key", "")
        match request.get("action"):
            case None:
                return failure("Database plugin must include a request action")
            case "get":
                return self._get(domain, key)
            case "put" if "value" not in request:
                return failure("Database plugin put action requires a value")
            case "put":
                self.put(domain, {key: request["value"]})
            case "putBatch":
                return self._put_batch(domain, request.get("json"))
            case "remove":
                self.remove(domain, [key])
            case "remove_range" if not key or not request.get("key_high"):
                return failure("Missing range")
            case "remove_range":
                self.remove(
                    domain, [name for name in self.keys(domain) if key <= name <= request["key_high"]]
                )
            case "scan":
                return self._scan(domain, request.get("prefix", ""), request.get("max", "0"))
            case "reset":
                for known in list(self._domains):
                    self.remove(known, self.keys(known))
                self._domains.clear()
            case _:
                return failure("Unknown database plugin action")
        return Answer()

    def _get(self, domain: str, key: str) -> Answer:
        if domain not in self._domains:
            return failure(f"Domain {domain} does not exist")
        value = self.get(domain, key)
        if value is None:
            return failure(f"Key {key} in domain {domain} does not exist")
        return Answer(rows=to_bytes([{"v": value}]))

    def _put_batch(self, domain: str, text: str | None) -> Answer:
        if text is None:
            return failure("Database plugin putBatch action requires a json-encoded value list")
        try:
            values: Any = json.loads(text)
        except ValueError:
            values = None
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            return failure(_ONLY_STRINGS)
        self.put(domain, values)
        return Answer()

    def _scan(self, domain: str, prefix: str, limit: str) -> Answer:
        keys = [key for key in self.keys(domain) if key.startswith(prefix)]
        count = int(limit) if limit.isascii() and limit.isdigit() else 0
        return Answer(rows=to_bytes({"k": key} for key in keys[: count or None]))


class ConfigPlugin:
    """The config that was pushed through `call("config", "update", ...)`.

    The last text of each source counts.
    """

    def __init__(self, flags: Flags) -> None:
        """Start without a config. Options of later ones override `flags`."""
        self._flags = flags
        self.configuration = Configuration()
        self.gen_pack: Callable[[str, str], str | None] = lambda name, value: None
        """Returns the text of a pack for which a source has only a name and a value."""
        self.warn: Callable[[str], None] = lambda line: None
        """Gets warnings about packs."""
        self.problem = ""
        """The error in the last source that was refused, which osqueryd does not tell."""

    def call(self, request: Mapping[str, str]) -> Answer:
        """Answer update, genConfig and option."""
        match request.get("action"):
            case None:
                return failure("Config plugins require an action")
            case "update":
                if "source" not in request or "data" not in request:
                    return failure("Missing source or data")
                return self.update(request["source"], request["data"])
            case "genConfig":
                return Answer(rows=to_bytes([self.configuration.texts()]))
            case "option":
                if "name" not in request:
                    return failure("Missing option name")
                name = request["name"]
                return Answer(rows=to_bytes([{"name": name, "value": self._flags[name]}]))
            case action:
                return failure(f"Config plugin action unknown: {action}")

    def update(self, source: str, data: str) -> Answer:
        """Set or replace a source, unless its text is not valid."""
        try:
            document = parse(data)
        except ValueError as exc:
            self.configuration.is_valid = False
            self.problem = str(exc)
            return failure("Error parsing the config JSON")
        self.configuration.put(source, data, list(self._packs(document)))
        self._flags.override(self.configuration.merged("options"))
        return Answer()

    def _packs(self, document: Mapping[str, Any]) -> Iterator[Pack]:
        """Yield the packs of a source: its schedule, its own packs, and those that `gen_pack` returns."""
        if isinstance(document.get("schedule"), dict):
            yield self._pack("main", {"queries": document["schedule"]})
        packs = document.get("packs")
        for name, content in packs.items() if isinstance(packs, dict) else ():
            if isinstance(content, str):
                text = self.gen_pack(name, content)
                try:
                    content = None if text is None else parse(text)  # noqa: PLW2901
                except ValueError as exc:
                    self.warn(f'Error parsing the "{name}" pack JSON: {content}: {exc}')
                    continue
            named = content if name == "*" and isinstance(content, dict) else {name: content}
            for inner_name, inner in named.items():
                if isinstance(inner, dict):
                    yield self._pack(inner_name, inner)

    def _pack(self, name: str, content: Mapping[str, Any]) -> Pack:
        delimiter, interval = self._flags["pack_delimiter"], int(self._flags["schedule_default_interval"])
        pack = Pack(name, content, delimiter=delimiter, default_interval=interval)
        for problem in pack.problems:
            self.warn(problem)
        return pack

    def hash(self) -> str:
        """Return a hash of the config; "" without a config."""
        texts = self.configuration.texts()
        if not texts:
            return ""
        joined = "".join(f"{name}\0{text}\0" for name, text in sorted(texts.items()))
        return hashlib.sha1(joined.encode(errors="surrogateescape"), usedforsecurity=False).hexdigest()


class SqlPlugin:
    """SQL through the registry, as extensions with osquery's C++ SDK call it."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine that answers."""
        self._engine = engine

    def call(self, request: Mapping[str, str]) -> Answer:
        """Answer query and columns."""
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
