"""What osqueryd does besides answering: it loads a configuration, runs its schedule, logs, and runs distributed queries.

Facts from `osquery/dispatcher/scheduler.cpp`, `config/config.cpp` and `core/query.cpp`.
"""

from __future__ import annotations

import glob
import json
import os
import socket
import time
from threading import Event, Thread
from typing import TYPE_CHECKING

from ..errors import OsquerySdkError, SqlError
from ..files import read_text
from ..jsontext import read_json
from ..wire.protocol import Status
from .answer import Answer, to_bytes
from .distributed import Distributed
from .logs import ERROR, INFO, WARNING, Loggers, StdoutLogger
from .results import Stamp, batch_line, difference, escaped, event_lines, snapshot_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .flags import Flags
    from .manager import Manager
    from .schedule import ScheduledQuery

CATASTROPHIC = 78
"""The status with which osqueryd ends when a logger refuses a result."""

_QUERIES = "queries"
_SETTINGS = "configurations"
_EXECUTING = "executing_query"
_DENYLIST = "failed_queries"
_DAY = 86_400
_RELAY_PERIOD = 3
_PERIODIC = 60
_STEP = 1.0


class FilesystemConfig:
    """The config plugin `filesystem`: a file, and the files `*.conf` in the folder of its name with `.d` behind it."""

    def __init__(self, flags: Flags) -> None:
        """Take the flag `--config_path` whenever it is asked."""
        self._flags = flags

    def call(self, request: Mapping[str, str]) -> Answer:
        """Answer genConfig and genPack."""
        path = self._flags["config_path"]
        try:
            if request.get("action") == "genConfig":
                paths = [path, *sorted(glob.glob(f"{glob.escape(path)}.d/*.conf"))]  # noqa: PTH207  a flag's text
                return Answer(rows=to_bytes([{one: read_text(one) for one in paths}]))
            if request.get("action") == "genPack":
                name, value = request.get("name", ""), request.get("value", "")
                if name != "*":
                    return Answer(rows=to_bytes([{name: read_text(value)}]))
                found = sorted(glob.glob(value))  # noqa: PTH207
                packs = {os.path.splitext(os.path.basename(one))[0]: _document(one) for one in found}  # noqa: PTH119, PTH122
                return Answer(rows=to_bytes([{name: json.dumps(packs)}]))
        except OSError as exc:
            return Answer(Status(1, f"{exc.filename or path}: {exc.strerror or exc}"))
        except ValueError as exc:
            return Answer(Status(1, str(exc)))
        return Answer(Status(1, "Config plugin action unknown"))


