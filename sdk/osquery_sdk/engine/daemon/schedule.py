"""Run the schedule as osqueryd does: the queries that are due, their differences, and the log lines for them.

Facts from `osquery/dispatcher/scheduler.cpp` and `core/query.cpp`.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from ...errors import OsquerySdkError
from ...wire.protocol import Status
from .logs import ERROR, INFO, WARNING
from .results import Stamp, batch_line, difference, escaped, event_lines, snapshot_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from ..manager.configuration import ScheduledQuery
    from ..manager.manager import Manager
    from .logs import Loggers

CATASTROPHIC = 78
"""The exit status of osqueryd after a logger refused a result."""

_QUERIES = "queries"
_SETTINGS = "configurations"
_EXECUTING = "executing_query"
_DENYLIST = "failed_queries"
_DAY = 86_400
_RELAY_PERIOD = 3
_PERIODIC = 60
_STEP = 1.0


class Schedule:
    """Runs the queries that are due, second by second.

    Args:
        manager: with the configuration, the database and the engine.
        loggers: get results and status lines.
        stopping: ends the schedule when it is set.
        ended: called with osqueryd's exit status when the schedule ends by itself.
    """

    def __init__(
        self, manager: Manager, loggers: Loggers, stopping: Event, ended: Callable[[int], None]
    ) -> None:
        """Set up; nothing runs yet."""
        self._manager = manager
        self._flags = manager.flags
        self._database = manager.database
        self._loggers = loggers
        self._stopping = stopping
        self._ended = ended
        self._decorations: dict[tuple[str, str], dict[str, str]] = {}

    def run(self) -> None:
        """Run queries until the schedule is stopped, its time is over, or a logger refuses a result.

        A step is a second. A step that takes longer makes the next ones follow without a pause.
        """
        step = int(time.time())
        limit = int(self._flags.seconds("schedule_timeout"))
        end = step + limit if limit else None
        behind = 0.0
        while not self._stopping.is_set() and (end is None or step <= end):
            began = time.monotonic()
            for pack in self._manager.config.configuration.packs():
                if not pack.executes(self._count_rows):
                    continue
                for query in pack.queries:
                    if self._stopping.is_set():
                        return
                    is_due = step % query.interval == 0 and not self._is_denied(query)
                    if is_due and not self._launch(query):
                        return
            if step % _PERIODIC == 0:
                self.decorate("interval", step)
            if step % _RELAY_PERIOD == 0:
                self._loggers.relay()
            step += 1
            took = time.monotonic() - began
            behind = max(behind + took - _STEP, 0.0)
            self._stopping.wait(max(_STEP - took - behind, 0.0))
        if not self._stopping.is_set():
            self._loggers.tell(INFO, "scheduler.py", f"The scheduler ended after {limit} seconds")
            self._ended(0)

    def _launch(self, query: ScheduledQuery) -> bool:
        """Run a query and log its rows. Returns False if the schedule has to end."""
        database = self._database
        if self._flags.truth("verbose"):
            self._loggers.say(INFO, "scheduler.py", f"Executing scheduled query {query.name}: {query.query}")
        self.decorate("always")
        database.put(_SETTINGS, {_EXECUTING: query.name})
        began = time.monotonic()
        try:
            rows = self._manager.engine.query(query.query).rows
        except OsquerySdkError as exc:
            if not self._stopping.is_set():
                self._loggers.tell(
                    ERROR, "scheduler.py", f"Error executing scheduled query {query.name}: {exc}"
                )
            return True
        finally:
            database.put(_SETTINGS, {_EXECUTING: ""})
            self._record(query.name, time.monotonic() - began)
        status = self._log(query, rows)
        if status.code == 0:
            return True
        message = f"Error logging the results of query: {query.name}: {status.message}"
        self._loggers.tell(ERROR, "scheduler.py", message)
        self._loggers.notice(f"osqueryd ends here, with status {CATASTROPHIC}")
        self._ended(CATASTROPHIC)
        return False

    def _log(self, query: ScheduledQuery, rows: list[dict[str, str]]) -> Status:
        """Log a snapshot or the differences, and return the answer of the logger."""
        epoch = int(self._flags["schedule_epoch"])
        decorations = {key: value for part in self._decorations.values() for key, value in part.items()}
        on_top = self._flags.truth("decorations_top_level")
        stamp = Stamp(query.name, self._loggers.host(), int(time.time()), epoch, 0, decorations, on_top)
        if query.is_snapshot:
            if not self._flags.truth("logger_snapshot_event_type"):
                return self._loggers.snapshot(snapshot_line(stamp, rows))
            lines = event_lines(stamp, rows, [], action="snapshot")
            return [self._loggers.snapshot(line) for line in lines][-1] if lines else Status()
        added, removed, counter = self._differ(query, [escaped(row) for row in rows], epoch)
        if not query.logs_removed:
            removed = []
        if not added and not removed and counter:
            return Status()
        stamp = stamp._replace(counter=counter)
        if not self._flags.truth("logger_event_type"):
            return self._loggers.result(batch_line(stamp, added, removed))
        status = Status()
        for line in event_lines(stamp, added, removed):
            status = self._loggers.result(line)
        return status

    def _differ(
        self, query: ScheduledQuery, now: list[dict[str, str]], epoch: int
    ) -> tuple[list[dict[str, str]], list[dict[str, str]], int]:
        """Return the rows that are new since the last run, those that are gone, and this run's number."""
        database, name = self._database, query.name
        stored = database.get(_QUERIES, name)
        is_new = stored is None or database.get(_QUERIES, f"{name}epoch") != str(epoch)
        if stored is None:
            self._loggers.say(INFO, "query.py", f"Storing initial results for new scheduled query: {name}")
        elif is_new:
            self._loggers.say(INFO, "query.py", f"New Epoch {epoch} for scheduled query {name}")
        elif database.get(_QUERIES, f"query.{name}") != query.query:
            self._loggers.say(INFO, "query.py", f"Scheduled query has been updated: {name}")
        before = [] if is_new or stored is None else json.loads(stored)
        added, removed = difference(before, now)
        counter = 1
        if is_new or added or removed:
            counter = 0 if is_new else int(database.get(_QUERIES, f"{name}counter") or 0) + 1
            database.put(
                _QUERIES,
                {
                    name: json.dumps(now),
                    f"{name}epoch": str(epoch),
                    f"{name}counter": str(counter),
                    f"query.{name}": query.query,
                },
            )
        return added, removed, counter

    def _record(self, name: str, seconds: float) -> None:
        """Add a run to the query's row in osquery_schedule."""
        row = self._manager.schedule_done.setdefault(name, {})
        milliseconds = int(seconds * 1000)
        row["executions"] = row.get("executions", 0) + 1
        row["last_executed"] = int(time.time())
        row["last_wall_time_ms"] = milliseconds
        row["wall_time_ms"] = row.get("wall_time_ms", 0) + milliseconds
        row["wall_time"] = row["wall_time_ms"] // 1000

    def deny_failed(self) -> None:
        """Deny, for a day, the query that ran when the last engine with this database was killed."""
        database = self._database
        failed = database.get(_SETTINGS, _EXECUTING)
        if failed:
            self._loggers.tell(WARNING, "config.py", f"Scheduled query may have failed: {failed}")
            denied = {**self._denied(), failed: int(time.time()) + _DAY}
            database.put(_SETTINGS, {_EXECUTING: "", _DENYLIST: json.dumps(denied)})
        for name in self._denied():
            self._manager.schedule_done.setdefault(name, {})["denylisted"] = 1

    def _denied(self) -> dict[str, int]:
        """Return the denied queries, each with the Unix time at which that ends."""
        stored = self._database.get(_SETTINGS, _DENYLIST)
        denied: dict[str, int] = json.loads(stored) if stored else {}
        return denied

    def _is_denied(self, query: ScheduledQuery) -> bool:
        denied = self._denied()
        until = denied.pop(query.name, None)
        if until is None:
            return False
        if query.can_be_denied and time.time() < until:
            return True
        self._loggers.say(INFO, "config.py", f"Scheduled denylisted query has expired: {query.name}")
        self._database.put(_SETTINGS, {_DENYLIST: json.dumps(denied)})
        self._manager.schedule_done.setdefault(query.name, {})["denylisted"] = 0
        return False

    def decorate(self, when: str, step: int = 0) -> None:
        """Run decorators: every later result has the columns of their first rows.

        Args:
            when: "load", "always" or "interval".
            step: the second, for intervals.
        """
        wanted = self._manager.config.configuration.merged("decorators").get(when)
        groups = wanted.items() if isinstance(wanted, dict) else [("0", wanted)]
        for seconds, statements in groups:
            interval = int(seconds) if str(seconds).isdecimal() else 0
            if interval and step % interval:
                continue
            for sql in statements if isinstance(statements, list) else ():
                try:
                    rows = self._manager.engine.query(str(sql)).rows
                except OsquerySdkError as exc:
                    self._loggers.say(WARNING, "decorators.py", f"Failed to run decorator {sql}: {exc}")
                    continue
                if rows:
                    self._decorations[when, str(sql)] = rows[0]

    def _count_rows(self, sql: str) -> int:
        """Run a discovery query and return its number of rows; 0 if it fails."""
        try:
            return len(self._manager.engine.query(sql).rows)
        except OsquerySdkError as exc:
            self._loggers.say(WARNING, "packs.py", f"Discovery query failed ({sql}): {exc}")
            return 0
