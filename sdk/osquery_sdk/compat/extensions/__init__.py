"""The structures of osquery's protocol, where PyPI's `osquery` package has them."""

from . import ttypes

__all__ = ["ttypes"]
