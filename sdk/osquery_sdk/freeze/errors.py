"""What goes wrong when freezing."""

from __future__ import annotations

from osquery_sdk.errors import OsquerySdkError


class FreezeError(OsquerySdkError):
    """The extension cannot be frozen, or what came out does not run; the text says why and what to do."""


class TargetError(FreezeError):
    """What was named is no extension that could be frozen."""
