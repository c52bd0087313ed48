"""Drive the loggers as osqueryd does: init and features, results one by one, and its status log every 3 s.

Facts from `osquery/logger/logger.cpp`.
"""

from __future__ import annotations

import sys
import time
from threading import Lock
from typing import TYPE_CHECKING

from ...wire.protocol import Status
from ..answer import Answer
from .results import calendar_time, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..manager.registry import Registries

INFO, WARNING, ERROR = 0, 1, 2
_WANTS_STATUS = 1


class Loggers:
    """The active loggers, and the status lines that have not been sent.

    Args:
        registries: with the plugins.
        names: names of the active loggers.
        host: returns the host identifier.
        notice: gets lines for the person who watches.
        min_status: the least severity that is kept.
    """

    def __init__(
        self,
        registries: Registries,
        names: list[str],
        *,
        host: Callable[[], str],
        notice: Callable[[str], None],
        min_status: int,
    ) -> None:
        """Set up; no logger is called yet."""
        self._registries = registries
        self._names = names
        self.host = host
        self.notice = notice
        self._min_status = min_status
        self._waiting: list[tuple[int, str, str, float]] = []
        self._wanting: list[str] = []
        self._lock = Lock()

    def init(self) -> None:
        """Initialize each logger, ask for its features, and send the status lines so far."""
        for name in self._names:
            self._call(name, {"init": "osqueryd"})
            if self._call(name, {"action": "features"}).status.code & _WANTS_STATUS:
                self._wanting.append(name)
        self.relay()

    def say(self, severity: int, where: str, message: str) -> None:
        """Add a line to the status log, which `relay` sends."""
        if severity >= self._min_status:
            with self._lock:
                self._waiting.append((severity, where, message, time.time()))

    def tell(self, severity: int, where: str, message: str) -> None:
        """Add a line to the status log, and tell the person who watches."""
        self.say(severity, where, message)
        self.notice(message)

    def relay(self) -> None:
        """Send the status lines that wait to the loggers that want them."""
        if not self._wanting:
            return
        with self._lock:
            lines, self._waiting = self._waiting, []
        if not lines:
            return
        host = self.host()
        log = to_json([_status_line(host, *line) for line in lines])
        for name in self._wanting:
            self._call(name, {"log": log, "status": "true"})

    def result(self, line: str) -> Status:
        """Log a result. Returns the last logger's status, as osqueryd does."""
        return self._each({"category": "event", "string": line})

    def snapshot(self, line: str) -> Status:
        """Log a snapshot; see `result`."""
        return self._each({"snapshot": line})

    def _each(self, request: dict[str, str]) -> Status:
        status = Status()
        for name in self._names:
            status = self._call(name, request).status
        return status

    def _call(self, name: str, request: dict[str, str]) -> Answer:
        return self._registries.call("logger", name, request)


def _status_line(host: str, severity: int, where: str, message: str, when: float) -> dict[str, object]:
    """Return a line of the status log with osquery's keys: severity, file, line, message, host and time."""
    return {
        "s": severity,
        "f": where,
        "i": 0,
        "m": message,
        "h": host,
        "c": calendar_time(when),
        "u": int(when),
    }


class StdoutLogger:
    """The logger `stdout`: prints each result on a line."""

    def call(self, request: Mapping[str, str]) -> Answer:
        """Print the result in a request."""
        line = request.get("string") or request.get("snapshot")
        if line:
            try:
                sys.stdout.write(line.encode(errors="surrogateescape").decode(errors="replace") + "\n")
                sys.stdout.flush()
            except (OSError, ValueError):
                return Answer(Status(1, "nobody reads standard output"))
        return Answer()
