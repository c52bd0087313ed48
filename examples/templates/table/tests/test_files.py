"""The table my_ext: through SQL, and as the function that it is made of."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from osquery_sdk import Query
from osquery_sdk.engine import Host, TableCall

from my_ext.files import files

Serve = Callable[..., Host]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two files, a folder, and a link that leads nowhere."""
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "b.txt").write_text("")
    (tmp_path / "inner").mkdir()
    (tmp_path / "broken").symlink_to("nowhere")
    return tmp_path


def test_rows_are_files(osquery_host: Serve, folder: Path) -> None:
    sql = f"select name, size, sha256 from my_ext where folder = '{folder}' order by name"
    assert osquery_host(files).query(sql).rows == [
        {"name": "a.txt", "size": "5", "sha256": hashlib.sha256(b"hello").hexdigest()},
        {"name": "b.txt", "size": "0", "sha256": hashlib.sha256(b"").hexdigest()},
    ]


def test_without_a_folder_there_are_the_usual_ones(osquery_host: Serve) -> None:
    assert osquery_host(files).query("select name from my_ext").rows


def test_all_folders_of_an_in_arrive_at_once(osquery_host: Serve, folder: Path) -> None:
    calls: list[TableCall] = []
    host = osquery_host(files)
    host.observer = calls.append
    (folder / "inner" / "c.txt").write_text("c")
    sql = f"select name from my_ext where folder in ('{folder}', '{folder}/inner')"
    assert sorted(row["name"] for row in host.query(sql).rows) == ["a.txt", "b.txt", "c.txt"]
    assert len(calls) == 1


def test_a_folder_that_is_not_there_is_told_in_the_log(folder: Path) -> None:
    said: list[str] = []
    query = Query.of(files, equals={"folder": [f"{folder}/no", str(folder)]}, warn=said.append)
    assert [str(row.name) for row in files.rows(query)] == ["a.txt", "b.txt"]
    assert said == [f"my_ext: {folder}/no: No such file or directory"]


def test_no_file_is_read_for_a_statement_without_the_hash(folder: Path) -> None:
    query = Query.of(files, equals={"folder": str(folder), "name": "a.txt"}, used=["size"])
    assert [(row.size, row.sha256) for row in files.rows(query)] == [(5, None)]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_cannot_be_read_has_no_hash(folder: Path) -> None:
    (folder / "a.txt").chmod(0)
    assert files.rows(folder=str(folder), name="a.txt")[0].sha256 is None


def test_names_need_not_be_text(osquery_host: Serve, tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff", "wb"):
        pass
    sql = f"select hex(name) as x from my_ext where folder = '{tmp_path}'"
    assert osquery_host(files).query(sql).rows == [{"x": "FF"}]
