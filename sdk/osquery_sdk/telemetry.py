"""Spans and metrics of an extension's calls, through OpenTelemetry, which is not needed otherwise.

::

    Extension("name", version="1.0", plugins=tables, telemetry=Telemetry())
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .authors import SameProcess, describe, pass_on_interrupt, to_stderr, trace
from .errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from .wire.protocol import Reply, Status
    from .wire.service import CallContext, Service

_SCOPE = "osquery_sdk"


class Telemetry:
    """Makes a span of each call of a plugin, counts the calls and their rows, and measures how long they take.

    A span is named after the plugin and what is asked of it, as in `kolide_plist generate`, and carries `osquery.registry`,
    `osquery.plugin`, `osquery.action` and `osquery.rows`; its status is an error if the answer is. What is asked and answered
    stays out of it. The metrics are `osquery.call.duration` in seconds and `osquery.call.rows`; the same attributes but the rows
    tell their series apart, and `error`, which is true for a call that failed.

    Args:
        tracer_provider: of OpenTelemetry; the global one unless given.
        meter_provider: the same for the metrics.

    Raises:
        DefinitionError: OpenTelemetry is not installed.
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        """Get what makes spans and metrics."""
        try:
            from opentelemetry import metrics, trace
        except ImportError as error:
            from .installed import install_hint

            hint = install_hint("opentelemetry", package="opentelemetry-sdk")
            raise DefinitionError(f"Telemetry needs OpenTelemetry; {hint}") from error
        self._tracer = trace.get_tracer(_SCOPE, __version__, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_SCOPE, __version__, meter_provider=meter_provider)
        self._seconds = meter.create_histogram(
            "osquery.call.duration", unit="s", description="Time until a plugin has answered a call"
        )
        self._rows = meter.create_histogram(
            "osquery.call.rows", unit="{row}", description="Rows of an answer, before osquery filters them"
        )
        self._error = trace.StatusCode.ERROR

    def around(self, service: Service, log: Callable[[str], None] = to_stderr) -> Service:
        """The same service, with a span and a measurement for each call; the extension asks for it.

        Args:
            service: answers the calls.
            log: is told, once, when OpenTelemetry or an exporter raises. Calls are answered all the same.
        """
        return _Traced(service, self, log)

    def call(
        self, service: Service, registry: str, item: str, request: dict[str, str], context: CallContext
    ) -> Reply:
        """Let a service answer a call, and tell of it."""
        action = request.get("action") or next(
            (key for key in ("string", "snapshot", "status", "event", "init") if key in request), ""
        )
        told: dict[str, Any] = {
            "osquery.registry": registry,
            "osquery.plugin": item,
            "osquery.action": action,
        }
        started = time.monotonic()
        failed = True
        with self._tracer.start_as_current_span(f"{item} {action}".rstrip(), attributes=told) as span:
            try:
                answer = service.call(registry, item, request, context)
                problem = _problem(answer)
                failed = problem is not None
                count = _count(answer)
                span.set_attribute("osquery.rows", count)
                if problem is not None:
                    span.set_status(self._error, problem)
            finally:
                told["error"] = failed
                self._seconds.record(time.monotonic() - started, told)
            self._rows.record(count, told)
        return answer


class _Traced:
    """A service whose calls are told of."""

    def __init__(self, service: Service, telemetry: Telemetry, log: Callable[[str], None]) -> None:
        self._service = service
        self._telemetry = telemetry
        self._log = log
        self._said = ""

    def ping(self) -> Status:
        return self._service.ping()

    def call(self, registry: str, item: str, request: dict[str, str], context: CallContext) -> Reply:
        once = _Once(self._service)
        try:
            with SameProcess():
                return self._telemetry.call(once, registry, item, request, context)
        except BaseException as error:
            pass_on_interrupt(error)
            if once.error is not None:
                raise
            message = f"telemetry: {describe(error)}"
            if message != self._said:
                self._said = message
                self._log(f"{message}\n{trace(error)}")
        return once.answer or self._service.call(registry, item, request, context)

    def shutdown(self) -> None:
        self._service.shutdown()


class _Once:
    """A service that keeps what it has answered to the one call that it is asked."""

    __slots__ = ("_service", "answer", "error")

    def __init__(self, service: Service) -> None:
        self._service = service
        self.answer: Reply | None = None
        self.error: BaseException | None = None

    def ping(self) -> Status:
        return self._service.ping()

    def call(self, registry: str, item: str, request: dict[str, str], context: CallContext) -> Reply:
        try:
            self.answer = self._service.call(registry, item, request, context)
        except BaseException as error:
            self.error = error
            raise
        return self.answer

    def shutdown(self) -> None:
        self._service.shutdown()


def _count(answer: Reply) -> int:
    return len(answer.rows) if isinstance(answer.rows, (tuple, list)) else answer.rows.count


def _problem(answer: Reply) -> str | None:
    """What an answer says went wrong: in its status, or, to a write, in its row."""
    if answer.status.code:
        return answer.status.message
    if isinstance(answer.rows, (tuple, list)) and len(answer.rows) == 1:
        row = answer.rows[0]
        if row.get("status") in ("readonly", "constraint", "failure"):
            return row.get("message", row["status"])
    return None


__all__ = ["Telemetry"]
