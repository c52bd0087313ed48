"""What goes wrong when packaging."""

from __future__ import annotations

from osquery_sdk.errors import OsquerySdkError


class PackagingError(OsquerySdkError):
    """No package can be made of what was given; the text says why and what to do. Nothing was written."""
