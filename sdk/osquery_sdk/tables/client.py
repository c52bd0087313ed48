"""The client that a `Query` carries: tables ask osquery through it, and do not know how it does that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

    from ..wire.protocol import ExtensionInfo, OptionInfo

    _Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]

R = TypeVar("R")


class QueryClient(Protocol):
    """Methods of `Client`, which describes them."""

    def until(self, deadline: float) -> QueryClient:
        """Return a client with the same settings whose calls end by a `time.monotonic()`."""

    @overload
    def query(
        self, sql: str, parameters: _Parameters = (), *, timeout: float | None = None
    ) -> list[dict[str, str]]: ...

    @overload
    def query(
        self, sql: str, parameters: _Parameters = (), *, rows: type[R], timeout: float | None = None
    ) -> list[R]: ...

    def columns(
        self, sql: str, parameters: _Parameters = (), *, timeout: float | None = None
    ) -> list[tuple[str, str]]:
        """Return name and osquery type of the columns that SQL would return."""

    def options(self) -> dict[str, OptionInfo]:
        """Return osquery's flags by name."""

    def extensions(self) -> dict[int, ExtensionInfo]:
        """Return the extensions by uuid."""

    def call(
        self, registry: str, item: str, request: Mapping[str, str], *, timeout: float | None = None
    ) -> list[dict[str, str]]:
        """Call a plugin of osquery, or of another extension."""

    def database(self, name: str, *, domain: str = ...) -> MutableMapping[str, str]:
        """Return a mapping of texts that osquery keeps in its own database."""
