"""The client of PyPI's `osquery` package."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from ..errors import RemoteError, WireError
from ..wire.client import ManagerConnection
from ..wire.protocol import ExtensionInfo
from .extensions.ttypes import (
    ExtensionException,
    ExtensionResponse,
    ExtensionStatus,
    InternalExtensionInfo,
    InternalOptionInfo,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..wire.protocol import Response, Status

WINDOWS_PLATFORM = "win32"
DEFAULT_SOCKET_PATH = r"\\.\pipe\osquery.em" if sys.platform == "win32" else "/var/osquery/osquery.em"
_TIMEOUT = 300.0


class Client:
    """A client of a manager, or of another extension.

    Each request opens a connection, so threads may share it.
    """

    def __init__(self, path: str) -> None:
        """Take the socket's path."""
        self._path = path

    def _ask(self, method: str, *arguments: Any) -> Any:
        try:
            with ManagerConnection(self._path, timeout=_TIMEOUT) as manager:
                return getattr(manager, method)(*arguments)
        except RemoteError as error:
            raise ExtensionException(error.code, str(error)) from error

    def ping(self) -> ExtensionStatus:
        """Ask for a sign of life."""
        return _status(self._ask("ping"))

    def call(self, registry: str, item: str, request: Mapping[str, str]) -> ExtensionResponse:
        """Call a plugin."""
        return _response(self._ask("call", registry, item, request))

    def shutdown(self) -> None:
        """Ask it to stop."""
        self._ask("shutdown")

    def extensions(self) -> dict[int, InternalExtensionInfo]:
        """Return the registered extensions by their uuid."""
        return {uuid: InternalExtensionInfo(*info) for uuid, info in self._ask("extensions").items()}

    def options(self) -> dict[str, InternalOptionInfo]:
        """Return osquery's flags by name."""
        return {name: InternalOptionInfo(*option) for name, option in self._ask("options").items()}

    def registerExtension(  # noqa: N802  the name in that package
        self, info: InternalExtensionInfo, registry: Mapping[str, Mapping[str, Any]]
    ) -> ExtensionStatus:
        """Register plugins."""
        parts = (info.name, info.version, info.sdk_version, info.min_sdk_version)
        return _status(
            self._ask("register_extension", ExtensionInfo(*(part or "" for part in parts)), registry)
        )

    def deregisterExtension(self, uuid: int) -> ExtensionStatus:  # noqa: N802
        """Remove an extension."""
        return _status(self._ask("deregister_extension", uuid))

    def query(self, sql: str) -> ExtensionResponse:
        """Run SQL."""
        return _response(self._ask("query", sql))

    def getQueryColumns(self, sql: str) -> ExtensionResponse:  # noqa: N802
        """Return the columns that SQL would return."""
        return _response(self._ask("get_query_columns", sql))


class ExtensionClient:
    """A client for the socket of a running osquery or, with `uuid`, of an extension."""

    def __init__(self, path: str | None = DEFAULT_SOCKET_PATH, uuid: int | None = None) -> None:
        """Take the socket's path."""
        self.path = (path or DEFAULT_SOCKET_PATH) + (f".{uuid}" if uuid else "")

    def open(self, timeout: float = 1, interval: float = 0.2) -> bool:
        """Wait until the socket answers; return False if it did not within `timeout` seconds."""
        end = time.monotonic() + timeout
        while True:
            try:
                with ManagerConnection(self.path, timeout=max(end - time.monotonic(), 0.1)) as manager:
                    manager.ping()
            except WireError:
                if time.monotonic() + interval >= end:
                    return False
                time.sleep(interval)
            else:
                return True

    def close(self) -> None:
        """Do nothing: no connection stays open between requests."""

    def extension_manager_client(self) -> Client:
        """Return a client of the manager."""
        return Client(self.path)

    def extension_client(self) -> Client:
        """Return a client of the extension."""
        return Client(self.path)


def _status(status: Status) -> ExtensionStatus:
    return ExtensionStatus(*status)


def _response(response: Response) -> ExtensionResponse:
    return ExtensionResponse(_status(response.status), response.rows)
