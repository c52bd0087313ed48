"""Distributed queries, as osqueryd asks for them, runs them and answers.

Facts from `osquery/distributed/distributed.cpp` and `distributed_runner.cpp`.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import OsquerySdkError, SqlError
from .results import to_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from .core_plugins import DatabasePlugin
    from .engine import Engine
    from .flags import Flags
    from .registry import Registries

_PENDING = "distributed"
_RUNNING = "distributed_running"
_ACCELERATED = 5.0


class Work(NamedTuple):
    """A message of queries, understood."""

    queries: dict[str, str]
    accelerate: int | None


class Distributed:
    """Asks one distributed plugin, again and again."""

    def __init__(
        self,
        engine: Engine,
        registries: Registries,
        database: DatabasePlugin,
        flags: Flags,
        say: Callable[[int, str, str], None],
    ) -> None:
        """Set up; nobody is asked yet."""
        self._engine = engine
        self._registries = registries
        self._database = database
        self._flags = flags
        self._say = say
        self._results: list[tuple[str, list[dict[str, str]], int, str, int]] = []
        self._accelerated_until = 0.0

    def run(self, stopping: Event) -> None:
        """Until stopped: ask, run, answer, pause."""
        while not stopping.is_set():
            self.once(stopping)
            is_hurried = time.time() <= self._accelerated_until
            stopping.wait(_ACCELERATED if is_hurried else self._flags.seconds("distributed_interval"))

    def once(self, stopping: Event) -> None:
        """One round."""
        answer = self._registries.call("distributed", "", {"action": "getQueries"})
        if not answer.failed and answer.rows:
            try:
                self._accept(answer.rows[0].get("results", b"{}").decode(errors="surrogateescape"))
            except (ValueError, OsquerySdkError) as exc:
                self._say(2, "distributed.py", f"Distributed queries are not taken: {exc}")
        for name in self._database.keys(_PENDING):
            if stopping.is_set():
                return
            sql = self._database.get(_PENDING, name) or ""
            self._database.remove(_PENDING, [name])
            self._run(name, sql)
        self._flush()

    def _accept(self, text: str) -> None:
        message = json.loads(text)
        if not isinstance(message, dict):
            raise ValueError("Error Parsing JSON")
        wanted: dict[str, bool] = {}
        for name, sql in _statements(message.get("discovery"), "Distributed discovery query"):
            try:
                wanted[name] = bool(self._engine.query(sql).rows)
            except SqlError as exc:
                raise ValueError("Distributed discovery query has an SQL error") from exc
        for name, sql in _statements(message.get("queries"), "Distributed query"):
            if wanted.get(name, True):
                self._database.put(_PENDING, {name: sql})
        seconds = message.get("accelerate")
        if type(seconds) is int:
            self._say(0, "distributed.py", f"Accelerating distributed query checkins for {seconds} seconds")
            self._accelerated_until = time.time() + seconds

    def _run(self, name: str, sql: str) -> None:
        key = hashlib.sha256(sql.encode(errors="surrogateescape")).hexdigest()
        since = self._database.get(_RUNNING, key)
        if since is not None and time.time() < float(since) + self._flags.seconds(
            "distributed_denylist_duration"
        ):
            self._results.append((name, [], 1, "distributed query is denylisted", -1))
            return
        self._database.put(_RUNNING, {key: str(int(time.time()))})
        started = time.monotonic()
        rows: list[dict[str, str]] = []
        code, message = 0, ""
        try:
            found = self._engine.query(sql)
            order = list(dict.fromkeys(found.columns))
            rows = [{column: row[column] for column in order if column in row} for row in found.rows]
        except OsquerySdkError as exc:
            code, message = 1, str(exc)
            self._say(2, "distributed.py", f"Error executing distributed query: {name}: {message}")
        self._database.remove(_RUNNING, [key])
        took = int((time.monotonic() - started) * 1000)
        self._results.append((name, rows, code, message, took))

    def _flush(self) -> None:
        if not self._results:
            return
        parts: dict[str, dict[str, Any]] = {"queries": {}, "statuses": {}, "messages": {}, "stats": {}}
        for name, rows, code, message, took in self._results:
            parts["queries"][name] = rows
            parts["statuses"][name] = code
            parts["messages"][name] = message
            cost = {"wall_time_ms": took, "user_time": 0, "system_time": 0, "memory": 0}
            parts["stats"][name] = cost if took >= 0 else {}
        request = {"action": "writeResults", "results": to_json(parts)}
        # What the plugin does not take is sent again with the next results.
        if not self._registries.call("distributed", "", request).failed:
            self._results.clear()


def _statements(part: Any, what: str) -> list[tuple[str, str]]:
    if not isinstance(part, dict):
        return []
    for name, sql in part.items():
        if not isinstance(sql, str) or not sql or not name:
            raise ValueError(f"{what} is not a string")
    return list(part.items())
