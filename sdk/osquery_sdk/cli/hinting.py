"""The embedded engine for people: where osqueryd's error ends, it goes on with why, or with what was meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from osquery_sdk.columns import REQUIRED
from osquery_sdk.engine import Host, SqlError
from osquery_sdk.spelling import did_you_mean
from osquery_sdk.sqltext import tables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from osquery_sdk.engine import ResultSet

_TABLE = re.compile(r"no such table: (?:main\.)?(\w+)\Z")
_WANTING = re.compile(r"Table (\w+) was queried without a required column in the WHERE clause\Z")
# Newer versions of SQLite go on behind a name in double quotes.
_COLUMN = re.compile(r"no such column: \"?(?:(?:\w+\.)*?(\w+)\.)?(\w+)\"?(?: - should this .*)?\Z")
_COLUMN_OF = re.compile(r"table (\w+) has no column named (\w+)\Z")
_SHARED_COLUMN = re.compile(r"cannot join using column ()(\w+) - column not present in both tables\Z")
_FUNCTION = re.compile(r"no such function: (\w+)\Z")


class HintingHost(Host):
    """A host whose errors go on where osqueryd's end.

    Args:
        arguments: as for `Host`.
        absent: says why there is no table of a name; "" where it does not know.
        options: as for `Host`.
    """

    def __init__(
        self, *arguments: Any, absent: Callable[[str], str] = lambda name: "", **options: Any
    ) -> None:
        """Set up; nothing starts before `__enter__`."""
        super().__init__(*arguments, **options)
        self._why_absent = absent

    def query(self, sql: str, *, timeout: float | None = None) -> ResultSet:
        """Run SQL.

        Raises:
            SqlError: with what is known about the name that is not there, or the column that is wanting.
        """
        try:
            return super().query(sql, timeout=timeout)
        except SqlError as error:
            hint = self._hint(str(error), sql)
            if not hint:
                raise
            raise SqlError(f"{error}; {hint}") from error

    def _hint(self, message: str, sql: str) -> str:
        # What is asked here is no part of what the statement asks.
        observer, self.observer = self.observer, None
        try:
            if found := _TABLE.search(message):
                return self._table(found[1])
            if found := _WANTING.search(message):
                return self._required(found[1], sql)
            if found := _COLUMN.search(message) or _SHARED_COLUMN.search(message):
                return self._column(found[1] or "", found[2], tables_of(sql))
            if found := _COLUMN_OF.search(message):
                return self._column(found[1], found[2], {found[1].lower(): found[1]})
            if found := _FUNCTION.search(message):
                return did_you_mean(found[1], self._functions())
            return ""
        finally:
            self.observer = observer

    def _table(self, name: str) -> str:
        why = self._why_absent(name)
        if why:
            return why[:1].lower() + why[1:].rstrip(".")
        return (
            did_you_mean(name, self.tables(), cutoff=0.8)
            or "this engine has the extension's tables alone, osqueryi --extension PATH has osquery's as well"
        )

    def _required(self, table: str, sql: str) -> str:
        """Say which columns a statement has to constrain, with an example, and how a join is to be written."""
        from osquery_sdk.required import example, join_cure, listed

        columns = [
            row.get("name", "") for row in self._ask(table, "columns") if _options(row.get("op")) & REQUIRED
        ]
        if not columns:
            return ""
        hints = [f"say which {listed(columns, 'or')}"]
        others = [name for name in tables_of(sql).values() if name.lower() != table.lower()]
        if others:
            has_it = len(others) == 1 and columns[0] in dict(self.columns(others[0]))
            hints.append(join_cure(table, columns[:1], others[0] if has_it else "other"))
        works = example(table, columns, [row.get("sql", "") for row in self._ask(table, "examples")])
        if works:
            hints.append(f"for example: {works}")
        return "; ".join(hints)

    def _column(self, place: str, name: str, named: Mapping[str, str]) -> str:
        """Say which column was meant.

        Args:
            place: the table or alias before the column's name; "" without one.
            name: what is not there.
            named: the statement's tables by alias.
        """
        columns = {alias: [column for column, _ in self.columns(table)] for alias, table in named.items()}
        here = columns.get(place.lower(), []) if place else [c for found in columns.values() for c in found]
        elsewhere = [alias for alias, found in columns.items() if name in found and alias != place.lower()]
        if place and elsewhere:
            return f"did you mean {elsewhere[0]}.{name}?"
        return did_you_mean(name, here)

    def _functions(self) -> Sequence[str]:
        rows = self.query("select distinct name from pragma_function_list").rows
        return [row["name"] for row in rows if row["name"].isidentifier()]

    def _ask(self, table: str, action: str) -> Sequence[Mapping[str, str]]:
        """Ask the table's extension; nothing of one that does not know the action."""
        response = self.manager.call("table", table, {"action": action})
        return response.rows if isinstance(response.rows, (list, tuple)) else ()


def _options(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


__all__ = ["HintingHost"]
