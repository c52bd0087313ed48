"""kolide_journal beside journals of known entries, made by systemd-journal-remote, and any answers."""

import json
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.machine.journal import JournalEntry, journal, journal_rows
from osquery_sdk import LimitExceeded, Query, TableError
from osquery_sdk.tables.query import EQUALS, GREATER, GREATER_OR_EQUAL, LESS, LESS_OR_EQUAL, Constraint

from ...support.compare import Compare

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")

BOOT = "0123456789abcdef" * 2
NOW = int(time.time())
Entry = dict[str, str | bytes]


def entry(seconds_ago: float, message: str | bytes, **fields: str | bytes) -> Entry:
    moment = int((NOW - seconds_ago) * 1_000_000)
    return {"__REALTIME_TIMESTAMP": str(moment), "MESSAGE": message, **fields}


ENTRIES = [
    entry(7200, "too long ago", _SYSTEMD_UNIT="old.service", SYSLOG_IDENTIFIER="old", PRIORITY="3"),
    entry(300, "started", _SYSTEMD_UNIT="a.service", SYSLOG_IDENTIFIER="a", PRIORITY="6", _PID="7", _UID="0"),
    entry(
        200,
        "Zeile 1\nzwei ü",
        _SYSTEMD_UNIT="a.service",
        SYSLOG_IDENTIFIER="a",
        PRIORITY="3",
        _PID="7",
        _UID="0",
    ),
    entry(100, b"\xff\xfe raw", _SYSTEMD_UNIT="b.service", SYSLOG_IDENTIFIER="b c", PRIORITY="4"),
    entry(50, "x" * 100_000, SYSLOG_IDENTIFIER="kernel", PRIORITY="5"),
    entry(40, "login with password=hunter2 failed", SYSLOG_IDENTIFIER="sshd"),
    entry(
        30, "at the end", _SYSTEMD_UNIT="a.service", SYSLOG_IDENTIFIER="z", PRIORITY="0", _UID="4294967294"
    ),
]


def exported(entries: list[Entry]) -> bytes:
    """Return entries in the journal's export format. Source: systemd's documentation of it."""
    data = b""
    for number, one in enumerate(entries, start=1):
        cursor = f"s={BOOT};i={number:x};b={BOOT};m={number:x};t={number:x};x={number:x}"
        data += f"__CURSOR={cursor}\n__MONOTONIC_TIMESTAMP={number}\n_BOOT_ID={BOOT}\n".encode()
        for name, value in one.items():
            raw = value.encode() if isinstance(value, str) else value
            if b"\n" in raw or isinstance(value, bytes):
                data += name.encode() + b"\n" + len(raw).to_bytes(8, "little") + raw + b"\n"
            else:
                data += name.encode() + b"=" + raw + b"\n"
        data += b"\n"
    return data


def make(path: Path, entries: list[Entry]) -> Callable[..., list[bytes]]:
    """Make a journal of these entries; return a function that runs journalctl on it."""
    writer, reader = Path("/lib/systemd/systemd-journal-remote"), shutil.which("journalctl")
    if not writer.exists() or reader is None:
        pytest.skip("needs journalctl and systemd-journal-remote")
    subprocess.run([writer, "-o", str(path), "-"], input=exported(entries), check=True, capture_output=True)

    def run(*arguments: str) -> list[bytes]:
        done = subprocess.run([reader, f"--file={path}", *arguments], check=True, capture_output=True)
        return done.stdout.splitlines()

    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[bytes]]:
    return make(tmp_path_factory.mktemp("journal") / "known.journal", ENTRIES)


def rows_of(run: Callable[..., list[bytes]], query: Query | None = None, **equals: Any) -> list[Any]:
    return list(journal_rows(query or Query.of(journal, equals=equals), run))


def facts_of(entries: list[Entry]) -> list[tuple[Any, ...]]:
    """Return unit, identifier, priority, time, pid, uid and message that the rows have to have."""
    written = []
    for one in entries:
        priority, pid, uid = (
            int(str(one[name])) if name in one else None for name in ("PRIORITY", "_PID", "_UID")
        )
        moment = int(str(one["__REALTIME_TIMESTAMP"])) // 1_000_000
        message = one["MESSAGE"] if isinstance(one["MESSAGE"], str) else "\\xff\\xfe raw"
        message = message.replace("hunter2", "[redacted]")
        names = (one.get("_SYSTEMD_UNIT"), one.get("SYSLOG_IDENTIFIER"))
        written.append((*names, priority, moment, pid, uid, message))
    return written


