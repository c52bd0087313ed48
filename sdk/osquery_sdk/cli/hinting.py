"""The embedded engine for people: where a table is not there, the error says why, or what was meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from osquery_sdk.engine import Host, SqlError

from .parser import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from osquery_sdk.engine import ResultSet

_MISSING = re.compile(r"no such table: (?:main\.)?(\w+)\Z")
_WANTING = re.compile(r"Table (\w+) was queried without a required column in the WHERE clause\Z")


class HintingHost(Host):
    """A host whose errors go on where osqueryd's end.

    Args:
        arguments: as for `Host`.
        absent: says why there is no table of a name; "" where it does not know.
        wanted: says which columns a table of a name has to be asked by; "" where it does not know.
        options: as for `Host`.
    """

    def __init__(
        self,
        *arguments: Any,
        absent: Callable[[str], str] = lambda name: "",
        wanted: Callable[[str], str] = lambda name: "",
        **options: Any,
    ) -> None:
        """Set up; nothing starts before `__enter__`."""
        super().__init__(*arguments, **options)
        self._why_absent = absent
        self._columns_wanted = wanted

    def query(self, sql: str, *, timeout: float | None = None) -> ResultSet:
        """Run SQL.

        Raises:
            SqlError: with what is known about a table that is not there.
        """
        try:
            return super().query(sql, timeout=timeout)
        except SqlError as error:
            hint = self._hint(str(error))
            if not hint:
                raise
            raise SqlError(f"{error}; {hint}") from error

    def _hint(self, message: str) -> str:
        wanting = _WANTING.search(message)
        if wanting is not None:
            columns = self._columns_wanted(wanting[1])
            return columns and f"say which {columns}"
        missing = _MISSING.search(message)
        return "" if missing is None else self._instead(missing[1])

    def _instead(self, name: str) -> str:
        why = self._why_absent(name)
        if why:
            return why[:1].lower() + why[1:].rstrip(".")
        # What is asked here is no part of what the statement asks.
        observer, self.observer = self.observer, None
        try:
            meant = did_you_mean(name, self.tables(), cutoff=0.8)
        finally:
            self.observer = observer
        return (
            meant
            or "this engine has the extension's tables alone, osqueryi --extension PATH has osquery's as well"
        )


__all__ = ["HintingHost"]
