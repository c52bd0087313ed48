"""Write the log lines of a scheduled query: the differences since its last run, in osqueryd's JSON.

Facts from `osquery/core/query.cpp`, `diff_results.cpp` and `sql.cpp`.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from ..sql.context import json_string

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Rows = Sequence[Mapping[str, str]]


class Stamp(NamedTuple):
    """The fields that every log line of a run has beside its rows."""

    name: str
    host: str
    unix_time: int
    epoch: int
    counter: int
    decorations: Mapping[str, str]
    decorations_on_top: bool = False


def calendar_time(seconds: float) -> str:
    """Return a Unix time in osquery's form, such as `Mon Nov 23 07:39:26 2026 UTC`."""
    return time.asctime(time.gmtime(seconds)) + " UTC"


def to_json(value: Any) -> str:
    """Return JSON as rapidjson writes it: only what needs it is escaped."""
    if isinstance(value, str):
        return json_string(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json_string(key)}:{to_json(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(to_json, value)) + "]"
    return "null" if value is None else str(value).lower()


def escaped(row: Mapping[str, str]) -> dict[str, str]:
    r"""Return a row as differences keep it: control characters, and bytes that are not UTF-8, are \xHH."""
    return {name: _escape(value) for name, value in row.items()}


def _escape(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        f"\\x{ord(char):02X}"
        if char < " "
        else f"\\x{ord(char) - 0xDC00:02X}"
        if "\udc80" <= char <= "\udcff"
        else char
        for char in text
    )


def difference(before: Rows, now: Rows) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return the rows that are new, in their order, and those that are gone, in the order of their values."""
    left = Counter(_key(row) for row in before)
    added = []
    for row in now:
        key = _key(row)
        if left[key] > 0:
            left[key] -= 1
        else:
            added.append(dict(row))
    return added, [dict(key) for key in sorted(left.elements())]


def _key(row: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(row.items()))


def event_lines(stamp: Stamp, added: Rows, removed: Rows, *, action: str = "added") -> list[str]:
    """Return a line for each row, those that are gone first."""
    head = _head(stamp)
    return [
        to_json({**head, "columns": dict(row), "action": name})
        for name, rows in (("removed", removed), (action, added))
        for row in rows
    ]


def batch_line(stamp: Stamp, added: Rows, removed: Rows) -> str:
    """Return one line for all rows, as with `--logger_event_type=false`."""
    return to_json({"diffResults": {"removed": list(removed), "added": list(added)}, **_head(stamp)})


def snapshot_line(stamp: Stamp, rows: Rows) -> str:
    """Return the line of a snapshot."""
    return to_json({"snapshot": list(rows), "action": "snapshot", **_head(stamp)})


def _head(stamp: Stamp) -> dict[str, Any]:
    head: dict[str, Any] = {
        "name": stamp.name,
        "hostIdentifier": stamp.host,
        "calendarTime": calendar_time(stamp.unix_time),
        "unixTime": stamp.unix_time,
        "epoch": stamp.epoch,
        "counter": stamp.counter,
        "numerics": False,
    }
    if stamp.decorations:
        head.update(
            stamp.decorations if stamp.decorations_on_top else {"decorations": dict(stamp.decorations)}
        )
    return head
