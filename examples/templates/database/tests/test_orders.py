"""The table my_ext: rows, what reaches SQLite, and what is wrong with files."""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from osquery_sdk import DeadlineExceeded, Query, Table, TableError
from osquery_sdk.engine import Host, SqlError

from my_ext.database import VARIABLE, Database
from my_ext.orders import orders_table, where

from . import sample

Serve = Callable[..., Host]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The sample, in a folder whose name is no plain part of a URI."""
    folder = tmp_path / "100% ?#"
    folder.mkdir()
    sample.make(folder / "orders.sqlite")
    return folder / "orders.sqlite"


@pytest.fixture
def orders(path: Path) -> Table:
    """The table over the sample."""
    return orders_table(Database(path))


def test_rows(osquery_host: Serve, orders: Table) -> None:
    sql = "select customer, sum(total) as total from my_ext group by customer order by customer"
    assert osquery_host(orders).query(sql).rows == [
        {"customer": "maria", "total": "19.75"},
        {"customer": "o'brien", "total": "1.0"},
        {"customer": "tom", "total": "99.0"},
    ]


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("id = 3", ["3"]),
        ("id in (1, 4, 9)", ["1", "4"]),
        ("customer = 'o''brien'", ["4"]),
        ("customer = 'MARIA' collate nocase", ["1", "3"]),
        ("customer = 'x'' or 1 = 1 --'", []),
        ("placed > 1710000000", ["3", "4"]),
        ("placed between 1700000000 and 1710000000", ["1", "2"]),
        ("id = 1 or customer = 'tom'", ["1", "2"]),
    ],
)
def test_conditions(osquery_host: Serve, orders: Table, condition: str, ids: list[str]) -> None:
    sql = f"select id from my_ext where {condition} order by id"
    assert [row["id"] for row in osquery_host(orders).query(sql).rows] == ids


def test_values_are_parameters(orders: Table) -> None:
    text, parameters = where(Query.of(orders, equals={"customer": ["a'b", "c"], "id": 7}))
    assert text == "id collate nocase in (?) and customer collate nocase in (?, ?)"
    assert parameters == [7, "a'b", "c"]


def test_nothing_is_written(orders: Table, path: Path) -> None:
    before = path.read_bytes(), path.stat().st_mtime_ns
    path.chmod(0o400)
    assert len(orders.rows()) == 4
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert os.listdir(path.parent) == [path.name]


def test_a_file_that_is_not_there_is_not_made(osquery_host: Serve, tmp_path: Path) -> None:
    orders = orders_table(Database(tmp_path / "no.sqlite"))
    with pytest.raises(SqlError, match=rf"no\.sqlite: No such file or directory; {VARIABLE} names"):
        osquery_host(orders).query("select id from my_ext")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", [b"no database" * 1000, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_file_that_is_no_database(orders: Table, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(TableError, match=r"orders\.sqlite is damaged, or no SQLite database$"):
        orders.rows()


def test_a_file_that_was_cut_off(orders: Table, path: Path) -> None:
    path.write_bytes(path.read_bytes()[:4096])
    with pytest.raises(TableError, match=r"orders\.sqlite is damaged, or no SQLite database$"):
        orders.rows()


def test_a_database_without_the_table(orders: Table, path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(TableError, match=r"orders\.sqlite cannot be read: no such table: orders$"):
        orders.rows()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(orders: Table, path: Path) -> None:
    path.chmod(0)
    with pytest.raises(TableError, match=r"orders\.sqlite: Permission denied"):
        orders.rows()


def test_a_folder_in_its_place(orders: Table, path: Path) -> None:
    path.unlink()
    path.mkdir()
    with pytest.raises(TableError, match=r"orders\.sqlite is no file"):
        orders.rows()


def test_a_lock_is_waited_for_and_then_told(orders: Table, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("begin exclusive")
        started = time.monotonic()
        with pytest.raises(TableError, match=r"orders\.sqlite is locked by another program; try again$"):
            orders.rows()
        assert 1 < time.monotonic() - started < 10
        writer.execute("rollback")
    assert len(orders.rows()) == 4


def test_a_statement_that_nobody_waits_for_ends(orders: Table, path: Path) -> None:
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"
    with pytest.raises(DeadlineExceeded):
        list(Database(path).read(Query.of(orders, timeout=0.5), endless))
