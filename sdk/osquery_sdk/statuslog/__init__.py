"""The public place of `StatusLogHandler`, which `osquery_sdk.serving.status_log` defines."""

from ..serving.status_log import StatusLogHandler

__all__ = ["StatusLogHandler"]
