"""Logger plugins: take osqueryd's results and its own status log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kolide_kit.author_code import SameProcess, pass_on_interrupt

from ..vocabulary import LOGGER
from ..wire.protocol import Reply, Status
from .base import Plugin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WANTS_STATUS, _WANTS_EVENTS = 1, 2


class StatusLog(NamedTuple):
    """A line of osqueryd's own log."""

    severity: int
    """0 information, 1 warning, 2 error, 3 fatal."""
    file: str
    line: int
    message: str
    host: str
    calendar_time: str
    unix_time: int


class LogCounters:
    """Numbers about the lines that osqueryd sent.

    Attributes:
        received: lines received, each status line counted.
        dropped: lines lost, for any reason.
    """

    def __init__(self) -> None:
        """Start every count at 0."""
        self.received = 0
        self.dropped = 0


class LoggerPlugin(Plugin):
    """Take osqueryd's log lines (`--logger_plugin=NAME`).

    The methods that a class overrides decide what osqueryd sends: without `log_status` it keeps its status
    log to itself, without `log_event` it forwards no events.

    osqueryd ends itself, with status 78, as soon as a logger answers a result with an error. So if a method
    raises, the line is counted in `counters.dropped`, the extension's log says why, and osqueryd goes on.

    Args:
        name: the plugin's name; see `Plugin`.
        fatal: answer with the error instead, so that osqueryd ends rather than lose a result.
    """

    registry: str = LOGGER

    def __init__(self, name: str, *, fatal: bool = False) -> None:
        """Check the name."""
        super().__init__(name)
        self.counters = LogCounters()
        self._fatal = fatal

    # -- what an author overrides

    def init(self, process: str) -> None:
        """Begin to log; `process` is osqueryd's name. It is called again when osqueryd has restarted."""

    def log_string(self, line: str, category: str) -> None:
        """Take a result: one JSON object."""
        raise NotImplementedError

    def log_snapshot(self, line: str) -> None:
        """Take the result of a snapshot query: one JSON object. Calls `log_string` unless overridden."""
        self.log_string(line, "snapshot")

    def log_status(self, lines: Sequence[StatusLog]) -> None:
        """Take lines of osqueryd's own log."""
        raise NotImplementedError

    def log_event(self, event: str) -> None:
        """Take an event as soon as its publisher has it: one JSON object."""
        raise NotImplementedError

    def log_health(self, health: str) -> None:
        """Take an older osqueryd's report of its own health."""

    @property
    def features(self) -> int:
        """Return the bit set that tells osqueryd what to send: 1 the status log, 2 events."""
        kind = type(self)
        wants_status = kind.log_status is not LoggerPlugin.log_status
        wants_events = kind.log_event is not LoggerPlugin.log_event
        return _WANTS_STATUS * wants_status | _WANTS_EVENTS * wants_events

    # -- what osqueryd asks

    def answer(self, request: Mapping[str, str]) -> Reply:
        """Answer osqueryd: a line, a snapshot, the status log, init or features."""
        if "string" in request:
            return self._take(1, self.log_string, request["string"], request.get("category", ""))
        if "snapshot" in request:
            return self._take(1, self.log_snapshot, request["snapshot"])
        if "status" in request:
            lines = _status_lines(request.get("log", "[]"))
            return self._take(len(lines), self.log_status, lines)
        if "event" in request:
            return self._take(1, self.log_event, request["event"])
        if "health" in request:
            return self._take(1, self.log_health, request["health"])
        if "init" in request:
            self.init(request["init"])
            return Reply(Status())
        if request.get("action") == "features":
            return self._features()
        return Reply.failure(f"{self.name}: unknown request for a logger")

    def _features(self) -> Reply:
        """Answer with `features`, or with 0 if it raises: any other code would ask osqueryd for something."""
        try:
            with SameProcess():
                return Reply(Status(int(self.features)))
        except BaseException as error:  # noqa: BLE001  it is logged; results are taken all the same
            pass_on_interrupt(error)
            return Reply(Status(0, self.complain(error)))

    def _take(self, count: int, method: Any, *what: Any) -> Reply:
        self.counters.received += count
        try:
            with SameProcess():
                method(*what)
        except BaseException as error:
            pass_on_interrupt(error)
            self.counters.dropped += count
            if self._fatal:
                raise
            return Reply(Status(0, f"dropped: {self.complain(error)}"))
        return Reply(Status())


def _status_lines(text: str) -> list[StatusLog]:
    import json

    lines = []
    for line in json.loads(text):
        get = line.get
        severity, number, seconds = int(get("s", 0)), int(get("i", 0)), int(get("u", 0))
        file, message, host, when = str(get("f", "")), str(get("m", "")), str(get("h", "")), str(get("c", ""))
        lines.append(StatusLog(severity, file, number, message, host, when, seconds))
    return lines
