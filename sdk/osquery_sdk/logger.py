"""Logger plugins: where osqueryd's results and its own status log go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .authors import SameProcess, pass_on_interrupt
from .plugin import Plugin
from .vocabulary import LOGGER
from .wire.protocol import Reply, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WANTS_STATUS = 1
_WANTS_EVENTS = 2


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
    """What became of the lines that osqueryd sent.

    Attributes:
        received: lines that were sent, status lines one by one.
        dropped: those that are lost, whatever the reason.
    """

    __slots__ = ("dropped", "received")

    def __init__(self) -> None:
        """Start at nothing."""
        self.received = 0
        self.dropped = 0


class LoggerPlugin(Plugin):
    """Takes osqueryd's log lines (`--logger_plugin=NAME`).

    The methods that a class overrides say what it wants: without `log_status` osqueryd keeps its status log to itself,
    without `log_event` it forwards no events.

    osqueryd ends itself, with status 78, as soon as a logger answers a result with an error. So a line whose method
    raises is counted in `counters.dropped` and told to the extension's log, and osqueryd goes on.

    Args:
        name: as every plugin's.
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
        """osqueryd begins to log; `process` is its name. It comes again when osqueryd has started anew."""

    def log_string(self, line: str, category: str) -> None:
        """A result: one JSON object."""
        raise NotImplementedError

    def log_snapshot(self, line: str) -> None:
        """The result of a snapshot query: one JSON object. As `log_string` unless overridden."""
        self.log_string(line, "snapshot")

    def log_status(self, lines: Sequence[StatusLog]) -> None:
        """Lines of osqueryd's own log."""
        raise NotImplementedError

    def log_event(self, event: str) -> None:
        """An event, as soon as its publisher has it: one JSON object."""
        raise NotImplementedError

    def log_health(self, health: str) -> None:
        """What an older osqueryd says of its own health."""

    @property
    def features(self) -> int:
        """What osqueryd is told that this logger wants: 1 for the status log, 2 for events, 3 for both."""
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
        """Answer with what the logger wants; if it raises, with nothing: any code but 0 would be a wish."""
        try:
            with SameProcess():
                return Reply(Status(int(self.features)))
        except BaseException as error:  # noqa: BLE001  it is logged, and logs are logged all the same
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

    return [
        StatusLog(
            int(one.get("s", 0)),
            str(one.get("f", "")),
            int(one.get("i", 0)),
            str(one.get("m", "")),
            str(one.get("h", "")),
            str(one.get("c", "")),
            int(one.get("u", 0)),
        )
        for one in json.loads(text)
    ]


__all__ = ["LogCounters", "LoggerPlugin", "StatusLog"]