def facts(rows: list[Any]) -> list[tuple[Any, ...]]:
    return [(row.unit, row.identifier, row.priority, row.time, row.pid, row.uid, row.message) for row in rows]


def test_a_thousand_entries_are_those_that_were_written(tmp_path: Path, compare: Compare) -> None:
    entries = [
        entry(
            2_000 - number,
            f"entry {number} ü",
            _SYSTEMD_UNIT=f"u{number % 7}.service",
            SYSLOG_IDENTIFIER=f"i{number % 5}",
            PRIORITY=str(number % 8),
            _PID=str(number),
            _UID=str(number % 3),
        )
        for number in range(1_000)
    ]
    run = make(tmp_path / "long.journal", entries)
    compare("journal", "systemd-journal-remote's entries", facts(rows_of(run)), facts_of(entries))
    some = [one for one in entries if one["_SYSTEMD_UNIT"] == "u3.service" and one["PRIORITY"] in ("1", "2")]
    found = facts(rows_of(run, unit="u3.service", priority=[1, 2]))
    compare("journal", "systemd-journal-remote's entries", found, facts_of(some))


def test_entries_are_those_that_were_written(run: Any, compare: Compare) -> None:
    rows = rows_of(run)
    compare("journal", "systemd-journal-remote's entries", facts(rows), facts_of(ENTRIES[1:]))
    assert "hunter2" not in repr(rows)
    assert len({row.cursor for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("equals", "count"),
    [
        ({"unit": "a.service"}, 3),
        ({"unit": ["a.service", "b.service", "none"]}, 4),
        ({"identifier": "b c"}, 1),
        ({"identifier": "b"}, 0),
        ({"priority": 3}, 1),
        ({"priority": [3, 4]}, 2),
        ({"priority": 9}, 0),
        ({"priority": "x"}, 0),
        ({"unit": ""}, 0),
        ({"unit": "a.service", "priority": 0, "identifier": "z"}, 1),
        ({"unit": "a.service", "identifier": "kernel"}, 0),
        ({"since": 0}, 7),
        ({"since": -5}, 7),
        ({"since": NOW - 35}, 1),
        ({"unit": "--help"}, 0),
        ({"time": NOW - 100}, 1),
    ],
)
def test_terms_reach_the_journal(run: Any, equals: dict[str, Any], count: int) -> None:
    rows = rows_of(run, **equals)
    assert len(rows) == count
    for name, value in equals.items():
        wanted = value if isinstance(value, list) else [value]
        assert all(getattr(row, name) in wanted for row in rows)


@pytest.mark.parametrize(
    ("terms", "ages"),
    [
        ([("since", GREATER_OR_EQUAL, -7200)], [7200, 300, 200, 100, 50, 40, 30]),
        ([("since", GREATER, -300)], [200, 100, 50, 40, 30]),
        ([("since", LESS, 0)], [300, 200, 100, 50, 40, 30]),
        ([("time", GREATER_OR_EQUAL, -7200)], [7200, 300, 200, 100, 50, 40, 30]),
        ([("time", GREATER, -100)], [50, 40, 30]),
        ([("time", GREATER, -10_000), ("time", LESS_OR_EQUAL, -200)], [7200, 300, 200]),
        ([("time", LESS, -300.5)], []),
        ([("time", LESS, -299.5)], [300]),
        ([("time", LESS, -7000)], [7200]),  # the hour before that
        ([("time", GREATER, 1 << 60)], []),
        ([("time", GREATER, -60), ("time", LESS, 1 << 60)], [50, 40, 30]),
        ([("time", LESS, -(1 << 60))], []),
        ([("time", EQUALS, -300), ("time", EQUALS, -7200)], [7200, 300]),
        ([("time", LESS, -100), ("since", EQUALS, -50)], []),
        ([("since", GREATER_OR_EQUAL, -300.5)], [300, 200, 100, 50, 40, 30]),
        ([("since", GREATER_OR_EQUAL, -8000), ("time", GREATER, -100)], [50, 40, 30]),
    ],
)
def test_terms_on_moments_reach_the_journal(run: Any, terms: list[Any], ages: list[int]) -> None:
    """Terms on time and since decide what is read; osqueryd filters the rows again, as here."""
    constraints: dict[str, tuple[Constraint, ...]] = {}
    for column, op, ago in terms:
        constraints[column] = (*constraints.get(column, ()), Constraint(op, str(NOW + ago)))
    query = Query(journal.definition, constraints, None, deadline=time.monotonic() + 60)
    rows = [row for row in rows_of(run, query) if query.matches("time", row.time)]
    assert [NOW - row.time for row in rows] == ages
    assert all(query.matches("since", row.since) for row in rows)


def test_no_more_of_the_journal_is_read_than_is_asked_for() -> None:
    run, asked = recorded()
    rows_of(run, time=[NOW - 50, NOW - 70])
    assert {f"--since=@{NOW - 70}", f"--until=@{NOW - 49}"} <= set(asked[0])


def recorded(lines: int = 0) -> tuple[Callable[..., list[bytes]], list[tuple[str, ...]]]:
    asked: list[tuple[str, ...]] = []

    def run(*arguments: str) -> list[bytes]:
        asked.append(arguments)
        return [b'{"MESSAGE": "x", "__REALTIME_TIMESTAMP": "1", "__CURSOR": "c"}'] * lines

    return run, asked


def test_journalctl_is_asked_for_no_more_than_is_wanted() -> None:
    run, asked = recorded()
    rows_of(run, Query.of(journal, equals={"unit": "a.service"}, used=["unit", "time"]))
    (arguments,) = asked
    assert "_SYSTEMD_UNIT=a.service" in arguments
    assert not any("MESSAGE" in argument for argument in arguments)
    since = next(int(argument.partition("@")[2]) for argument in arguments if argument.startswith("--since="))
    assert abs(time.time() - 3600 - since) < 60
    rows_of(run, identifier="\0")
    assert len(asked) == 1


def test_more_than_the_limit_is_an_error() -> None:
    assert len(rows_of(recorded(5000)[0])) == 5000
    with pytest.raises(LimitExceeded, match=r"more than 5,000 such entries.*for less time"):
        rows_of(recorded(5001)[0])


def test_a_machine_without_journalctl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("kolide_tables.reading.tools.FOLDERS", (str(tmp_path),))
    with pytest.raises(TableError, match="journalctl is not installed"):
        journal.rows()


SAYS = """[Service]
Type=oneshot
User=nobody
ExecStart=/bin/sh -c 'echo one; echo "<3>two <b>" >&2; logger -t three -p user.crit "password=hunter2 ü"'
[Install]
WantedBy=timers.target
"""
READ = """
import json, time
from kolide_tables.machine.journal import journal as t
from osquery_sdk import Query
until = time.monotonic() + 20
while len(rows := t.rows(unit="says.service")) < 3 and time.monotonic() < until:
    time.sleep(0.1)
known = [[row.identifier, row.priority, row.uid, row.message] for row in rows]
recent = [abs(time.time() - row.time) < 120 for row in rows]
print(json.dumps([known, recent, len(t.rows(unit="none.service"))]))
"""


@pytest.mark.slow
def test_a_journal_that_is_being_written(systemd_machine: Any, compare: Compare) -> None:
    units = {"says.service": SAYS, "timers.target.wants/says.service": "-> ../says.service"}
    with systemd_machine(units) as machine:
        known, recent, of_none = json.loads(machine(sys.executable, "-c", READ))
    nobody = pwd.getpwnam("nobody").pw_uid
    written = [
        ["sh", 3, nobody, "two <b>"],
        ["sh", 6, nobody, "one"],
        ["three", 2, nobody, "password=[redacted] ü"],
    ]
    compare("journal", "what a service wrote to journald", sorted(known), written)
    assert all(recent)
    assert of_none == 0


def test_too_much_text_is_an_error_that_says_what_to_do() -> None:
    def run(*arguments: str) -> list[bytes]:
        raise LimitExceeded("/usr/bin/journalctl wrote more than 25,165,824 bytes")

    with pytest.raises(LimitExceeded, match=r"bytes: ask for a unit, .* or for less time"):
        rows_of(run)


def test_this_machine_s_journal_is_no_error() -> None:
    if shutil.which("journalctl") is None:
        pytest.skip("needs journalctl")
    assert isinstance(journal.rows(priority=0), list)


def rows_of_line(line: bytes) -> list[JournalEntry]:
    return list(journal_rows(Query.of(journal), lambda *_arguments: [line]))


def test_fields_that_are_there_several_times() -> None:
    line = {
        "MESSAGE": ["one", "two"],
        "PRIORITY": [51],
        "_PID": "x",
        "_UID": None,
        "SYSLOG_IDENTIFIER": [[97], "b"],
    }
    (row,) = rows_of_line(json.dumps(line).encode())
    assert (row.message, row.priority, row.pid, row.uid, row.identifier) == ("one", 3, None, None, "a")


@given(
    st.binary(max_size=100)
    | st.builds(
        lambda value: json.dumps({"MESSAGE": value, "_PID": value}).encode(),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3)
        ),
    )
)
def test_any_line(line: bytes) -> None:
    assert len(rows_of_line(line)) <= 1
