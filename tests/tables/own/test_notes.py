"""kolide_notes keeps notes, and refuses files that others could change."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from kolide_tables import Limits, all_tables
from kolide_tables.own.notes import notes
from osquery_sdk import DefinitionError
from osquery_sdk.engine import Host, SqlError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Serve = Callable[..., Host]

POSIX = pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX's")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder that only this user can write; `tmp_path` is below a folder with the sticky bit."""
    made = tmp_path / "notes"
    made.mkdir(mode=0o700)
    return made


def rows(
    host: Host, sql: str = "select id, key, value from kolide_notes order by id"
) -> list[tuple[str, ...]]:
    return [tuple(row.values()) for row in host.query(sql).rows]


def test_notes_are_kept(osquery_host: Serve, folder: Path) -> None:
    path = folder / "n.sqlite"
    host = osquery_host(notes(str(path)))
    assert rows(host) == []
    assert not path.exists()  # reading makes no file
    before = int(time.time())
    host.query(
        "insert into kolide_notes (key, value) values ('owner', 'maria'), ('é', 'it''s' || char(10)), "
        "('empty', '')"
    )
    host.query("insert into kolide_notes (id, key, created) values (40, 'old', 5)")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 or os.name != "posix"
    assert rows(host) == [
        ("1", "owner", "maria"),
        ("2", "é", "it's\n"),
        ("3", "empty", ""),
        ("40", "old", ""),
    ]
    created = [int(row[0]) for row in rows(host, "select created from kolide_notes order by id")]
    assert created[3] == 5
    assert all(before <= seconds <= time.time() for seconds in created[:3])
    host.query(
        "update kolide_notes set value = value || '!' where key in ('OWNER' collate nocase, 'owner') "
        "or id = 40"
    )
    host.query("update kolide_notes set id = 50, key = 'older' where key = 'old'")
    host.query("delete from kolide_notes where key = 'empty' or id = 2")
    assert rows(host) == [("1", "owner", "maria!"), ("50", "older", "!")]
    # As another program may write it.
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("select id, key, value from notes").fetchall() == [
            (1, "owner", "maria!"),
            (50, "older", "!"),
        ]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("insert into kolide_notes (key) values ('a')", "kolide_notes: UNIQUE constraint failed: notes.key"),
        (
            "insert into kolide_notes (id, key) values (1, 'x')",
            "kolide_notes: UNIQUE constraint failed: notes.id",
        ),
        (
            "update kolide_notes set key = 'a' where key = 'b'",
            "kolide_notes: UNIQUE constraint failed: notes.key",
        ),
        ("insert into kolide_notes (value) values ('x')", "kolide_notes.key: it may not be NULL"),
        ("update kolide_notes set value = null", "kolide_notes.value: it may not be NULL"),
        ("update kolide_notes set created = null", "kolide_notes: NOT NULL constraint failed: notes.created"),
    ],
)
def test_refusals(osquery_host: Serve, folder: Path, sql: str, message: str) -> None:
    host = osquery_host(notes(str(folder / "n")))
    host.query("insert into kolide_notes (key) values ('a'), ('b')")
    before = rows(host)
    with pytest.raises(SqlError, match=re.escape(message)):
        host.query(sql)
    assert rows(host) == before


def test_look_ups_lose_no_row(osquery_host: Serve, folder: Path) -> None:
    host = osquery_host(notes(str(folder / "n")))
    host.query("insert into kolide_notes (key) values ('A'), ('a'), ('b'), ('10')")
    assert rows(host, "select key from kolide_notes where key = 'a' collate nocase order by id") == [
        ("A",),
        ("a",),
    ]
    assert rows(host, "select key from kolide_notes where key in ('b', '10', 'x') order by id") == [
        ("b",),
        ("10",),
    ]
    assert rows(host, "select key from kolide_notes where id in (2, 3, 99) or key = 'A' order by id") == [
        ("A",),
        ("a",),
        ("b",),
    ]
    assert rows(host, "select key from kolide_notes where id in (select 4)") == [("10",)]


