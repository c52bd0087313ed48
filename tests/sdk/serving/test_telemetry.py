"""Spans and metrics of calls, as OpenTelemetry's own exporters in memory get them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from osquery_sdk import DefinitionError, Extension, RemoteError, table
from osquery_sdk.serving.telemetry import Telemetry

from ...support.store import ByNumber

if TYPE_CHECKING:
    from ..conftest import Serve


@pytest.fixture
def told() -> Any:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    class Told:
        def __init__(self) -> None:
            self.spans = InMemorySpanExporter()
            self.metrics = InMemoryMetricReader()
            tracers = TracerProvider()
            tracers.add_span_processor(SimpleSpanProcessor(self.spans))
            self.telemetry = Telemetry(
                tracer_provider=tracers, meter_provider=MeterProvider(metric_readers=[self.metrics])
            )

        def points(self) -> dict[str, list[tuple[dict[str, Any], int, float]]]:
            found: dict[str, list[tuple[dict[str, Any], int, float]]] = {}
            for resource in self.metrics.get_metrics_data().resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        found[metric.name] = [
                            (dict(p.attributes), p.count, p.sum) for p in metric.data.data_points
                        ]
            return found

    return Told()


def test_spans_and_metrics(serve: Serve, told: Any) -> None:
    client = serve(table("things")(ByNumber()), telemetry=told.telemetry)
    told.spans.clear()
    client.query("insert into things (name) values ('a'), ('b')")
    client.query("select * from things")
    with pytest.raises(RemoteError):
        client.query("insert into things (name) values ('a')")
    spans = [span for span in told.spans.get_finished_spans() if not span.name.endswith("columns")]
    assert [span.name for span in spans] == [
        "things insert",
        "things insert",
        "things generate",
        "things insert",
    ]
    assert dict(spans[2].attributes) == {
        "osquery.registry": "table",
        "osquery.plugin": "things",
        "osquery.action": "generate",
        "osquery.rows": 2,
    }
    assert [(span.status.status_code.name, span.status.description) for span in spans[2:]] == [
        ("UNSET", None),
        ("ERROR", "things: there is a row with this name"),
    ]
    points = told.points()
    counts = {
        (known["osquery.action"], known["error"]): (count, total)
        for known, count, total in points["osquery.call.rows"]
        if known["osquery.action"] != "columns"
    }
    assert counts == {("insert", False): (2, 2), ("generate", False): (1, 2), ("insert", True): (1, 1)}
    assert all(total > 0 for _, _, total in points["osquery.call.duration"])


def test_nothing_is_imported_that_was_not_asked_for() -> None:
    code = (
        "import sys, osquery_sdk; "
        "print(sorted(m for m in sys.modules if 'opentelemetry' in m or m == 'logging'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_without_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(DefinitionError, match="pip install opentelemetry-sdk"):
        Extension("x", version="1", plugins=[], telemetry=Telemetry())
