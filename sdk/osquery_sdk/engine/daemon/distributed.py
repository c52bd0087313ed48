"""Fetch distributed queries from a plugin, run them, and send their results, as osqueryd does.

Facts from `osquery/distributed/distributed.cpp` and `distributed_runner.cpp`.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

from ...errors import OsquerySdkError, SqlError
from .results import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from threading import Event

    from ..manager.manager import Manager

_PENDING = "distributed"
_RUNNING = "distributed_running"
_ACCELERATED = 5.0


class Distributed:
    """Serves one distributed plugin, round by round."""

    def __init__(self, manager: Manager, say: Callable[[int, str, str], None]) -> None:
        """Set up; the plugin is not called yet."""
        self._engine = manager.engine
        self._registries = manager.registries
        self._database = manager.database
        self._flags = manager.flags
        self._say = say
        self._results: dict[str, tuple[Sequence[Mapping[str, str]], int, str, dict[str, int]]] = {}
        """Rows, status, message and costs of each query, until the plugin takes them."""
        self._accelerated_until = 0.0

    def run(self, stopping: Event) -> None:
        """Make a round, pause, and begin again until stopped."""
        while not stopping.is_set():
            self.once(stopping)
            is_accelerated = time.time() <= self._accelerated_until
            stopping.wait(_ACCELERATED if is_accelerated else self._flags.seconds("distributed_interval"))

    def once(self, stopping: Event) -> None:
        """Make one round: fetch queries, run them, and send the results."""
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
        """Keep the queries of a message whose discovery queries have rows.

        Raises:
            ValueError: the message is not valid, or a discovery query failed.
        """
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
        denial = self._flags.seconds("distributed_denylist_duration")
        if since is not None and time.time() < float(since) + denial:
            self._results[name] = (), 1, "distributed query is denylisted", {}
            return
        # A query that kills the engine is still noted here when the next engine gets it.
        self._database.put(_RUNNING, {key: str(int(time.time()))})
        started = time.monotonic()
        rows: list[dict[str, str]] = []
        code, message = 0, ""
        try:
            answer = self._engine.query(sql)
            order = list(dict.fromkeys(answer.columns))
            rows = [{column: row[column] for column in order if column in row} for row in answer.rows]
        except OsquerySdkError as exc:
            code, message = 1, str(exc)
            self._say(2, "distributed.py", f"Error executing distributed query: {name}: {exc}")
        self._database.remove(_RUNNING, [key])
        cost = {"wall_time_ms": int((time.monotonic() - started) * 1000)}
        costs = {**cost, "user_time": 0, "system_time": 0, "memory": 0}
        self._results[name] = rows, code, message, costs

    def _flush(self) -> None:
        if not self._results:
            return
        parts = {
            kind: {name: result[place] for name, result in self._results.items()}
            for place, kind in enumerate(("queries", "statuses", "messages", "stats"))
        }
        request = {"action": "writeResults", "results": to_json(parts)}
        # Results that the plugin does not take are sent again with the next ones.
        if not self._registries.call("distributed", "", request).failed:
            self._results.clear()


def _statements(part: Any, kind: str) -> list[tuple[str, str]]:
    """Return the names and statements in a part of a message."""
    if not isinstance(part, dict):
        return []
    for name, sql in part.items():
        if not isinstance(sql, str) or not sql or not name:
            raise ValueError(f"{kind} is not a string")
    return list(part.items())