@POSIX
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.chmod(0o640), "is open to other users: chmod 600 it"),
        (lambda path: os.chown(path, 12345, -1), "belongs to user 12345"),
        (lambda path: path.parent.chmod(0o770), "can be written by other users"),
        (lambda path: path.parent.chmod(0o1777), "can be written by other users"),
        (lambda path: path.parent.parent.chmod(0o777), "can be written by other users"),
        (lambda path: os.chown(path.parent, 12345, -1), "can be written by other users"),
        (lambda path: path.with_name("hard").hardlink_to(path), "is no plain file"),
        (lambda path: (path.rename(path.with_name("x")), path.symlink_to("x")), "is no plain file"),
        (lambda path: (path.unlink(), os.mkfifo(path, 0o600)), "is no plain file"),
        (lambda path: (path.unlink(), path.mkdir()), "is no plain file"),
        (lambda path: path.write_text("this is not what SQLite writes" * 9), "file is not a database"),
        (lambda path: path.write_bytes(b""), "no such table: notes"),
    ],
)  # fmt: skip
def test_files_that_are_not_trusted(
    osquery_host: Serve, folder: Path, spoil: Callable[[Path], object], message: str
) -> None:
    path = folder / "n"
    host = osquery_host(notes(str(path)))
    host.query("insert into kolide_notes (key) values ('a')")
    try:
        spoil(path)
    except PermissionError:
        pytest.skip("only root gives files away")
    statements = ["select * from kolide_notes"]
    if message != "no such table: notes":  # an empty file is as good as a new one for writing
        statements.append("insert into kolide_notes (key) values ('b')")
    for sql in statements:
        with pytest.raises(SqlError, match=re.escape(message)):
            host.query(sql)


def test_the_file_is_never_open_to_others(osquery_host: Serve, folder: Path) -> None:
    """Neither the file nor its journal is readable by others, whatever the umask is."""
    seen = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            for path in folder.iterdir():
                try:
                    seen.add(stat.S_IMODE(path.stat().st_mode))
                except FileNotFoundError:
                    continue

    old = os.umask(0)
    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        host = osquery_host(notes(str(folder / "n")))
        for number in range(20):
            host.query(f"insert into kolide_notes (key) values ('{number}')")
    finally:
        stop.set()
        watcher.join()
        os.umask(old)
    assert seen == {0o600} or os.name != "posix"


def test_limits(osquery_host: Serve, folder: Path) -> None:
    host = osquery_host(notes(str(folder / "n"), limits=Limits(max_rows=3, max_file_bytes=100_000)))
    host.query("insert into kolide_notes (key) values ('a'), ('b'), ('c')")
    with pytest.raises(SqlError, match="there are 3 notes"):
        host.query("insert into kolide_notes (key) values ('d')")
    host.query("delete from kolide_notes where key = 'c'")
    with pytest.raises(SqlError, match="database or disk is full"):
        host.query("insert into kolide_notes (key, value) values ('big', printf('%.*c', 200000, 'x'))")
    assert rows(host) == [("1", "a", ""), ("2", "b", "")]


def test_the_file_may_come_and_go(osquery_host: Serve, folder: Path) -> None:
    path = folder / "n"
    host = osquery_host(notes(str(path)))
    host.query("insert into kolide_notes (key) values ('a')")
    path.rename(folder / "away")
    assert rows(host) == []
    (folder / "away").rename(path)
    assert rows(host) == [("1", "a", "")]


def test_another_program_writes_meanwhile(osquery_host: Serve, folder: Path) -> None:
    path = folder / "n"
    host = osquery_host(notes(str(path)))
    host.query("insert into kolide_notes (key) values ('a')")
    code = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "c.execute('begin exclusive');"
        "print('locked', flush=True); time.sleep(0.5); c.execute(\"update notes set value = "
        "'theirs'\"); c.execute('commit')"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        host.query("insert into kolide_notes (key) values ('b')")
    assert rows(host) == [("1", "a", "theirs"), ("2", "b", "")]


def test_it_is_off_unless_a_path_is_given(folder: Path) -> None:
    path = str(folder / "n")
    assert "kolide_notes" not in [one.name for one in all_tables()]
    assert "our_notes" in [one.name for one in all_tables(notes=path, prefix="our_")]
    assert "kolide_notes" not in [one.name for one in all_tables(notes=path, disabled=["notes"])]
    assert "kolide_notes" not in [one.name for one in all_tables(disabled=["kolide_notes"])]
    with pytest.raises(DefinitionError, match="a whole path"):
        all_tables(notes="notes.sqlite")
