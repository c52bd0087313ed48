"""The structures of osquery's protocol, with the names and arguments of PyPI's `osquery` package."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

__all__ = [
    "ExtensionCode",
    "ExtensionException",
    "ExtensionResponse",
    "ExtensionStatus",
    "InternalExtensionInfo",
    "InternalOptionInfo",
]


class ExtensionCode:
    """Codes of a status."""

    EXT_SUCCESS = 0
    EXT_FAILED = 1
    EXT_FATAL = 2


class ExtensionStatus(SimpleNamespace):
    """The outcome of a request; code 0 is success."""

    def __init__(self, code: int | None = None, message: str | None = None, uuid: int | None = None) -> None:
        """Take the fields."""
        super().__init__(code=code, message=message, uuid=uuid)


class ExtensionResponse(SimpleNamespace):
    """A status, and rows of text."""

    def __init__(self, status: ExtensionStatus | None = None, response: Any = None) -> None:
        """Take the fields."""
        super().__init__(status=status, response=response)


class InternalExtensionInfo(SimpleNamespace):
    """The name and versions of an extension."""

    def __init__(
        self,
        name: str | None = None,
        version: str | None = None,
        sdk_version: str | None = None,
        min_sdk_version: str | None = None,
    ) -> None:
        """Take the fields."""
        super().__init__(name=name, version=version, sdk_version=sdk_version, min_sdk_version=min_sdk_version)


class InternalOptionInfo(SimpleNamespace):
    """One of osqueryd's flags."""

    def __init__(
        self,
        value: str | None = None,
        default_value: str | None = None,
        type: str | None = None,  # noqa: A002  its name
    ) -> None:
        """Take the fields."""
        super().__init__(value=value, default_value=default_value, type=type)


class ExtensionException(Exception):
    """osquery refused."""

    def __init__(self, code: int | None = None, message: str | None = None, uuid: int | None = None) -> None:
        """Take the fields."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.uuid = uuid
