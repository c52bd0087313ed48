"""The place that programs import `Client` from; it is defined in `osquery_sdk.asking.client`."""

from ..asking.client import Client

__all__ = ["Client"]
