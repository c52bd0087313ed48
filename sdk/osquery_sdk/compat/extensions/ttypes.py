"""The structures of osquery's protocol, with the names and arguments of PyPI's `osquery` package."""

from __future__ import annotations

from typing import Any

__all__ = [
    "ExtensionCode",
    "ExtensionException",
    "ExtensionResponse",
    "ExtensionStatus",
    "InternalExtensionInfo",
    "InternalOptionInfo",
]


class _Struct:
    """A structure that compares and prints by its fields."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]  # as the generated ones

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in vars(self).items())})"


class ExtensionCode:
    """Codes of a status."""

    EXT_SUCCESS = 0
    EXT_FAILED = 1
    EXT_FATAL = 2


class ExtensionStatus(_Struct):
    """The outcome of a request; code 0 is success."""

    def __init__(self, code: int | None = None, message: str | None = None, uuid: int | None = None) -> None:
        """Take the fields."""
        self.code = code
        self.message = message
        self.uuid = uuid


class ExtensionResponse(_Struct):
    """A status, and rows of text."""

    def __init__(self, status: ExtensionStatus | None = None, response: Any = None) -> None:
        """Take the fields."""
        self.status = status
        self.response = response


class InternalExtensionInfo(_Struct):
    """The name and versions of an extension."""

    def __init__(
        self,
        name: str | None = None,
        version: str | None = None,
        sdk_version: str | None = None,
        min_sdk_version: str | None = None,
    ) -> None:
        """Take the fields."""
        self.name = name
        self.version = version
        self.sdk_version = sdk_version
        self.min_sdk_version = min_sdk_version


class InternalOptionInfo(_Struct):
    """One of osqueryd's flags."""

    def __init__(
        self,
        value: str | None = None,
        default_value: str | None = None,
        type: str | None = None,  # noqa: A002  its name
    ) -> None:
        """Take the fields."""
        self.value = value
        self.default_value = default_value
        self.type = type


class ExtensionException(Exception):
    """osquery refused."""

    def __init__(self, code: int | None = None, message: str | None = None, uuid: int | None = None) -> None:
        """Take the fields."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.uuid = uuid
