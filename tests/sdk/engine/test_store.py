"""The file of --database_path lasts from one engine to the next. Errors name it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.engine import Host
from osquery_sdk.engine.manager.store import Store
from osquery_sdk.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

ENGINE = (sys.executable, "-m", "osquery_sdk.cli.main", "engine", "--socket")
AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def database(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as made:
        for statement in statements:
            made.execute(statement)
    made.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder that everybody may enter, with a file of every kind."""
    tmp_path = Path(tempfile.mkdtemp(prefix="osq-", dir="/tmp"))
    tmp_path.chmod(0o755)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("this is no database at all, but as long as one would be" * 100)
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("/nonexistent/database")
    database(tmp_path / "others", "create table bookmarks (url)")
    database(tmp_path / "columns", "create table kv (key, value)")
    Store(str(tmp_path / "own")).put("domain", {"key": "value"})
    whole = (tmp_path / "own").read_bytes()
    (tmp_path / "damaged").write_bytes(whole[:4096] + b"x" * (len(whole) - 4096))
    yield tmp_path
    shutil.rmtree(tmp_path)


REFUSED = {
    "missing/database": "there is no folder",
    "folder": "it is a folder",
    "text": "it is no SQLite database",
    "text/database": "Not a directory",
    "pipe": "it is no regular file",
    "loop": "Too many levels of symbolic links",
    "dangling": "there is no folder /nonexistent",
    "others": "it is another program's database",
    "columns": "it is another program's database",
    "damaged": "it is damaged",
    "x" * 300: "File name too long",
    "/dev/null": "it is no regular file",
    "/dev/zero": "it is no regular file",
    "/dev/full": "it is no regular file",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_database_is_named(name: str, folder: Path) -> None:
    path = str(folder / name)
    others = (folder / "others").read_bytes()
    done = subprocess.run(
        [*ENGINE, f"{folder}/em", "--database_path", path], capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"osquery-sdk: --database_path {path}: {REFUSED[name]}")
    assert done.stderr.count("\n") == 1
    assert (folder / "others").read_bytes() == others


@pytest.mark.parametrize(
    ("name", "mode", "says"),
    [
        ("own", 0o444, "it may not be written"),
        ("own", 0o000, "it cannot be opened"),
        ("new", None, "it cannot be opened"),
    ],
)
def test_what_this_user_may_not_write(name: str, mode: int | None, says: str, folder: Path) -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root, to be somebody else")
    if mode is not None:
        (folder / name).chmod(mode)
    code = f"from osquery_sdk.engine.manager.store import Store\nStore({str(folder / name)!r})"
    done = subprocess.run(
        [*AS_NOBODY, sys.executable, "-c", code], cwd="/", capture_output=True, text=True, timeout=30
    )
    if "StoreError" not in done.stderr:
        pytest.skip("nobody may not use this Python")
    assert done.stderr.splitlines()[-1].endswith(f"--database_path {folder / name}: {says}")


@pytest.mark.parametrize("name", ["empty", "own", "new"])
def test_what_is_kept_is_there_again(name: str, folder: Path) -> None:
    path = str(folder / name)
    for count in (1, 2):
        with Host(options={"database_path": path}) as host:
            kept = host.manager.database
            assert kept.get("counts", "count") == (None if count == 1 else "1")
            kept.put("counts", {"count": str(count)})
            assert kept.get("domain", "key") == ("value" if name == "own" else None)


def test_another_program_that_uses_it(folder: Path) -> None:
    connect = f"import sqlite3; database = sqlite3.connect({str(folder / 'own')!r}, isolation_level=None)"
    code = f"{connect}; database.execute('begin exclusive'); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(StoreError, match="another program is using it"):
            Store(str(folder / "own"))
        other.kill()


def test_a_disk_that_gets_full_ends_the_schedule_and_says_so(tmp_path: Path) -> None:
    """Check that, like osqueryd, the engine ends when its database cannot be written."""
    configuration = tmp_path / "osquery.conf"
    words = "select hex(randomblob(60000)) as word"
    configuration.write_text(json.dumps({"schedule": {"much": {"query": words, "interval": 1}}}))

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    errors = tmp_path / "errors"
    with errors.open("w") as said:
        engine = subprocess.Popen(
            [
                *ENGINE,
                f"{tmp_path}/em",
                "--config_path",
                str(configuration),
                "--database_path",
                f"{tmp_path}/database",
            ],
            stdout=subprocess.DEVNULL,
            stderr=said,
            preexec_fn=small_files,  # noqa: PLW1509
        )
    try:
        code = engine.wait(30)
    finally:
        engine.kill()
        engine.wait()
    text = errors.read_text()
    assert code == 1, text
    assert "Traceback" not in text
    assert f"--database_path {tmp_path}/database: " in text


def test_a_plugin_is_told_that_it_cannot_be_kept(tmp_path: Path) -> None:
    with Host(options={"database_path": str(tmp_path / "database")}) as host:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
        try:
            answer = host.manager.call(
                "database", "", {"action": "put", "domain": "d", "key": "k", "value": "x" * 100_000}
            )
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
        assert answer.status.code == 1
        assert f"--database_path {tmp_path}/database: " in answer.status.message
        assert host.manager.database.get("d", "k") is None
