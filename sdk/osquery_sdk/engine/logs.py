"""The loggers, as osqueryd drives them: init and features, results one by one, its own status log every 3 s.

Facts from `osquery/logger/logger.cpp`.
"""

from __future__ import annotations

import sys
import time
from threading import Lock
from typing import TYPE_CHECKING

from ..wire.protocol import Status
from .answer import Answer
from .results import calendar_time, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .registry import Registries

INFO, WARNING, ERROR = 0, 1, 2
_WANTS_STATUS = 1


class Loggers:
    """The active loggers, and the status lines that wait for them.

    Args:
        registries: with the plugins.
        names: of the active loggers.
        host: the host identifier, when it is asked for.
        min_status: the least severity that is kept.
    """

    def __init__(
        self, registries: Registries, names: list[str], *, host: Callable[[], str], min_status: int = 0
    ) -> None:
        """Set up; nobody is called yet."""
        self._registries = registries
        self._names = names
        self._host = host
        self._min_status = min_status
        self._waiting: list[tuple[int, str, str, float]] = []
        self._wanting: list[str] = []
        self._lock = Lock()

    def init(self, process: str = "osqueryd") -> None:
        """Tell each logger, ask what it wants, and send it what was said up to now."""
        for name in self._names:
            self._call(name, {"init": process})
            features = self._call(name, {"action": "features"}).status.code
            if features & _WANTS_STATUS:
                self._wanting.append(name)
        self.relay()

    def say(self, severity: int, where: str, message: str) -> None:
        """Add a line to the status log."""
        if severity >= self._min_status:
            with self._lock:
                self._waiting.append((severity, where, message, time.time()))

    def relay(self) -> None:
        """Send the status lines that wait."""
        if not self._wanting:
            return
        with self._lock:
            lines, self._waiting = self._waiting, []
        if not lines:
            return
        host = self._host()
        log = to_json(
            [
                {
                    "s": severity,
                    "f": where,
                    "i": 0,
                    "m": said,
                    "h": host,
                    "c": calendar_time(when),
                    "u": int(when),
                }
                for severity, where, said, when in lines
            ]
        )
        for name in self._wanting:
            self._call(name, {"log": log, "status": "true"})

    def result(self, line: str) -> Status:
        """Log a result; the last logger's answer counts."""
        return self._each({"category": "event", "string": line})

    def snapshot(self, line: str) -> Status:
        """Log a snapshot."""
        return self._each({"snapshot": line})

    def _each(self, request: dict[str, str]) -> Status:
        status = Status()
        for name in self._names:
            status = self._call(name, request).status
        return status

    def _call(self, name: str, request: dict[str, str]) -> Answer:
        return self._registries.call("logger", name, request)


class StdoutLogger:
    """The logger `stdout`: prints results, a line each."""

    def call(self, request: Mapping[str, str]) -> Answer:
        """Print what there is to print."""
        line = request.get("string") or request.get("snapshot")
        if line:
            try:
                sys.stdout.write(line.encode(errors="surrogateescape").decode(errors="replace") + "\n")
                sys.stdout.flush()
            except (OSError, ValueError):
                return Answer(Status(1, "nobody reads standard output"))
        return Answer()
