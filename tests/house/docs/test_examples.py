"""Test each example on the embedded engine and in a real osqueryi: its command and its feature work."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import os
import runpy
import shlex
import shutil
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from osquery_sdk import Query, Table

from ...support.paths import DOCS, EXAMPLES, ROOT
from .pages import example_command as command

FILES = sorted(EXAMPLES.glob("*.py"))


def statement(file: Path) -> str:
    """Return the SQL of that command."""
    return shlex.split(command(file))[-1].replace("$PWD", str(EXAMPLES))


def check(example: str, rows: list[dict[str, str]]) -> None:
    """Compare rows with an independent source on this machine."""
    match example:
        case "first_table":
            found = {row["path"] for row in rows if row["name"] == "python3"}
            assert shutil.which("python3") in found
        case "index":
            assert {row["name"]: row["version"] for row in rows} == {
                p: version(p) for p in ("apsw", "thrift")
            }
        case "snapshot":
            known = {p.name: mimetypes.guess_type(p.name)[0] for p in EXAMPLES.iterdir() if p.is_file()}
            assert {row["name"]: row["type"] for row in rows} == {n: t for n, t in known.items() if t}
        case "async_table":
            assert sorted(int(row["port"]) for row in rows) == [22, 80, 443]
        case "costly":
            hosts = {path.name: path for path in Path("/etc").glob("host*") if path.is_file()}
            assert {row["name"]: row["sha256"] for row in rows} == {
                n: hashlib.sha256(p.read_bytes()).hexdigest() for n, p in hosts.items()
            }
        case "mappings":
            assert [row["tag"] for row in rows] == ["A-001", "A-003"]
        case "writable":
            assert rows == [{"what": "water the plants"}]
        case "asking":
            assert rows == [{"table_name": "table_owners", "version": "1.0"}]
        case _:
            pytest.fail(f"nothing is known about {example}")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_its_command_runs(file: Path, shell) -> None:
    line = command(file)
    assert line.startswith(f"osquery-sdk query --extension ./{file.name} ")
    done = shell(f"{line} --json", EXAMPLES)
    assert done.returncode == 0, done.stdout
    check(file.stem, json.loads(done.stdout))


@pytest.mark.osqueryd
def test_osqueryi_runs_them_all(tmp_path: Path) -> None:
    osqueryi = shutil.which("osqueryi")
    if osqueryi is None:
        pytest.skip("no osqueryi on PATH")
    for file in FILES:
        # Autoloading needs this ending, and a Python that has the SDK.
        (tmp_path / f"{file.stem}.ext").symlink_to(file)
    (tmp_path / "load").write_text("".join(f"{tmp_path}/{file.stem}.ext\n" for file in FILES))
    flags = [f"--extensions_autoload={tmp_path}/load", "--json", "--allow_unsafe", "--disable_database"]
    flags.append(f"--extensions_socket={tmp_path}/em")
    join = "select p.name, h.sha256 from path_programs p join hash h using (path) where p.name = 'sh'"
    assert join in (ROOT / "README.md").read_text(encoding="utf-8")
    with subprocess.Popen(
        [osqueryi, *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HOME": str(tmp_path)},
    ) as process:
        # osquery waits only for the first name in --extensions_require, so wait for all sockets here.
        end = time.monotonic() + 60
        while len(list(tmp_path.glob("em.*"))) < len(FILES) and time.monotonic() < end:
            time.sleep(0.05)
        sqls = [*map(statement, FILES), join]
        said, complained = process.communicate("".join(f"{sql};\n" for sql in sqls), timeout=60)
    answers = _arrays(said)
    assert len(answers) == len(FILES) + 1, said + complained
    for file, rows in zip(FILES, answers, strict=False):
        check(file.stem, rows)
    shell = Path(shutil.which("sh") or "")
    assert {"name": "sh", "sha256": hashlib.sha256(shell.read_bytes()).hexdigest()} in answers[-1]


def _arrays(text: str) -> list[list[dict[str, str]]]:
    """Return the JSON arrays in a text, which stand one after the other."""
    found = []
    decoder = json.JSONDecoder()
    while text := text.strip():
        rows, end = decoder.raw_decode(text)
        found.append(rows)
        text = text[end:]
    return found


def load(example: str, table: str) -> Table:
    found: Any = runpy.run_path(str(EXAMPLES / f"{example}.py"))[table]
    return found


def test_the_index_saves_work() -> None:
    packages = load("index", "importable_packages")
    assert [row.name for row in packages.rows(name="THRIFT")] == ["thrift"]
    assert packages.rows(name=["no such package", ""]) == []
    assert len(packages.rows()) > 5


def test_the_snapshot_is_made_once_for_a_join(osquery_host) -> None:
    types = load("snapshot", "mime_types")
    runs = []
    function = types.function
    types.function = lambda query: (runs.append(query), function(query))[1]
    host = osquery_host(types, load("snapshot", "folder_files"))
    calls = []
    host.observer = calls.append
    assert host.query(statement(EXAMPLES / "snapshot.py")).rows
    assert len([call for call in calls if call.table == "mime_types"]) > 3
    assert len(runs) == 1


def test_the_asynchronous_table_connects(osquery_host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        sql = f"select open, error from tcp_connect where host = '127.0.0.1' and port in ({port}, 70000)"
        rows = osquery_host(load("async_table", "tcp_connect")).query(f"{sql} order by port").rows
    assert rows[0] == {"open": "1", "error": ""}
    assert rows[1]["open"] == "0"
    assert rows[1]["error"]


def test_both_columns_are_required(osquery_host) -> None:
    host = osquery_host(load("async_table", "tcp_connect"))
    with pytest.raises(Exception, match="tcp_connect needs both host and port"):
        host.query("select * from tcp_connect where port = 1")
    required = "Table tcp_connect was queried without a required column in the WHERE clause"
    with pytest.raises(Exception, match=required):
        host.query("select * from tcp_connect")
    assert required.partition("queried")[2] in (DOCS / "queries.md").read_text(encoding="utf-8")


def test_the_costly_column_is_left_out_when_nobody_wants_it(tmp_path: Path) -> None:
    hashes = load("costly", "file_hashes")
    (tmp_path / "a").write_bytes(b"x")
    asked = {"equals": {"path": str(tmp_path / "a")}}
    assert [row.sha256 for row in hashes.rows(Query.of(hashes, used=["name"], **asked))] == [None]
    assert [row.sha256 for row in hashes.rows(Query.of(hashes, **asked))] == [
        hashlib.sha256(b"x").hexdigest()
    ]
    assert [row.name for row in hashes.rows(Query.of(hashes, like={"path": f"{tmp_path}/%"}))] == ["a"]


def test_mappings_fill_in_null(osquery_host) -> None:
    rows = (
        osquery_host(load("mappings", "assets"))
        .query("select owner, bought is null as unknown from assets")
        .rows
    )
    assert [(row["owner"], row["unknown"]) for row in rows] == [("maria", "0"), ("", "0"), ("tom", "1")]
    bought = load("mappings", "assets").rows()[0]
    assert datetime(2024, 3, 1, tzinfo=UTC) in bought


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_osquery_can_start_it(file: Path) -> None:
    assert os.access(file, os.X_OK)
    assert file.read_text(encoding="utf-8").startswith("#!/usr/bin/env python3\n")


def test_examples_and_pages_are_typed(tmp_path: Path) -> None:
    """mypy checks them as strictly as the SDK."""
    from . import pages

    files = [str(file) for file in FILES]
    for page in pages.PAGES:
        if code := pages.python(page).strip():
            file = tmp_path / f"page_{page.stem.replace('-', '_').lower()}.py"
            file.write_text(code, encoding="utf-8")
            files.append(str(file))
    config = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *config, *files], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
