"""The structures of osquery's protocol, in the place that they have in PyPI's `osquery` package."""

from . import ttypes

__all__ = ["ttypes"]
