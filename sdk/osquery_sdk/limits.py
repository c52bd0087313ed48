"""Limits: how much work a table may do to answer one statement."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """Bounds on the work of one answer; a table reads its own from `Query.limits`."""

    max_file_bytes: int = 16 << 20
    """Largest file that is read, in bytes."""
    max_rows: int = 100_000
    """Most rows of one answer."""
    max_seconds: float = 20.0
    """Longest time for one answer."""
    max_folders: int = 4_000
    """Most folders that one path pattern may list."""


__all__ = ["Limits"]
