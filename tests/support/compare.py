"""Compare a table's rows with those of an independent program, and count what was compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

COMPARISON = "comparison"


class Compare(Protocol):
    """The type of the fixture `compare`."""

    def __call__(self, table: str, oracle: str, ours: Any, theirs: Any, *, rows: int | None = None) -> None:
        """Assert that both are equal, and record how many rows were compared.

        Args:
            table: the table's name, without its prefix.
            oracle: the independent program or file, as one would type it.
            ours: the table's rows, or its values by key.
            theirs: the oracle's rows or values.
            rows: the number of rows; the length of `ours` unless given.
        """


def differences(ours: Collection[Any], theirs: Collection[Any]) -> int:
    """Return the number of rows that only one side has, or that have other values on the other side."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return sum(1 for key in ours.keys() | theirs.keys() if ours.get(key, ...) != theirs.get(key, ...))
    left, right = Counter(map(frozen, ours)), Counter(map(frozen, theirs))
    # Lists in different orders differ, although their rows are the same.
    return max((left - right).total(), (right - left).total()) or int(ours != theirs)


def frozen(row: object) -> Hashable:
    """Return a row as a hashable value."""
    try:
        hash(row)
    except TypeError:  # a list, or a tuple with a list in it
        return repr(row)
    return row


def of_reports(reports: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield the comparisons that reports of tests recorded."""
    for report in reports:
        if getattr(report, "when", None) == "call":
            yield from (value for name, value in report.user_properties if name == COMPARISON)


def gathered(comparisons: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return each table's oracles, the number of rows compared with them, and of differences."""
    tables: dict[str, dict[str, Any]] = {}
    for comparison in sorted(comparisons, key=lambda each: (each["table"], each["oracle"])):
        table = tables.setdefault(comparison["table"], {"oracles": [], "rows": 0, "differences": 0})
        if comparison["oracle"] not in table["oracles"]:
            table["oracles"].append(comparison["oracle"])
        table["rows"] += comparison["rows"]
        table["differences"] += comparison["differences"]
    return tables
