"""The tables in which osquery describes itself, with osqueryd's columns and this engine's own values.

The columns are from `specs/utility/*.table`, the rows from `osquery/tables/utility/osquery.cpp` and
`time.cpp`.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from ...wire.protocol import Status
from ..answer import Answer, TextRows, to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .configuration import ScheduledQuery

_NOCASE, _VERSION = 64, 256
_UTILITY = "1"

# The columns of each table as words NAME[:TYPE[:OPTIONS]]. The type is TEXT if it is left out.
_COLUMNS = {
    "osquery_extensions": f"uuid:B name version:T:{_VERSION} sdk_version:T:{_VERSION} path type",
    "osquery_flags": "name type description default_value value shell_only:I",
    "osquery_info": (
        f"pid:I uuid:T:{_NOCASE} instance_id version:T:{_VERSION} config_hash:T:{_NOCASE} config_valid:I"
        " extensions build_platform build_distro start_time:I watcher:I platform_mask:I"
    ),
    "osquery_registry": "registry name owner_uuid:I internal:I active:I",
    "osquery_schedule": (
        "name query interval:I executions:B last_executed:B denylisted:I output_size:B wall_time:B"
        " wall_time_ms:B last_wall_time_ms:B user_time:B last_user_time:B system_time:B last_system_time:B"
        " average_memory:B last_memory:B"
    ),
    "time": (
        "weekday year:I month:I day:I hour:I minutes:I seconds:I timezone local_timezone unix_time:I"
        " timestamp datetime iso_8601 win_timestamp:B:16"
    ),
}
_ALIASES = {
    "osquery_schedule": {"id": "columnAlias", "name": "blacklisted", "target": "denylisted"},
    "time": {"id": "columnAlias", "name": "date_time", "target": "datetime"},
}
_TYPES = {"T": "TEXT", "I": "INTEGER", "B": "BIGINT"}


def routes_of(table: str) -> TextRows:
    """Return the route rows of a core table."""
    rows: list[dict[str, str]] = []
    for word in _COLUMNS[table].split():
        name, kind, option = [*word.split(":"), *("T", "0")[word.count(":") :]]
        rows.append({"id": "column", "name": name, "type": _TYPES[kind], "op": option})
    if table in _ALIASES:
        rows.append(_ALIASES[table])
    return [*rows, {"id": "attributes", "attributes": _UTILITY}]


class CoreTable(NamedTuple):
    """A read-only table of the engine, as a plugin of the registry "table"."""

    routes: TextRows
    generate: Callable[[], TextRows]

    def answer(self, request: Mapping[str, str], deadline: float | None) -> Answer:
        """Answer the engine, which gives a deadline, too: the rows are there at once."""
        return self.call(request)

    def call(self, request: Mapping[str, str]) -> Answer:
        """Answer the actions of a table."""
        match request.get("action"):
            case None:
                return Answer(Status(1, "Table plugins must include a request action"))
            case "columns":
                return Answer(rows=to_bytes(self.routes))
            case "generate":
                return Answer(rows=to_bytes(self.generate()))
            case "insert" | "update" | "delete":
                return Answer(rows=to_bytes([{"status": "readonly"}]))
            case action:
                return Answer(Status(1, f"Unknown table plugin action: {action}"))


def time_rows() -> TextRows:
    """Return the row of the table `time`: now, in UTC."""
    now = int(time.time())
    utc = time.gmtime(now)
    iso = time.strftime("%Y-%m-%dT%H:%M:%SZ", utc)
    numbers = zip(("year", "month", "day", "hour", "minutes", "seconds"), map(str, utc), strict=False)
    row = {
        "weekday": time.strftime("%A", utc),
        **dict(numbers),
        "timezone": "UTC",
        "local_timezone": time.strftime("%Z", time.localtime(now)) or "UTC",
        "unix_time": str(now),
        "timestamp": f"{time.asctime(utc)} UTC",
        "datetime": iso,
        "iso_8601": iso,
    }
    if sys.platform == "win32":  # Windows counts tenths of microseconds since 1601
        row["win_timestamp"] = str((now + 11_644_473_600) * 10_000_000)
    return [row]


def _platform_mask() -> int:
    """Return osquery's bit set for this system: POSIX 1, Windows 2, BSD 4, Linux 8, macOS 16, FreeBSD 32."""
    if sys.platform == "win32":
        return 2
    return {"linux": 1 | 8, "darwin": 1 | 4 | 16}.get(
        sys.platform, 1 | 4 | 32 if "bsd" in sys.platform else 1
    )


def info_row() -> dict[str, str]:
    """Return what `osquery_info` says of the system. `uuid` is the machine id, if the system has one."""
    import apsw

    try:
        with open("/etc/machine-id", encoding="ascii") as file:  # noqa: PTH123  osquery_info needs no pathlib
            digits = file.read().strip()
    except (OSError, UnicodeDecodeError):
        digits = ""
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return {
        "pid": str(os.getpid()),
        "uuid": "-".join(parts) if len(digits) == 32 else "",
        # As the build, take the system and the versions of Python and SQLite.
        "build_platform": platform.system().lower(),
        "build_distro": f"python{platform.python_version()}-sqlite{apsw.sqlitelibversion()}",
        "watcher": "-1",
        "platform_mask": str(_platform_mask()),
    }


def schedule_rows(queries: Iterable[ScheduledQuery], done: Mapping[str, Mapping[str, int]]) -> TextRows:
    """Return the rows of `osquery_schedule`: the scheduled queries, with the costs that the engine counts."""
    never = dict.fromkeys((word.partition(":")[0] for word in _COLUMNS["osquery_schedule"].split()[3:]), "0")
    return [
        {
            **never,
            **{key: str(value) for key, value in done.get(query.name, {}).items()},
            "name": query.name,
            "query": query.query,
            "interval": str(query.interval),
        }
        for query in queries
    ]
