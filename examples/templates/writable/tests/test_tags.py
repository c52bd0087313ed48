"""The table my_ext: written tags are read again, by other processes too, and wrong ones are refused."""

import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from osquery_sdk import Table
from osquery_sdk.engine import Host, SqlError

from my_ext.tags import tags_table

Serve = Callable[..., Host]
ALL = "select key, value from my_ext order by key"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is not there yet, nor is its folder."""
    return tmp_path / "kept" / "tags.sqlite"


@pytest.fixture
def tags(path: Path) -> Table:
    """The table."""
    return tags_table(path)


def test_insert_update_delete(osquery_host: Serve, tags: Table) -> None:
    host = osquery_host(tags)
    assert host.query(ALL).rows == []
    host.query("insert into my_ext (key, value) values ('owner', 'maria')")
    host.query("insert into my_ext (key, value) values ('room', '12')")
    host.query("update my_ext set value = 'tom' where key = 'owner'")
    host.query("delete from my_ext where key = 'room'")
    assert host.query(ALL).rows == [{"key": "owner", "value": "tom"}]
    host.query("update my_ext set key = 'holder' where key = 'owner'")
    assert host.query(ALL).rows == [{"key": "holder", "value": "tom"}]


def test_the_time_is_the_tables_own(osquery_host: Serve, tags: Table) -> None:
    host = osquery_host(tags)
    host.query("insert into my_ext (key, changed) values ('a', 1)")
    sql = "select changed > strftime('%s', 'now') - 60 as now from my_ext"
    assert host.query(sql).rows == [{"now": "1"}]


def test_tags_outlive_the_extension(osquery_host: Serve, path: Path) -> None:
    host = osquery_host(tags_table(path))
    host.query("insert into my_ext (key, value) values ('owner', 'maria')")
    assert [row.value for row in tags_table(path).rows(key="owner")] == ["maria"]


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("'owner'", "UNIQUE constraint failed: tags.key"),
        ("' '", "a tag needs a key"),
        ("printf('%2000s', 'x')", "1000 letters at the most"),
    ],
)
def test_what_makes_no_sense_is_refused(osquery_host: Serve, tags: Table, key: str, error: str) -> None:
    host = osquery_host(tags)
    host.query("insert into my_ext (key, value) values ('owner', 'maria')")
    with pytest.raises(SqlError, match=error):
        host.query(f"insert into my_ext (key) values ({key})")
    with pytest.raises(SqlError, match="a tag needs a key"):
        host.query("update my_ext set key = ''")
    assert host.query(ALL).rows == [{"key": "owner", "value": "maria"}]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_nobody_else_can_read_the_file(osquery_host: Serve, tags: Table, path: Path) -> None:
    osquery_host(tags).query("insert into my_ext (key) values ('a')")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_reading_makes_no_file(tags: Table, path: Path) -> None:
    assert tags.rows() == []
    assert not path.parent.exists()


def test_many_write_at_the_same_time(osquery_host: Serve, path: Path) -> None:
    hosts = [osquery_host(tags_table(path)) for _ in range(3)]

    def write(number: int) -> None:
        for count in range(5):
            key = f"'{number}-{count}'"
            hosts[number].query(f"insert into my_ext (key) values ({key})")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hosts[0].query(ALL).rows) == 15


def test_a_lock_is_told(
    osquery_host: Serve, tags: Table, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("my_ext.tags.PATIENCE", 0.1)
    host = osquery_host(tags)
    host.query("insert into my_ext (key) values ('a')")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin exclusive")
        with pytest.raises(SqlError, match="database is locked"):
            host.query("insert into my_ext (key) values ('b')")


def test_a_folder_that_cannot_be_made_is_told(osquery_host: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    host = osquery_host(tags_table(tmp_path / "file" / "tags.sqlite"))
    with pytest.raises(SqlError, match=r"file: (File exists|Not a directory)"):
        host.query("insert into my_ext (key) values ('a')")
