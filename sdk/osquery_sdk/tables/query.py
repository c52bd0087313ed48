"""The query that a table answers: terms that osqueryd pushed down, columns in use, and the time left."""

from __future__ import annotations

import fnmatch
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConnectionFailed, DeadlineExceeded, QueryCancelled
from ..vocabulary import EQUALS, GLOB, GREATER, GREATER_OR_EQUAL, LESS, LESS_OR_EQUAL, LIKE, ColumnType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kolide_kit.limits import Limits

    from ..wire.service import CallContext
    from .client import QueryClient
    from .definition import Defined, Definition

# Terms that say which rows are wanted. The others, such as != and IS NOT, say which are not.
_NARROWING = (EQUALS, GREATER, LESS_OR_EQUAL, LESS, GREATER_OR_EQUAL, LIKE, GLOB)


class Constraint(NamedTuple):
    """A term of the statement: osquery's operator number, and the operand as text."""

    op: int
    value: str


class Range(NamedTuple):
    """Bounds of a column. None is unbounded; `open` means that the bound itself is outside."""

    low: Any = None
    high: Any = None
    low_open: bool = False
    high_open: bool = False


class Query:
    """One call of a table."""

    __slots__ = ("_client", "_constraints", "_definition", "_used", "_warn", "call", "deadline")

    def __init__(
        self,
        definition: Definition,
        constraints: Mapping[str, tuple[Constraint, ...]],
        used: frozenset[str] | None,
        *,
        deadline: float,
        call: CallContext | None = None,
        warn: Callable[[str], None] | None = None,
        client: QueryClient | None = None,
    ) -> None:
        """Take what the table read from the request; tests use `Query.of`."""
        self._definition = definition
        self._constraints = constraints
        self._used = used
        self.deadline = deadline
        self.call = call
        self._warn = warn
        self._client = client

    @classmethod
    def of(
        cls,
        table: Defined,
        *,
        equals: Mapping[str, Any] | None = None,
        like: Mapping[str, Any] | None = None,
        used: Iterable[str] | None = None,
        timeout: float = 60.0,
        warn: Callable[[str], None] | None = None,
        client: QueryClient | None = None,
    ) -> Query:
        """Return a query for a test. A list of values stands for an IN, or for several LIKE.

        Raises:
            DefinitionError: the table has no such column.
            ColumnValueError: a value does not fit its column. A text is passed on as SQL would send it.
        """
        definition = table.definition
        wanted = None if used is None else frozenset(used)
        for name in wanted or ():
            definition.column(name)
        constraints: dict[str, tuple[Constraint, ...]] = {}
        for op, given in ((EQUALS, equals), (LIKE, like)):
            for name, value in (given or {}).items():
                values = value if isinstance(value, (list, tuple)) else [value]
                info = definition.column(name)
                constraints[name] = constraints.get(name, ()) + tuple(
                    Constraint(op, info.operand(item)) for item in values
                )
        return cls(
            definition, constraints, wanted, deadline=time.monotonic() + timeout, warn=warn, client=client
        )

    @property
    def client(self) -> QueryClient:
        """Return a client of the osquery that runs the statement; its calls end at the query's deadline.

        Raises:
            ConnectionFailed: nothing to ask, as in a test without a client.
        """
        if self._client is None:
            raise ConnectionFailed(
                f"{self._definition.name}: there is no osquery to ask; give the query a client"
            )
        return self._client.until(self.deadline)

    @property
    def limits(self) -> Limits:
        """Return the table's limits; `Table.configured` sets them."""
        return self._definition.options.limits

    def whole(self) -> Query:
        """Return the same query without terms, wanting all columns."""
        return Query(
            self._definition,
            {},
            None,
            deadline=self.deadline,
            call=self.call,
            warn=self._warn,
            client=self._client,
        )

    def identity(self) -> str:
        """Return a text that two queries share exactly if the same rows answer both."""
        return repr((sorted(self._constraints.items()), None if self._used is None else sorted(self._used)))

    def constraints(self, column: str) -> tuple[Constraint, ...]:
        """Return the terms on a column that osqueryd pushed down."""
        self._definition.column(column)
        return self._constraints.get(column, ())

    def narrows(self, column: str) -> bool:
        """Return whether `equals`, `like`, `glob` or `range` has a term on the column."""
        return any(term.op in _NARROWING for term in self.constraints(column))

    def equals(self, column: str) -> tuple[Any, ...] | None:
        """Return the distinct values that `=` or IN ask for, in the column's type; None without a term."""
        terms = [c.value for c in self.constraints(column) if c.op == EQUALS]
        if not terms:
            return None
        values = (_convert(self._definition.column(column).type, text) for text in dict.fromkeys(terms))
        return tuple(value for value in values if value is not None)

    def like(self, column: str) -> tuple[str, ...]:
        """Return the LIKE patterns; a row has to match all of them."""
        return tuple(c.value for c in self.constraints(column) if c.op == LIKE)

    def glob(self, column: str) -> tuple[str, ...]:
        """Return the GLOB patterns; a row has to match all of them."""
        return tuple(c.value for c in self.constraints(column) if c.op == GLOB)

    def range(self, column: str) -> Range:
        """Return the tightest bounds that `< <= > >=` give."""
        low: Any = None
        high: Any = None
        low_open = high_open = False
        kind = self._definition.column(column).type
        for op, text in self.constraints(column):
            value = _convert(kind, text)
            if value is None:
                continue
            if op in (GREATER, GREATER_OR_EQUAL) and (
                low is None or (value, op == GREATER) > (low, low_open)
            ):
                low, low_open = value, op == GREATER
            elif op in (LESS, LESS_OR_EQUAL) and (
                high is None or (value, op != LESS) < (high, not high_open)
            ):
                high, high_open = value, op == LESS
        return Range(low, high, low_open, high_open)

    def matches(self, column: str, value: Any) -> bool:
        """Return whether a row with this value may be wanted; True if that is uncertain. None always may."""
        if value is None or not self.constraints(column):
            return True
        info = self._definition.column(column)
        if info.definition.collate not in (None, "binary", "nocase"):
            return True
        if not isinstance(value, (str, int, float)):
            # Compare a path, date, enumeration or bytes as SQL sees it.
            value = _convert(info.type, info.text(value))
        wanted = self.equals(column)
        if wanted is not None and value not in wanted and not isinstance(value, str):
            return False
        if isinstance(value, str):
            folded = value.casefold()
            if wanted is not None and folded not in {str(w).casefold() for w in wanted}:
                return False
            if not all(_like(pattern).match(value) for pattern in self.like(column)):
                return False
            return all(fnmatch.fnmatchcase(value, p) for p in self.glob(column) if "[" not in p)
        low, high, low_open, high_open = self.range(column)
        if low is not None and (value < low or (low_open and value == low)):
            return False
        return not (high is not None and (value > high or (high_open and value == high)))

    def wants(self, column: str) -> bool:
        """Return whether the statement uses the column; True if that is not known."""
        self._definition.column(column)
        return self._used is None or column in self._used

    def remaining(self) -> float:
        """Return the seconds until the deadline, at least 0."""
        return max(0.0, self.deadline - time.monotonic())

    @property
    def cancelled(self) -> bool:
        """Return whether nobody waits for the answer any more."""
        return self.call is not None and self.call.cancelled

    def check(self) -> None:
        """Raise QueryCancelled if nobody waits any more, or DeadlineExceeded if the time is over."""
        if self.cancelled:
            raise QueryCancelled(f"{self._definition.name}: cancelled")
        if time.monotonic() > self.deadline:
            seconds = self._definition.options.deadline
            raise DeadlineExceeded(f"{self._definition.name}: out of time: its deadline is {seconds:g} s")

    def warn(self, message: str) -> None:
        """Log a warning that names the table."""
        if self._warn is not None:
            self._warn(f"{self._definition.name}: {message}")


