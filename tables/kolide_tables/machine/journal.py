"""kolide_journal: log entries of the machine and its services, as journalctl reads them.

Source: journalctl(1), systemd.journal-fields(7), systemd's documentation of the journal's JSON format.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from math import ceil, floor
from typing import Any

from kolide_kit.redact import redact_text
from kolide_kit.text import decode_kept, printable, shown
from osquery_sdk import Column, ColumnType, LimitExceeded, Query, Row, run_program, table

from ..reading.tools import need_tool

_USUAL_SECONDS = 3600
_MOST = 5_000
_MOST_BYTES = 24 << 20  # of JSON; the answer may take as much memory
_FIELDS = ("MESSAGE", "_SYSTEMD_UNIT", "SYSLOG_IDENTIFIER", "PRIORITY", "_PID", "_UID")
_ASK_FOR_LESS = "ask for a unit, an identifier or a priority, or for less time"
_PRIORITIES = range(8)
_END = 253_402_214_399  # the year 9999: systemd reads no later moment


class JournalEntry(Row):
    """An entry of the journal."""

    unit: str | None = Column("systemd unit that logged it; empty if none did", index=True)
    identifier: str | None = Column("Program's name for itself: sshd, kernel, sudo", index=True)
    priority: int | None = Column(
        "0 emergency, 1 alert, 2 critical, 3 error, 4 warning, 5 notice, 6 information, 7 debugging",
        type=ColumnType.INTEGER,
        index=True,
    )
    since: int = Column(
        "Only entries from this moment on, Unix seconds; unless given, from where the terms on time "
        "begin, or the last hour",
        additional=True,
        hidden=True,
    )
    time: int = Column("Time at which it was received, Unix seconds", additional=True)
    pid: int | None = Column("Process that logged it")
    uid: int | None = Column("User that the process ran as")
    message: str | None = Column("The message, secrets redacted", costly=True)
    cursor: str = Column("The journal's own name for the entry", key=True)


@table(
    "kolide_journal",
    privilege="Without root: only journals that the user may read, which members of systemd-journal all may.",
    platforms=("linux",),
    elsewhere="the journal is systemd's, so Linux's; osquery itself has unified_log for macOS and "
    "windows_eventlog for Windows",
    examples=(
        (
            "select datetime(time, 'unixepoch') as at, unit, identifier, message from kolide_journal "
            "where priority <= 3 and time > unixepoch() - 86400 order by time"
        ),
        (
            "select count(*) as failures from kolide_journal where identifier = 'sshd' "
            "and since = unixepoch('now', '-1 day') and message like 'Failed password%'"
        ),
    ),
)
def journal(query: Query) -> Iterator[JournalEntry]:
    """Entries of systemd's journal, of the last hour or of a given time; more than 5,000 are an error."""
    journalctl = need_tool("journalctl", "systemd")

    def run(*arguments: str) -> Iterator[bytes]:
        from kolide_kit.packed import PackedBytes

        output = PackedBytes()
        left = query.remaining()  # a search through a long time may take as long as the statement may
        run_program(journalctl, *arguments, timeout=left, query=query, max_bytes=_MOST_BYTES, take=output.add)
        return output.lines()

    return journal_rows(query, run)


def journal_rows(query: Query, run: Callable[..., Iterable[bytes]]) -> Iterator[JournalEntry]:
    """Yield the rows that journalctl writes."""
    matches = _matches(query)
    if matches is None:
        return
    until = _latest(query)
    for since in _moments(query, until):
        if since > (_END if until is None else until):
            continue
        fields = [field for field in _FIELDS if field != "MESSAGE" or query.wants("message")]
        arguments = (
            "--output=json",
            f"--output-fields={','.join(fields)}",
            "--all",  # without it, long texts are left out
            "--quiet",
            "--no-pager",
            f"--since=@{max(since, 0)}",
            *([] if until is None else [f"--until=@{max(until, 0)}"]),
            f"--lines={_MOST + 1}",
            *matches,
        )
        try:
            lines = run(*arguments)
        except LimitExceeded as error:
            raise LimitExceeded(f"{error}: {_ASK_FOR_LESS}") from error
        unreadable = 0
        for number, line in enumerate(lines):
            query.check()
            if number == _MOST:
                raise LimitExceeded(
                    f"the journal has more than {_MOST:,} such entries since {since}: {_ASK_FOR_LESS}"
                )
            row = _row(line, since)
            if row is None:
                unreadable += 1
            else:
                yield row
        if unreadable:
            query.warn(
                f"{unreadable:,} entries are left out: what journalctl writes of them is not a JSON object"
            )


def _moments(query: Query, until: int | None) -> list[int]:
    """Return the moments from which on entries are wanted: one moment, or those that `since` is equal to."""
    moments = query.equals("since")
    if moments is not None:
        return [moment for moment in moments if isinstance(moment, int)]
    for column in ("since", "time"):
        low, _, after, _ = query.range(column)
        if low is not None:
            return [floor(low) + 1 if after else ceil(low)]
        if moments := query.equals(column):
            return [ceil(min(moments))]
    return [(int(time.time()) if until is None else until) - _USUAL_SECONDS]


def _latest(query: Query) -> int | None:
    """Return until when entries are wanted; None for up to now. A second lasts until the next one begins."""
    high = query.range("time").high
    moments = query.equals("time") if high is None else (high,)
    return min(floor(max(moments)) + 1, _END) if moments else None


def _matches(query: Query) -> list[str] | None:
    """Return journalctl's terms for the columns that are asked for; None if nothing can match them."""
    terms: list[str] = []
    for column, field in (("unit", "_SYSTEMD_UNIT"), ("identifier", "SYSLOG_IDENTIFIER")):
        values = query.equals(column)
        if values is not None:
            matches = [f"{field}={value}" for value in values if value and "\0" not in value]
            if not matches:
                return None
            terms += matches
    if query.equals("priority") is not None or query.range("priority") != (None, None, False, False):
        # An entry without a priority equals none, and is in no range.
        numbers = [number for number in _PRIORITIES if query.matches("priority", number)]
        if not numbers:
            return None
        if len(numbers) < len(_PRIORITIES):
            terms += [f"PRIORITY={number}" for number in numbers]
    return terms


def _row(line: bytes, since: int) -> JournalEntry | None:
    import json

    try:
        entry = json.loads(decode_kept(line))
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    moment, message = _field_number(entry.get("__REALTIME_TIMESTAMP")), _field_text(entry.get("MESSAGE"))
    return JournalEntry(
        unit=_field_text(entry.get("_SYSTEMD_UNIT")),
        identifier=_field_text(entry.get("SYSLOG_IDENTIFIER")),
        priority=_field_number(entry.get("PRIORITY")),
        since=since,
        time=0 if moment is None else moment // 1_000_000,
        pid=_field_number(entry.get("_PID")),
        uid=_field_number(entry.get("_UID")),
        message=None if message is None else redact_text(message),
        cursor=_field_text(entry.get("__CURSOR")) or "",
    )


def _field_text(value: Any) -> str | None:
    """Return a field as text.

    journalctl writes a list of bytes if it is not UTF-8, and a list of values if it repeats.
    """
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list) and value:
        if all(isinstance(byte, int) and 0 <= byte < 256 for byte in value):
            return shown(bytes(value))
        return _field_text(value[0])
    return None


def _field_number(value: Any) -> int | None:
    text = _field_text(value)
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 19 else None
