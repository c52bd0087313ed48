"""The place that programs import `Telemetry` from; it is defined in `osquery_sdk.serving.telemetry`."""

from ..serving.telemetry import Telemetry

__all__ = ["Telemetry"]
