"""Makes OpenTelemetry spans and metrics of an extension's calls; nothing else needs OpenTelemetry.

::

    Extension("name", version="1.0", plugins=tables, telemetry=Telemetry())
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kolide_kit.author_code import SameProcess, describe, pass_on_interrupt, to_stderr, trace

from .._version import __version__
from ..errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from ..wire.protocol import Reply, Status
    from ..wire.service import CallContext, Service

_SCOPE = "osquery_sdk"


class Telemetry:
    """Makes a span of each call of a plugin, and measures its duration and its rows.

    A span is named after the plugin and the action, as in `kolide_plist generate`. Its attributes are
    `osquery.registry`, `osquery.plugin`, `osquery.action` and `osquery.rows`; its status is an error if the
    answer is. It has nothing of the request's or the answer's content. The metrics are
    `osquery.call.duration` in seconds and `osquery.call.rows`. Their series have the same attributes except
    the rows, and `error`, which is true for a call that failed.

    Args:
        tracer_provider: OpenTelemetry's provider for spans; the global one unless given.
        meter_provider: OpenTelemetry's provider for metrics; the global one unless given.

    Raises:
        DefinitionError: OpenTelemetry is not installed.
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        """Get the tracer and the instruments."""
        try:
            from opentelemetry import metrics, trace
        except ImportError as error:
            from kolide_kit.installed import install_hint

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
        """Return a service that records each call of another; the extension calls this.

        Args:
            service: answers the calls.
            log: gets a line when OpenTelemetry or an exporter raises, once for each error. Calls are still
                answered.
        """
        return _Traced(service, self, log)

    def call(
        self, service: Service, registry: str, item: str, request: dict[str, str], context: CallContext
    ) -> Reply:
        """Have a service answer a call, and record it."""
        action = request.get("action") or next(
            (key for key in ("string", "snapshot", "status", "event", "init") if key in request), ""
        )
        attributes: dict[str, Any] = {
            "osquery.registry": registry,
            "osquery.plugin": item,
            "osquery.action": action,
        }
        started = time.monotonic()
        failed = True
        with self._tracer.start_as_current_span(f"{item} {action}".rstrip(), attributes=attributes) as span:
            try:
                answer = service.call(registry, item, request, context)
                problem = _problem(answer)
                failed = problem is not None
                count = _count(answer)
                span.set_attribute("osquery.rows", count)
                if problem is not None:
                    span.set_status(self._error, problem)
            finally:
                attributes["error"] = failed
                self._seconds.record(time.monotonic() - started, attributes)
            self._rows.record(count, attributes)
        return answer


class _Traced:
    """A service whose calls are recorded."""

    def __init__(self, service: Service, telemetry: Telemetry, log: Callable[[str], None]) -> None:
        self._service = service
        self._telemetry = telemetry
        self._log = log
        self._last_message = ""

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
            if message != self._last_message:
                self._last_message = message
                self._log(f"{message}\n{trace(error)}")
        return once.answer or self._service.call(registry, item, request, context)

    def shutdown(self) -> None:
        self._service.shutdown()


class _Once:
    """A service for one call, of which it keeps the answer or the exception."""

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
    """Return the message of an answer that failed, from its status or, for a write, its row; else None."""
    if answer.status.code:
        return answer.status.message
    if isinstance(answer.rows, (tuple, list)) and len(answer.rows) == 1:
        row = answer.rows[0]
        if row.get("status") in ("readonly", "constraint", "failure"):
            return row.get("message", row["status"])
    return None
