"""The place that programs import `StatusLogHandler` from; it is defined in `osquery_sdk.serving.status_log`."""

from ..serving.status_log import StatusLogHandler

__all__ = ["StatusLogHandler"]