class Daemon:
    """Drives the plugins that the flags name, in threads of its own.

    Args:
        manager: with the plugins; its flags say which are active.
        notice: gets lines for whoever watches.
        ended: is called when the daemon ends by itself, with the status that osqueryd would end with.
    """

    def __init__(
        self, manager: Manager, *, notice: Callable[[str], None], ended: Callable[[int], None]
    ) -> None:
        """Set up, and add the engine's own plugins."""
        self._manager = manager
        self._flags = manager.flags
        self._notice = notice
        self._ended = ended
        self._stopping = Event()
        self._threads: list[Thread] = []
        self._decorations: dict[int, dict[str, str]] = {}
        registries = manager.registries
        registries.add_core("config", "filesystem", FilesystemConfig(self._flags))
        registries.add_core("logger", "stdout", StdoutLogger())
        self._names = {kind: self._flags[f"{kind}_plugin"] for kind in ("config", "logger", "distributed")}
        for kind, name in self._names.items():
            if name:
                registries.activate(kind, name)
        names = [name.strip() for name in self._names["logger"].split(",") if name.strip()]
        if self._flags.truth("disable_logging"):
            names = []
        min_status = int(self._flags["logger_min_status"])
        self._loggers = Loggers(registries, names, host=self.host, min_status=min_status)
        self._distributed = Distributed(manager.engine, registries, manager.database, self._flags, self._say)
        manager.config.gen_pack = self._gen_pack
        manager.config.warn = lambda line: self._tell(WARNING, "packs.py", line)

    def start(self) -> None:
        """Begin, once the plugins are there."""
        self._begin("daemon", self._run)

    def stop(self) -> None:
        """End; status lines that wait are sent."""
        self._stopping.set()
        self._manager.engine.interrupt()
        for thread in self._threads:
            thread.join(5)
        self._loggers.relay()

    def host(self) -> str:
        """The host identifier that `--host_identifier` asks for; the host's name unless it is specified."""
        if self._flags["host_identifier"] == "specified" and self._flags["specified_identifier"]:
            return self._flags["specified_identifier"]
        return socket.gethostname()

    # -- begin

    def _run(self) -> None:
        if not self._wait_for_plugins():
            return
        self._load()
        self._deny_what_failed()
        self._loggers.init()
        self._begin("config-refresh", self._refresh)
        if self._names["distributed"] and not self._flags.truth("disable_distributed"):
            self._begin("distributed", lambda: self._distributed.run(self._stopping))
        self._schedule()

    def _until_it_fails(self, run: Callable[[], None]) -> None:
        try:
            run()
        except OsquerySdkError as exc:
            self._notice(f"the engine's schedule ends: {exc}")
            self._ended(1)

    def _begin(self, name: str, run: Callable[[], None]) -> None:
        thread = Thread(target=self._until_it_fails, args=(run,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _wait_for_plugins(self) -> bool:
        """osqueryd ends if they are not there in time; whoever develops one may take longer to start it."""
        said = False
        while not self._stopping.is_set():
            missing = [
                f"{kind} plugin {one.strip()}"
                for kind, names in self._names.items()
                for one in names.split(",")
                if one.strip() and not self._manager.registries.has(kind, one.strip())
            ]
            if not missing:
                return True
            if not said:
                said = True
                self._notice(f"waits for {', '.join(missing)}")
            self._stopping.wait(0.05)
        return False

    def _load(self) -> bool:
        """Ask the config plugin; whether it answered."""
        if self._names["config"] == "update":
            return True
        answer = self._manager.registries.call("config", "", {"action": "genConfig"})
        if answer.failed:
            self._tell(ERROR, "config.py", f"Error reading config: {answer.status.message}")
            return False
        texts = self._manager.config.configuration.texts()
        for source, data in (answer.rows[0] if answer.rows else {}).items():
            text = data.decode(errors="surrogateescape")
            if texts.get(source) == text:
                continue
            if self._manager.config.update(source, text).failed:
                problem = f"{source}: {self._manager.config.problem}"
                self._tell(ERROR, "config.py", f"updateSource failed to parse config, of source: {problem}")
                return False
        self._decorate("load")
        return True

    def _gen_pack(self, name: str, value: str) -> str | None:
        request = {"action": "genPack", "name": name, "value": value}
        answer = self._manager.registries.call("config", "", request)
        if answer.failed or not answer.rows or name not in answer.rows[0]:
            self._tell(
                WARNING, "config.py", f"Error reading the query pack named: {name}: {answer.status.message}"
            )
            return None
        return answer.rows[0][name].decode(errors="surrogateescape")

    def _refresh(self) -> None:
        is_fine = True
        while True:
            normal = self._flags.seconds("config_refresh")
            pause = normal if is_fine else self._flags.seconds("config_accelerated_refresh")
            if not normal:
                if self._stopping.wait(1.0):  # the configuration itself may set it
                    return
                continue
            if self._stopping.wait(pause):
                return
            is_fine = self._load()

    # -- schedule

    def _schedule(self) -> None:
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
                    if step % query.interval == 0 and not self._is_denied(query) and not self._launch(query):
                        return
            if step % _PERIODIC == 0:
                self._decorate("interval", step)
            if step % _RELAY_PERIOD == 0:
                self._loggers.relay()
            step += 1
            took = time.monotonic() - began
            behind = max(behind + took - _STEP, 0.0)
            self._stopping.wait(max(_STEP - took - behind, 0.0))
        if not self._stopping.is_set():
            self._tell(INFO, "scheduler.py", f"The scheduler ended after {limit} seconds")
            self._ended(0)

    def _launch(self, query: ScheduledQuery) -> bool:
        """Run a query and log what it gives; False if the daemon has to end."""
        database = self._manager.database
        if self._flags.truth("verbose"):
            self._say(INFO, "scheduler.py", f"Executing scheduled query {query.name}: {query.query}")
        self._decorate("always")
        database.put(_SETTINGS, {_EXECUTING: query.name})
        began = time.monotonic()
        try:
            rows = self._manager.engine.query(query.query).rows
        except (SqlError, OsquerySdkError) as exc:
            if not self._stopping.is_set():
                self._tell(ERROR, "scheduler.py", f"Error executing scheduled query {query.name}: {exc}")
            return True
        finally:
            database.put(_SETTINGS, {_EXECUTING: ""})
            self._record(query.name, time.monotonic() - began)
        status = self._log(query, rows)
        if status.code == 0:
            return True
        message = f"Error logging the results of query: {query.name}: {status.message}"
        self._tell(ERROR, "scheduler.py", message)
        self._notice(f"osqueryd ends here, with status {CATASTROPHIC}")
        self._ended(CATASTROPHIC)
        return False

    def _log(self, query: ScheduledQuery, rows: list[dict[str, str]]) -> Status:
        epoch = int(self._flags["schedule_epoch"])
        decorations = {key: value for part in self._decorations.values() for key, value in part.items()}
        on_top = self._flags.truth("decorations_top_level")
        stamp = Stamp(query.name, self.host(), int(time.time()), epoch, 0, decorations, on_top)
        if query.is_snapshot:
            if not self._flags.truth("logger_snapshot_event_type"):
                return self._loggers.snapshot(snapshot_line(stamp, rows))
            lines = event_lines(stamp, rows, [], action="snapshot")
            return [self._loggers.snapshot(line) for line in lines][-1] if lines else Status()
        now = [escaped(row) for row in rows]
        added, removed, counter = self._differ(query, now, epoch)
        if not query.is_removed_told:
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
        """What is new and what is gone since the last time, and which time this is."""
        database, name = self._manager.database, query.name
        stored = database.get(_QUERIES, name)
        is_new = stored is None or database.get(_QUERIES, f"{name}epoch") != str(epoch)
        if stored is None:
            self._say(INFO, "query.py", f"Storing initial results for new scheduled query: {name}")
        elif is_new:
            self._say(INFO, "query.py", f"New Epoch {epoch} for scheduled query {name}")
        elif database.get(_QUERIES, f"query.{name}") != query.query:
            self._say(INFO, "query.py", f"Scheduled query has been updated: {name}")
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
        done = self._manager.schedule_done.setdefault(name, {})
        took = int(seconds * 1000)
        done["executions"] = done.get("executions", 0) + 1
        done["last_executed"] = int(time.time())
        done["last_wall_time_ms"] = took
        done["wall_time_ms"] = done.get("wall_time_ms", 0) + took
        done["wall_time"] = done["wall_time_ms"] // 1000

    # -- queries that must not run

    def _deny_what_failed(self) -> None:
        """The query that ran when the last engine with this database was killed is not run for a day."""
        database = self._manager.database
        failed = database.get(_SETTINGS, _EXECUTING)
        if failed:
            self._tell(WARNING, "config.py", f"Scheduled query may have failed: {failed}")
            denied = {**self._denied(), failed: int(time.time()) + _DAY}
            database.put(_SETTINGS, {_EXECUTING: "", _DENYLIST: json.dumps(denied)})
        for name in self._denied():
            self._manager.schedule_done.setdefault(name, {})["denylisted"] = 1

    def _denied(self) -> dict[str, int]:
        stored = self._manager.database.get(_SETTINGS, _DENYLIST)
        denied: dict[str, int] = json.loads(stored) if stored else {}
        return denied

    def _is_denied(self, query: ScheduledQuery) -> bool:
        denied = self._denied()
        until = denied.pop(query.name, None)
        if until is None:
            return False
        if query.is_denylisted and time.time() < until:
            return True
        self._say(INFO, "config.py", f"Scheduled denylisted query has expired: {query.name}")
        self._manager.database.put(_SETTINGS, {_DENYLIST: json.dumps(denied)})
        self._manager.schedule_done.setdefault(query.name, {})["denylisted"] = 0
        return False

    # -- small things

    def _decorate(self, when: str, step: int = 0) -> None:
        """Run decorators: what is in their first row is in every result from then on."""
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
                    self._say(WARNING, "decorators.py", f"Failed to run decorator {sql}: {exc}")
                    continue
                if rows:
                    self._decorations[hash((when, sql))] = rows[0]

    def _count_rows(self, sql: str) -> int:
        try:
            return len(self._manager.engine.query(sql).rows)
        except OsquerySdkError as exc:
            self._say(WARNING, "packs.py", f"Discovery query failed ({sql}): {exc}")
            return 0

    def _say(self, severity: int, where: str, message: str) -> None:
        self._loggers.say(severity, where, message)

    def _tell(self, severity: int, where: str, message: str) -> None:
        """Into the status log, and to whoever watches."""
        self._say(severity, where, message)
        self._notice(message)


def _document(path: str) -> object:
    try:
        return read_json(read_text(path))
    except ValueError as exc:
        raise ValueError(f"{path}: {exc}") from exc
