"""Extensions for PyPI's `osquery` package run here: files unchanged, code with one import changed."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import osquery
import pytest

import osquery_sdk.compat as ours
from osquery_sdk.engine import Host, SqlError
from osquery_sdk.engine.launch import old_command_line

from ...support.plugins import until

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent / "osquery_python"
EVERYTHING, README = HERE / "everything.py", HERE / "readme_table.py"
README_ROWS = [{"foo": "bar", "baz": "baz"}] * 2


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("old")
    program = folder / "old.py"
    # `osquery-sdk run` starts it so; a host does with a program.
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m osquery_sdk.compat {EVERYTHING} "$@"\n')
    program.chmod(0o755)
    os.environ["OLD_LOG"] = str(folder / "log")
    with Host([str(program)], timeout=20) as made:
        yield made
    del os.environ["OLD_LOG"]


def test_names_are_those_of_the_package() -> None:
    assert set(osquery.__all__) <= set(ours.__all__)
    for name in ("STRING", "INTEGER", "WINDOWS_PLATFORM", "DEFAULT_SOCKET_PATH"):
        assert getattr(ours, name) == getattr(osquery, name)
    theirs = osquery.extensions.ttypes
    for name in ("ExtensionStatus", "ExtensionResponse", "InternalExtensionInfo", "InternalOptionInfo"):
        parameters = list(inspect.signature(getattr(theirs, name)).parameters)
        assert list(inspect.signature(getattr(ours.extensions.ttypes, name)).parameters) == parameters


@pytest.mark.parametrize(
    "name", ["start_extension", "register_plugin", "parse_cli_params", "deregister_extension"]
)
def test_functions_take_what_theirs_take(name: str) -> None:
    theirs, mine = inspect.signature(getattr(osquery, name)), inspect.signature(getattr(ours, name))
    assert [(p.name, p.default) for p in mine.parameters.values()] == [
        (p.name, p.default) for p in theirs.parameters.values()
    ]


@pytest.mark.parametrize(
    "name", ["TablePlugin", "ConfigPlugin", "LoggerPlugin", "BasePlugin", "ExtensionClient", "SpawnInstance"]
)
def test_classes_have_the_methods_of_theirs(name: str) -> None:
    def methods(kind: type) -> set[str]:
        return {method for method in dir(kind) if not method.startswith("_")}

    assert methods(getattr(osquery, name)) - {"connection", "instance"} <= methods(getattr(ours, name))


@pytest.mark.parametrize(
    ("text", "is_old"),
    [
        ("import osquery", True),
        ("#!/usr/bin/env python3\nif True:\n    import osquery, json", True),
        ("from osquery.table_plugin import TablePlugin", True),
        ("import osquery_sdk", False),
        ("import osquery_sdk.compat as osquery", False),
        ("# import osquery", False),
        ("x = 'osquery'", False),
    ],
)
def test_which_files_are_old(text: str, is_old: bool, tmp_path: Path) -> None:
    file = tmp_path / "extension.py"
    file.write_text(text)
    assert (old_command_line(file) is not None) is is_old


def run(file: Path, sql: str) -> tuple[str, str]:
    """`osquery-sdk run FILE`, and a statement at its shell."""
    done = subprocess.run(
        [sys.executable, "-m", "osquery_sdk.cli.main", "run", str(file), "--json"],
        input=f"{sql};\n",
        capture_output=True,
        text=True,
        timeout=60,
        cwd=file.parent,
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("name", ["readme_table.py", "foobar_table.ext"])
def test_run_runs_the_documentation_s_example_unchanged(name: str, tmp_path: Path) -> None:
    """The file runs too if it is no `.py` and not executable."""
    file = Path(shutil.copyfile(README, tmp_path / name))
    out, said = run(file, "select foo, baz from foobar")
    assert json.loads(out) == README_ROWS, said


def test_one_import_line_changed(tmp_path: Path) -> None:
    file = tmp_path / "changed.py"
    text = README.read_text().replace("import osquery\n", "import osquery_sdk.compat as osquery\n")
    file.write_text(text)
    with Host([str(file)], timeout=20) as made:
        assert made.query("select foo, baz from foobar").rows == README_ROWS
    done = subprocess.run([sys.executable, file, "schema"], capture_output=True, text=True)
    assert '"foobar"' in done.stdout  # it has the commands of every extension


def test_none_is_null_and_not_a_word(host: Host) -> None:
    rows = host.query(
        "select t, i is null as i, b is null as b, d is null as d from old_values where k = 'none'"
    ).rows
    assert rows == [{"t": "", "i": "1", "b": "1", "d": "1"}]


def test_values(host: Host) -> None:
    rows = host.query("select t, i, b, d from old_values where k in ('some', 'bool') order by k").rows
    assert rows == [
        {"t": "1", "i": "1", "b": "0", "d": "1.0"},
        {"t": "é", "i": "1", "b": "1099511627776", "d": "1.5"},
    ]


def test_constraints_reach_generate(host: Host) -> None:
    assert host.query("select context from old_values where k = 'some'").rows == [{"context": '["some"]'}]


def test_rows_are_told_apart(host: Host) -> None:
    """Two scans of one statement are merged by rowid: with osquery-python rows were lost."""
    assert len(host.query("select * from old_values where k = 'twice' or i = 1").rows) == 4


def test_a_table_that_raises_fails_its_own_statement(host: Host) -> None:
    with pytest.raises(SqlError, match="old_broken: RuntimeError: no such luck"):
        host.query("select * from old_broken")
    assert host.query("select count(*) as n from old_values").rows == [{"n": "5"}]


def test_statements_at_once(host: Host) -> None:
    """osqueryd asks from several threads; a table of old is asked one at a time, and others go on."""
    answers: list[Any] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(host.query("select count(*) as n from old_values").rows)
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[{"n": "5"}]] * 8


def test_config_logger_and_a_plugin_of_its_own(host: Host) -> None:
    registries = host.manager.registries
    answer = registries.call("config", "old", {"action": "genConfig"})
    assert json.loads(answer.rows[0]["one"])["schedule"]["s"]["interval"] == 1
    assert registries.call("logger", "old", {"action": "features"}).status.code == 0
    assert registries.call("logger", "old", {"string": "a line"}).status.message == "OK"
    assert Path(os.environ["OLD_LOG"]).read_text() == "a line\n"
    refused = registries.call("logger", "old", {"snapshot": "{}"}).status
    assert (refused.code, refused.message) == (0, "dropped: old: no snapshots here")
    assert json.loads(registries.call("distributed", "old", {"action": "getQueries"}).rows[0]["results"]) == {
        "queries": {}
    }


def test_the_client(host: Host) -> None:
    instance = ours.ExtensionClient(host.socket)
    assert instance.open()
    client = instance.extension_manager_client()
    answer = client.query("select 1 as one")
    assert (answer.status.code, answer.response) == (0, [{"one": "1"}])
    assert client.query("select").status.code == 1
    assert client.getQueryColumns("select pid from osquery_info").response == [{"pid": "INTEGER"}]
    assert [info.name for info in client.extensions().values()] == ["everything"]
    assert client.options()["extensions_socket"].value == host.socket
    assert client.ping().code == 0
    (uuid,) = client.extensions()
    extension = ours.ExtensionClient(host.socket, uuid).extension_client()
    answer = extension.call("table", "old_values", {"action": "columns"})
    assert {row["name"] for row in answer.response if row["id"] == "column"} == {
        "t",
        "i",
        "b",
        "d",
        "k",
        "context",
    }
    assert not ours.ExtensionClient("/nonexistent.em").open(timeout=0.3)


class Unregistered(ours.TablePlugin):
    """A test of an old table calls it without serving it."""

    def name(self) -> str:
        return "unregistered"

    def columns(self) -> list[ours.TableColumn]:
        return [ours.TableColumn(name="a", type=ours.INTEGER)]

    def generate(self, context: dict[str, Any]) -> Any:
        return [{"a": 1, "b": None}]


def test_plugins_answer_without_a_server() -> None:
    plugin = Unregistered()
    assert plugin is Unregistered()  # a singleton, as theirs
    answer = plugin.call({"action": "generate", "context": "{}"})
    assert isinstance(answer, ours.extensions.ttypes.ExtensionResponse)
    assert [{k: v for k, v in row.items() if k != "rowid"} for row in answer.response] == [{"a": "1"}]
    assert plugin.call({}).status.message == "Table plugins must include a request action"
    assert plugin.routes() == [{"id": "column", "name": "a", "type": "INTEGER", "op": "0"}]


@pytest.mark.osqueryd
def test_under_osqueryd(tmp_path: Path) -> None:
    """The unchanged file, autoloaded: its config, its logger and its table serve a real daemon."""
    if shutil.which("osqueryd") is None:
        pytest.skip("no osqueryd on PATH")
    tmp_path.chmod(0o755)
    program, log = tmp_path / "old.ext", tmp_path / "log"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m osquery_sdk.compat {EVERYTHING} "$@"\n')
    program.chmod(0o755)
    (tmp_path / "load").write_text(f"{program}\n")
    command = ["osqueryd", "--ephemeral", "--disable_database", "--disable_watchdog", "--force"]
    command += [
        f"--pidfile={tmp_path}/pid",
        f"--extensions_socket={tmp_path}/em",
        f"--extensions_autoload={tmp_path}/load",
    ]
    command += ["--config_plugin=old", "--logger_plugin=old", "--distributed_plugin=old"]
    command += ["--disable_distributed=false"]
    process = subprocess.Popen(
        command, env={**os.environ, "OLD_LOG": str(log)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: log.exists() and log.read_text().endswith("\n"))
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(20)
    (first, *_) = log.read_text().splitlines()
    assert json.loads(first)["columns"] == {"i": "1", "t": "é"}


@pytest.mark.osqueryd
def test_a_spawned_instance() -> None:
    if shutil.which("osqueryd") is None:
        pytest.skip("no osqueryd on PATH")
    instance = ours.SpawnInstance()
    instance.open()
    assert instance.is_running()
    (row,) = instance.client.query("select timestamp from time").response
    assert re.search(r"\d{4} UTC", row["timestamp"])
    instance.close()
    assert not instance.is_running()
