"""The embedded engine for people: where a table is not there, the error says why, or what was meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from osquery_sdk.engine import Host, SqlError

if TYPE_CHECKING:
    from collections.abc import Callable

    from osquery_sdk.engine import ResultSet

_MISSING = re.compile(r"no such table: (?:main\.)?(\w+)\Z")


class HintingHost(Host):
    """A host whose errors go on where osqueryd's end.

    Args:
        arguments: as for `Host`.
        absent: says why there is no table of a name; "" where it does not know.
        options: as for `Host`.
    """

    def __init__(self, *arguments: Any, absent: Callable[[str], str] | None = None, **options: Any) -> None:
        """Set up; nothing starts before `__enter__`."""
        super().__init__(*arguments, **options)
        self._absent = absent

    def query(self, sql: str, *, timeout: float | None = None) -> ResultSet:
        """Run SQL.

        Raises:
            SqlError: with what is known about a table that is not there.
        """
        try:
            return super().query(sql, timeout=timeout)
        except SqlError as error:
            missing = _MISSING.search(str(error))
            if missing is None:
                raise
            raise SqlError(f"{error}; {self._hint(missing[1])}") from error

    def _hint(self, name: str) -> str:
        why = self._absent(name) if self._absent is not None else ""
        if why:
            return why[:1].lower() + why[1:].rstrip(".")
        from difflib import get_close_matches

        # What is asked here is no part of what the statement asks.
        observer, self.observer = self.observer, None
        try:
            close = get_close_matches(name, self.tables(), n=1, cutoff=0.8)
        finally:
            self.observer = observer
        if close:
            return f"did you mean {close[0]}?"
        return "this engine has the extension's tables alone, osqueryi --extension PATH has osquery's as well"


__all__ = ["HintingHost"]
