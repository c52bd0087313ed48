"""Extend osqueryd's error texts for people: with the reason, or with the name that was probably meant."""

from __future__ import annotations

import re
import time
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from kolide_kit.spelling import did_you_mean

from ..engine import Host, SqlError
from ..sql.tokens import tables_of
from ..vocabulary import REQUIRED
from .catalog import ask_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..engine import ResultSet, TypedResult


R = TypeVar("R")
_TABLE = re.compile(r"no such table: (?:main\.)?(\w+)\Z")
# SQLite's error for a table that an extension had before.
_GONE = re.compile(r"vtable constructor failed: (\w+)\Z")
_UNREACHED = re.compile(r"Extension (?:call failed|socket not available): ")
_WANTING = re.compile(r"Table (\w+) was queried without a required column in the WHERE clause\Z")
# Newer versions of SQLite add a remark to a name in double quotes.
_COLUMN = re.compile(r"no such column: \"?(?:(?:\w+\.)*?(\w+)\.)?(\w+)\"?(?: - should this .*)?\Z")
_COLUMN_OF = re.compile(r"table (\w+) has no column named (\w+)\Z")
_SHARED_COLUMN = re.compile(r"cannot join using column ()(\w+) - column not present in both tables\Z")
_ENDS_WITHIN = 0.5
_FUNCTION = re.compile(r"no such function: (\w+)\Z")


class HintingHost(Host):
    """A host whose errors are osqueryd's texts, with a hint after a semicolon.

    Args:
        arguments: as for `Host`.
        absent: returns the reason why a table is missing; "" if it knows none.
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
            SqlError: with a hint about the unknown name, or about the required column.
        """
        ask = super().query
        return self._explained(sql, lambda: ask(sql, timeout=timeout))

    def query_typed(self, sql: str, *, timeout: float | None = None) -> TypedResult:
        """Run SQL, and return values of SQL's types. The errors are those of `query`."""
        ask = super().query_typed
        return self._explained(sql, lambda: ask(sql, timeout=timeout))

    def _explained(self, sql: str, run: Callable[[], R]) -> R:
        """Run a statement, and extend its error with a hint."""
        try:
            return run()
        except SqlError as error:
            message = str(error)
            if gone := _GONE.search(message):
                message = f"no such table: {gone[1]}"
            hint = self._hint(message, sql, was_there=gone is not None)
            if not hint:
                raise
            raise SqlError(f"{message}; {hint}") from error

    def _hint(self, message: str, sql: str, *, was_there: bool) -> str:
        # The observer counts the statement's calls; those made for a hint are not among them.
        observer, self.observer = self.observer, None
        try:
            if match := _TABLE.search(message):
                return self.why_down(0) or self._table(match[1], was_there=was_there)
            if _UNREACHED.search(message):
                # The extension may have ended because of the call.
                return self.why_down(_ENDS_WITHIN)
            if match := _WANTING.search(message):
                return self._required(match[1], sql)
            if match := _COLUMN.search(message) or _SHARED_COLUMN.search(message):
                return self._column(match[1] or "", match[2], tables_of(sql))
            if match := _COLUMN_OF.search(message):
                return self._column(match[1], match[2], {match[1].lower(): match[1]})
            if match := _FUNCTION.search(message):
                return did_you_mean(match[1], self._functions())
            return ""
        finally:
            self.observer = observer

    def why_down(self, patience: float) -> str:
        """Return why an extension does not run; "" if all of them run.

        Args:
            patience: seconds to wait for the end of an extension.
        """
        end = time.monotonic() + patience
        while self.processes:
            for process in self.processes:
                if process.exit_status is not None:
                    how = process.describe_exit().partition(": ")[0]
                    return f"{how}: {process.last_lines[-1]}" if process.last_lines else how
            if time.monotonic() >= end:
                break
            time.sleep(0.02)
        return ""

    def _table(self, name: str, *, was_there: bool) -> str:
        if why := self._why_absent(name):
            return why[:1].lower() + why[1:].rstrip(".")
        if meant := did_you_mean(name, self.tables(), cutoff=0.8):
            return meant
        if was_there:
            return "the extension had this table before, and has dropped it"
        return "this engine has the extension's tables only; osqueryi --extension PATH has osquery's as well"

    def _required(self, table: str, sql: str) -> str:
        """Return the columns that a statement has to constrain, an example, and the way to write a join."""
        from ..sql.required import example, join_cure, listed

        rows = ask_table(self, table, "columns")
        columns = [row.get("name", "") for row in rows if _options(row.get("op", "")) & REQUIRED]
        if not columns:
            return ""
        hints = [f"say which {listed(columns, 'or')}"]
        others = [name for name in tables_of(sql).values() if name.lower() != table.lower()]
        if others:
            has_it = len(others) == 1 and columns[0] in self._columns(others[0])
            hints.append(join_cure(table, columns[:1], others[0] if has_it else "other"))
        works = example(table, columns, [row.get("sql", "") for row in ask_table(self, table, "examples")])
        if works:
            hints.append(f"for example: {works}")
        return "; ".join(hints)

    def _column(self, place: str, name: str, named: Mapping[str, str]) -> str:
        """Return a question that names the column that was probably meant.

        Args:
            place: table or alias before the column's name; "" without one.
            name: the unknown column.
            named: the statement's tables by alias.
        """
        columns = {alias: self._columns(table) for alias, table in named.items()}
        here = columns.get(place.lower(), []) if place else chain.from_iterable(columns.values())
        elsewhere = [alias for alias, names in columns.items() if name in names and alias != place.lower()]
        if place and elsewhere:
            return f"did you mean {elsewhere[0]}.{name}?"
        return did_you_mean(name, here)

    def _columns(self, table: str) -> list[str]:
        try:
            return [column for column, _ in self.columns(table)]
        except SqlError:  # the extension does not run
            return []

    def _functions(self) -> Sequence[str]:
        rows = self.query("select distinct name from pragma_function_list").rows
        return [row["name"] for row in rows if row["name"].isidentifier()]


class Restarter(Protocol):
    """Keeps an extension running, and starts it again when its files have changed."""

    def refresh(self) -> None:
        """Start the extension again if one of its files has changed."""

    def why_down(self, patience: float) -> str:
        """Return why the extension does not run; see `HintingHost.why_down`."""


class ReloadingHost(HintingHost):
    """A host whose extension a `Restarter` runs: a statement sees the files as they are when it runs.

    Attributes:
        reloader: runs the extension; None before it has been started.
    """

    reloader: Restarter | None = None

    def _explained(self, sql: str, run: Callable[[], R]) -> R:
        """Run a statement. If a file has changed, start the extension again first."""
        if self.reloader is not None:
            self.reloader.refresh()
        return super()._explained(sql, run)

    def why_down(self, patience: float) -> str:
        """Return why the extension does not run; see `HintingHost`."""
        return "" if self.reloader is None else self.reloader.why_down(patience)


def _options(text: str) -> int:
    return int(text) if text.isdecimal() else 0