def _like(pattern: str) -> re.Pattern[str]:
    """Return a pattern for SQLite's LIKE. SQLite folds ASCII only; folding more never loses a row."""
    first, *rest = (
        "".join("." if c == "_" else re.escape(c) for c in part) for part in re.split("%+", pattern)
    )
    if not rest:
        return re.compile(first + r"\Z", re.IGNORECASE | re.DOTALL)
    # The first place where a middle part fits is as good as any later one. A lookahead does not try another
    # one after its match, and the group that it captured is then matched by name. An atomic group would do
    # the same, but Python 3.11.0 to 3.11.2 match some of those wrongly.
    middle = enumerate(part for part in rest[:-1] if part)
    text = first + "".join(f"(?=(?P<p{n}>.*?{part}))(?P=p{n})" for n, part in middle) + ".*" + rest[-1]
    return re.compile(text + r"\Z", re.IGNORECASE | re.DOTALL)


def _convert(kind: ColumnType, text: str) -> Any:
    """Return an operand in the column's type; None if no value of that type equals it."""
    try:
        if kind in (ColumnType.TEXT, ColumnType.BLOB):
            return text
        if kind is ColumnType.DOUBLE:
            return float(text)
        try:
            return int(text)
        except ValueError:
            number = float(text)
            return int(number) if number.is_integer() else number
    except (ValueError, OverflowError):
        return None
