"""The public place of `StatusLogHandler`, which `osquery_sdk.serving.status_log` defines."""

from osquery_sdk.serving.status_log import StatusLogHandler

__all__ = ["StatusLogHandler"]
