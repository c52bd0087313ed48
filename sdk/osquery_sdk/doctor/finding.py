"""The result of a check."""

from __future__ import annotations

from typing import Literal, NamedTuple

State = Literal["ok", "warning", "failed", "skipped"]


class Finding(NamedTuple):
    """The result of one check."""

    status: State
    """`failed`: osqueryd does not load the extension. `skipped`: the check could not be run."""
    message: str
    """One line."""
    cure: str = ""
    """A command to paste; empty if nothing needs a cure or no command cures it."""


def ok(message: str) -> Finding:
    """Return a finding: all is well."""
    return Finding("ok", message)


def warning(message: str, cure: str = "") -> Finding:
    """Return a finding: the extension is loaded, but something may surprise."""
    return Finding("warning", message, cure)


def failure(message: str, cure: str = "") -> Finding:
    """Return a finding: the extension is not loaded."""
    return Finding("failed", message, cure)


def skipped(reason: str, cure: str = "") -> Finding:
    """Return a finding: the check could not be run."""
    return Finding("skipped", reason, cure)
