"""Config plugins: give osqueryd its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from kolide_kit.author_code import SameProcess, pass_on_interrupt, shown, text_of

from ..errors import ConfigError
from ..vocabulary import CONFIG
from ..wire.protocol import Reply, Status
from .base import Plugin

if TYPE_CHECKING:
    Document: TypeAlias = Mapping[str, Any] | str

_MAX_BYTES = 4 << 20
_MAX_DEPTH = 32
_MAX_INTERVAL = 604_800
_OBJECTS = ("schedule", "packs", "options", "decorators", "file_paths", "queries")


class ConfigPlugin(Plugin):
    """A config plugin (`--config_plugin=NAME`); derive from it and write `gen_config`.

    Every configuration is checked before it is served. If one cannot be made or is wrong, osqueryd gets the
    last good one and the log says why; without a good one osqueryd gets the error.
    """

    registry: str = CONFIG

    def __init__(self, name: str) -> None:
        """Check the name."""
        super().__init__(name)
        self._served: dict[str, str] = {}
        self._packs: dict[tuple[str, str], str] = {}

    @property
    def is_served(self) -> bool:
        """Return whether osqueryd got a configuration, so that it uses this plugin and no other."""
        return bool(self._served)

    def gen_config(self) -> Mapping[str, Document]:
        """Return the configuration by source: each a mapping, or the text of a JSON object.

        osqueryd adds up the schedules of all sources. It would keep everything of a source that is left out
        later, so it is told from then on that the source is empty.
        """
        raise NotImplementedError

    def gen_pack(self, name: str, value: str) -> Document:
        """Return the pack `name`, for a configuration that has only a text `value` in its place."""
        raise ConfigError(f"no pack {name!r} ({value!r})")

    def push(self) -> list[str]:
        """Make the configuration anew, tell osqueryd of the sources that changed, and return their names.

        Raises:
            ConfigError: the configuration is wrong; osqueryd keeps the one it has.
            PluginError: osqueryd refused it.
            ManagerUnavailable: the extension is not registered.
            WireError: osqueryd was not reached.
        """
        with self._turn:
            served = self._fresh()
            changed = [source for source, text in served.items() if self._served.get(source) != text]
        # Do not hold the lock here: during an update osqueryd asks this plugin for packs.
        for source in changed:
            reply = self.ask_osqueryd(
                CONFIG, "update", {"action": "update", "source": source, "data": served[source]}
            )
            if reply.status.code:
                raise ConfigError(f"{self.name}: osqueryd refused source {source!r}: {reply.status.message}")
        with self._turn:
            self._served = served
        return changed

    def answer(self, request: Mapping[str, str]) -> Reply:
        """Answer genConfig and genPack."""
        action = request.get("action")
        if action == "genConfig":
            return Reply(Status(), [self._config()])
        if action == "genPack":
            name, value = request.get("name", ""), request.get("value", "")
            return Reply(Status(), [{name: self._pack(name, value)}])
        return Reply.failure(f"{self.name}: unknown action {action!r}")

    def _config(self) -> dict[str, str]:
        try:
            with SameProcess():
                served = self._fresh()
        except BaseException as error:
            pass_on_interrupt(error)
            if not self._served:
                raise
            self.complain(error)
            self.warn("osqueryd gets the last configuration that was right")
            return self._served
        self._served = served
        return served

    def _fresh(self) -> dict[str, str]:
        """Return the configuration of each source, checked, as the text of a JSON object.

        A source that was served before and is left out now is empty.
        """
        documents = self.gen_config()
        if not isinstance(documents, Mapping):
            raise ConfigError(
                f"gen_config returned {shown(documents)}; it has to be a mapping of source to configuration"
            )
        fresh = {
            source: to_json(check_config(document, str(source))) for source, document in documents.items()
        }
        return fresh | {source: "{}" for source in self._served if source not in fresh}

    def _pack(self, name: str, value: str) -> str:
        try:
            with SameProcess():
                text = to_json(check_pack(self.gen_pack(name, value), f"pack {name}"))
        except BaseException as error:
            pass_on_interrupt(error)
            good = self._packs.get((name, value))
            if good is None:
                raise
            self.complain(error)
            return good
        self._packs[name, value] = text
        return text


def check_config(document: Document, where: str = "the configuration") -> dict[str, Any]:
    """Return a configuration as a mapping; refuse whatever osqueryd would refuse or silently ignore.

    Args:
        document: a mapping, or the text of a JSON object; lines that begin with # or // are comments, as in
            osqueryd.
        where: the configuration's name in errors.

    Raises:
        ConfigError: the text names the place and what is wrong with it.
    """
    checked = _object(document, where)
    for place in _OBJECTS:
        if not isinstance(checked.get(place, {}), dict):
            raise ConfigError(f"{where}: {place} has to be an object")
    if not isinstance(checked.get("discovery", []), list):
        raise ConfigError(f"{where}: discovery has to be a list")
    for name, query in checked.get("schedule", {}).items():
        _check_query(query, f"{where}: schedule: {name}")
    for name, pack in checked.get("packs", {}).items():
        if isinstance(pack, dict):
            # Under the name * osquery reads several packs.
            packs = pack.items() if name == "*" else [(name, pack)]
            for inner, content in packs:
                check_pack(content, f"{where}: pack {inner}")
        elif not isinstance(pack, str):
            raise ConfigError(
                f"{where}: pack {name}: has to be an object, or a text from which the plugin makes one"
            )
    for name, paths in checked.get("file_paths", {}).items():
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            raise ConfigError(f"{where}: file_paths: {name}: has to be a list of paths")
    return checked


def check_pack(document: Document, where: str = "the pack") -> dict[str, Any]:
    """Return a pack as a mapping; arguments and errors are those of `check_config`."""
    checked = _object(document, where)
    queries = checked.get("queries", {})
    if not isinstance(queries, dict):
        raise ConfigError(f"{where}: queries has to be an object")
    for name, query in queries.items():
        _check_query(query, f"{where}: {name}")
    discovery = checked.get("discovery", [])
    if not isinstance(discovery, list) or not all(isinstance(sql, str) for sql in discovery):
        raise ConfigError(f"{where}: discovery has to be a list of statements")
    return checked


def _check_query(query: Any, where: str) -> None:
    if not isinstance(query, dict):
        raise ConfigError(f"{where}: has to be an object with query and interval")
    sql = query.get("query")
    if not isinstance(sql, str) or not sql.strip():
        raise ConfigError(f"{where}: query has to be a statement")
    if "interval" in query:
        seconds = query["interval"]
        text = str(seconds)
        whole = not isinstance(seconds, (bool, float)) and text.isascii() and text.isdecimal()
        if not whole or not 1 <= int(text) <= _MAX_INTERVAL:
            raise ConfigError(
                f"{where}: interval {shown(seconds)} has to be a number of seconds from 1 to {_MAX_INTERVAL}"
            )
    for switch in ("snapshot", "removed", "denylist"):
        if switch in query and not isinstance(query[switch], bool):
            raise ConfigError(f"{where}: {switch} {shown(query[switch])} has to be true or false")


def parse_json(text: str, where: str) -> Any:
    """Return the value of a JSON text with comments, read as osqueryd reads configurations.

    Raises:
        ConfigError: it is not JSON, or an object has a name twice; the text names the line and the column.
    """
    from kolide_kit.json_text import BadJson, read_json

    try:
        return read_json(text, strict=True)
    except BadJson as error:
        raise ConfigError(f"{where}: {error}") from error


def to_json(document: Mapping[str, Any]) -> str:
    """Return the text that osqueryd is sent.

    Raises:
        ConfigError: a value has no JSON, or the text is over osqueryd's limits.
    """
    import json

    try:
        text = json.dumps(document, allow_nan=False, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"the configuration is not JSON: {text_of(error)}") from error
    if len(text) > _MAX_BYTES:
        raise ConfigError(f"the configuration has {len(text):,} bytes, where osqueryd takes {_MAX_BYTES:,}")
    return text


def _object(document: Document, where: str) -> dict[str, Any]:
    parsed = parse_json(document, where) if isinstance(document, str) else document
    if not isinstance(parsed, Mapping):
        raise ConfigError(f"{where}: has to be an object, not {type(parsed).__name__}")
    if _depth(parsed) > _MAX_DEPTH:
        raise ConfigError(f"{where}: nested over {_MAX_DEPTH} deep, which osqueryd refuses")
    return dict(parsed)


def _depth(value: Any, limit: int = _MAX_DEPTH + 1) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 0 if limit <= 0 else 1 + max((_depth(item, limit - 1) for item in inner), default=0)


def _plain(value: Any) -> Any:
    """Return mappings of other kinds as objects of JSON."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{shown(value)} is not a value that JSON has")
