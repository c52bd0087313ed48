"""Read a configuration as osqueryd does: its sources, their packs, and the scheduled queries of these.

Facts from `osquery/config/config.cpp` and `packs.cpp`. Unlike osqueryd's, intervals are not splayed, so it
can be foretold when a query is due.
"""

from __future__ import annotations

import sys
import time
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple

from kolide_kit.json_text import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_MAX_BYTES = 4 << 20
_MAX_INTERVAL = 604_800
_DISCOVERY_PERIOD = 3600
_MAIN = "main"
_PLATFORMS = {"linux": ("linux", "ubuntu", "centos", "posix"), "win32": ("windows",)}


class ScheduledQuery(NamedTuple):
    """A query of a pack. `name` is the one in its results: that of the pack comes before the query's own."""

    name: str
    query: str
    interval: int
    is_snapshot: bool = False
    """Log all rows each time, and not the differences."""
    logs_removed: bool = True
    """Log the rows that are gone, too."""
    can_be_denied: bool = True
    """Do not run it for a day after the engine died while it ran."""


class Pack:
    """A pack. The schedule of a source is the pack `main`."""

    def __init__(
        self, name: str, content: Mapping[str, Any], *, delimiter: str, default_interval: int
    ) -> None:
        """Read a pack.

        As osqueryd, skip entries that are not valid; `problems` names those with a bad interval.
        """
        self.name = name
        self.discovery = [sql for sql in content.get("discovery") or () if isinstance(sql, str)]
        self.queries: list[ScheduledQuery] = []
        self.problems: list[str] = []
        self._discovered_at = float("-inf")
        self._is_discovered = False
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
        """Return True if each discovery statement has rows. They run once an hour.

        Args:
            count_rows: runs a statement and returns its number of rows.
        """
        now = time.monotonic()
        if self.discovery and now - self._discovered_at >= _DISCOVERY_PERIOD:
            self._discovered_at = now
            self._is_discovered = all(count_rows(sql) for sql in self.discovery)
        return self._is_discovered or not self.discovery


_SWITCHES = (("snapshot", False), ("removed", True), ("denylist", True))


class Source(NamedTuple):
    """One source of the configuration."""

    text: str
    document: dict[str, Any]
    packs: list[Pack]


class Configuration:
    """All sources, each with the text that it gave last."""

    def __init__(self) -> None:
        """Start without sources."""
        self._sources: dict[str, Source] = {}
        self._lock = RLock()
        self.is_valid = False

    def put(self, name: str, text: str, packs: list[Pack]) -> None:
        """Set or replace a source."""
        with self._lock:
            self._sources[name] = Source(text, parse(text), packs)
        self.is_valid = True

    def texts(self) -> dict[str, str]:
        """Return the text of each source."""
        with self._lock:
            return {name: source.text for name, source in self._sources.items()}

    def packs(self) -> list[Pack]:
        """Return the packs of all sources."""
        with self._lock:
            return [pack for source in self._sources.values() for pack in source.packs]

    def queries(self) -> Iterator[ScheduledQuery]:
        """Yield the queries of all packs, also of those that do not execute."""
        for pack in self.packs():
            yield from pack.queries

    def merged(self, key: str) -> dict[str, Any]:
        """Return the objects that the sources have under `key` as one; later sources win."""
        merged: dict[str, Any] = {}
        with self._lock:
            for source in self._sources.values():
                part = source.document.get(key)
                if isinstance(part, dict):
                    merged.update(part)
        return merged


def parse(text: str) -> dict[str, Any]:
    """Read a source's text: a JSON object, which may have lines of comment.

    Raises:
        ValueError: the text is not a JSON object, or longer than osqueryd's limit; the error says why, and
            where.
    """
    if len(text) > _MAX_BYTES and _plain_length(text) > _MAX_BYTES:
        raise ValueError(f"the config size exceeds the limit of {_MAX_BYTES:,} bytes")
    document = read_json(text)
    if not isinstance(document, dict):
        raise ValueError("no object")
    return document


def _plain_length(text: str) -> int:
    """Return the length of the text without its comments."""
    lines = (line.strip() for line in text.replace("\\\n", "").split("\n"))
    return len("\n".join(line for line in lines if not line.startswith(("#", "//"))))


def is_for_this_platform(wanted: Any) -> bool:
    """Check a platform as osquery does: "", "all" and "any" always fit, else one of the words has to."""
    if not isinstance(wanted, str) or wanted in ("", "null", "all", "any"):
        return True
    return any(word in wanted for word in _PLATFORMS.get(sys.platform, (sys.platform, "posix")))


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _truth(value: Any) -> bool:
    return value.lower() in ("true", "t", "yes", "y", "1") if isinstance(value, str) else bool(value)
