"""The configuration as osqueryd understands it: sources, packs, and the queries that are due.

Facts from `osquery/config/config.cpp` and `packs.cpp`. Intervals are not splayed: what is due can be foretold.
"""

from __future__ import annotations

import sys
import time
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple

from ..jsontext import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_MAX_BYTES = 4 << 20
_MAX_INTERVAL = 604_800
_DISCOVERY_PERIOD = 3600
_MAIN = "main"


class ScheduledQuery(NamedTuple):
    """A query of a pack, under the name that its results have."""

    name: str
    query: str
    interval: int
    is_snapshot: bool = False
    is_removed_told: bool = True
    is_denylisted: bool = True
    """Whether it is not run for a day after the engine died in it."""


class Pack:
    """A pack; the schedule of a source is the pack `main`."""

    def __init__(
        self, name: str, content: Mapping[str, Any], *, delimiter: str, default_interval: int
    ) -> None:
        """Take what is right of it; the rest is passed over, as osqueryd does."""
        self.name = name
        self.discovery = [sql for sql in content.get("discovery") or () if isinstance(sql, str)]
        self.queries: list[ScheduledQuery] = []
        self.problems: list[str] = []
        self._looked_at = float("-inf")
        self._is_wanted = False
        queries = content.get("queries")
        if not is_for_this_platform(content.get("platform")) or not isinstance(queries, dict):
            return
        prefix = "" if name == _MAIN else f"pack{delimiter}{name}{delimiter}"
        for key, query in sorted(queries.items()):
            if not isinstance(query, dict) or not isinstance(query.get("query"), str):
                continue
            if not is_for_this_platform(query.get("platform")):
                continue
            interval = _number(query.get("interval", default_interval))
            if not query["query"] or not 0 < interval <= _MAX_INTERVAL:
                self.problems.append(f"Query has invalid interval: {key}: {interval}")
                continue
            switches = (_truth(query.get(name, usual)) for name, usual in _SWITCHES)
            self.queries.append(ScheduledQuery(prefix + key, query["query"], interval, *switches))

    def executes(self, count_rows: Callable[[str], int]) -> bool:
        """Whether each discovery statement has rows; they are asked once an hour."""
        now = time.monotonic()
        if self.discovery and now - self._looked_at >= _DISCOVERY_PERIOD:
            self._looked_at = now
            self._is_wanted = all(count_rows(sql) for sql in self.discovery)
        return self._is_wanted or not self.discovery


_SWITCHES = (("snapshot", False), ("removed", True), ("denylist", True))


class Source(NamedTuple):
    """One source of the configuration."""

    text: str
    document: dict[str, Any]
    packs: list[Pack]


class Configuration:
    """All sources; each counts as it was given last."""

    def __init__(self) -> None:
        """Start without any."""
        self._sources: dict[str, Source] = {}
        self._lock = RLock()
        self.is_valid = False

    def put(self, name: str, text: str, packs: list[Pack]) -> None:
        """Have a source say `text` from now on."""
        with self._lock:
            self._sources[name] = Source(text, parse(text), packs)
        self.is_valid = True

    def texts(self) -> dict[str, str]:
        """The text of each source."""
        with self._lock:
            return {name: source.text for name, source in self._sources.items()}

    def packs(self) -> list[Pack]:
        """The packs of all sources."""
        with self._lock:
            return [pack for source in self._sources.values() for pack in source.packs]

    def queries(self) -> Iterator[ScheduledQuery]:
        """The queries of all packs, whether these execute or not."""
        for pack in self.packs():
            yield from pack.queries

    def merged(self, key: str) -> dict[str, Any]:
        """An object that the sources may have, put together."""
        found: dict[str, Any] = {}
        with self._lock:
            for source in self._sources.values():
                part = source.document.get(key)
                if isinstance(part, dict):
                    found.update(part)
        return found


def parse(text: str) -> dict[str, Any]:
    """A source's text, which may have lines of comment.

    Raises:
        ValueError: it is no JSON object, or is over osqueryd's limit; the text says why, and where.
    """
    if len(text) > _MAX_BYTES and _plain_length(text) > _MAX_BYTES:
        raise ValueError(f"the config size exceeds the limit of {_MAX_BYTES:,} bytes")
    document = read_json(text)
    if not isinstance(document, dict):
        raise ValueError("no object")
    return document


def _plain_length(text: str) -> int:
    """How long the text is without its comments."""
    lines = (line.strip() for line in text.replace("\\\n", "").split("\n"))
    return len("\n".join(line for line in lines if not line.startswith(("#", "//"))))


def is_for_this_platform(wanted: Any) -> bool:
    """osquery's platform check: an empty text, "all" or "any" is for everybody; else one of the words has to fit."""
    if not isinstance(wanted, str) or wanted in ("", "null", "all", "any"):
        return True
    linux = sys.platform.startswith("linux")
    here = (
        {"linux", "ubuntu", "centos", "posix"}
        if linux
        else {"windows"}
        if sys.platform == "win32"
        else {sys.platform, "posix"}
    )
    return any(word in wanted for word in here)


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _truth(value: Any) -> bool:
    return value.lower() in ("true", "t", "yes", "y", "1") if isinstance(value, str) else bool(value)
