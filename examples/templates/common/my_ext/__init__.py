"""The osquery extension my-ext."""

__version__ = "0.1.0"
