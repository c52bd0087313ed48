"""A fault in a configuration is named by file, line and column, in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osquery_sdk import ConfigError, check_config, check_pack, line_and_column

from ..support.plugins import ask, until

if TYPE_CHECKING:
    from pathlib import Path

    from osquery_sdk.plugins.base import Plugin

# What is wrong, and where it stands in the file.
JSON = [
    # Python 3.13 names the comma, and those before it what comes after.
    ('{"schedule": {},}', f"line 1 column {16 if sys.version_info >= (3, 13) else 17}"),
    ('{\n  "schedule": {\n    "a": {"query": "x" "interval": 5}\n  }\n}', "line 3 column 24"),
    ('# a comment\n  // another\n\n    {"a": tru}', "line 4 column 11"),
    ('{"a": 1,\n\t"b": }', "line 2 column 7"),
    ('{"a": "x\\\ny",\n "b": oops}', "line 3 column 7"),
    ('{"a": \\\n 1,, }', "line 2 column 4"),
    ('{"a": 1', "line 1 column 8"),
    ("", "line 1 column 1"),
    ("\n\n", "line 3 column 1"),
    ('{"a": 1}\n}', "line 2 column 1"),
    ('{"a": "é", "日": x}', "line 1 column 17"),
    ('{"a": 1,\n "b": {"c": 1, "c": 2}}', "line 2 column 16"),
    ('{"a": {"x": 1},\n "b": {"x": "a"},\n "a": 2}', "line 3 column 2"),
    ('{"a": ["NaN", 5,\n  NaN]}', "line 2 column 3"),
    ('{"a": -Infinity}', "line 1 column 7"),
]


@pytest.mark.parametrize(("text", "place"), JSON, ids=lambda value: repr(value)[:30])
def test_json_is_named_by_line_and_column(text: str, place: str) -> None:
    for check in (check_config, check_pack):
        with pytest.raises(ConfigError) as caught:
            check(text, "osquery.conf")
        assert str(caught.value).startswith("osquery.conf: ")
        assert str(caught.value).endswith(f": {place}")
        assert "\n" not in str(caught.value)


COMMENTS = st.sampled_from(["", "# c\n", "  // d\n", "\n", "\t"])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3),
    ),
    COMMENTS,
    st.integers(0, 3),
)
def test_the_place_is_that_of_pythons_own_reader(value: Any, before: str, indent: int) -> None:
    """Python's reader finds the same place, given blanks for comments, if the rest is JSON."""
    good = json.dumps({"a": value}, indent=indent or None)
    broken = f"{before}{good[:-1]},!}}"
    blanks = "\n" * before.count("\n") + ("\t" if before.endswith("\t") else "")
    with pytest.raises(json.JSONDecodeError) as oracle:
        json.loads(blanks + broken[len(before) :])
    with pytest.raises(ConfigError) as caught:
        check_config(broken)
    assert str(caught.value).endswith(f": line {oracle.value.lineno} column {oracle.value.colno}")


@given(st.text(alphabet="ab\né", max_size=20), st.data())
def test_a_place_leads_back_to_the_position(text: str, data: Any) -> None:
    position = data.draw(st.integers(0, len(text)))
    _, line, _, column = line_and_column(text, position).split()
    assert sum(len(one) + 1 for one in text.split("\n")[: int(line) - 1]) + int(column) - 1 == position
    encoded = text.encode()
    assert line_and_column(encoded, len(text[:position].encode())) == line_and_column(text, position)


FILES = [
    ("x.json", b'{"schedule":\n  {]}', "line 2 column 4"),
    ("x.conf", b"# comment\n{]", "line 2 column 2"),
    ("x.conf", b'{"a":\n "\xff"}', "line 2 column 3"),
    ("x.yaml", b"a: 1\nb: [1, }", "line 2 column 8"),
    ("x.yaml", b"a: 1\n  b: 2", "line 2 column 4"),
    ("x.yaml", b"a: 1\nb: &x 1\nc: *x", "line 3 column 4"),
    ("x.yaml", b"a: 1\nb: 1\na: 2", "line 3 column 1"),
    ("x.yaml", b"a: 1\n? [1, 2]\n: 3", "line 2 column 3"),
    ("x.yaml", b"a: 1\nb: '\x01'", "line 2 column 5"),
    ("x.toml", b"a = 1\nb = oops", "line 2, column 5"),
    ("x.toml", b"a = 1\nb = ", "line 2 column 5"),
    ("x.toml", b"a = 1\na = 2", "line 2 column 6"),
]


@pytest.mark.parametrize(("name", "content", "place"), FILES, ids=lambda value: repr(value)[:30])
def test_files_of_every_language_are_named(name: str, content: bytes, place: str, tmp_path: Path) -> None:
    from kolide_plugins.config_files import FileConfig, FolderConfig

    file = tmp_path / name
    file.write_bytes(content)
    plugins: list[Plugin] = [FileConfig("one", file), FolderConfig("all", tmp_path)]
    for plugin in plugins:
        message = ask(plugin, action="genConfig").status.message
        assert str(file) in message
        assert place in message
        assert "\n" not in message
    packs = FileConfig("packs", tmp_path / "other.json")
    for asked in (name, "*"):
        message = ask(
            packs, action="genPack", name=asked, value=f"*{file.suffix}" if asked == "*" else name
        ).status.message
        assert str(file) in message
        assert place in message


@pytest.mark.parametrize(
    ("content", "place"),
    [(b'{"query":\n oops}', "line 2 column 2"), (b'{"query": "\xff"}', "line 1 column 12")],
)
def test_a_query_of_a_folder_is_named(content: bytes, place: str, tmp_path: Path) -> None:
    from kolide_plugins.query_folder import QueryFolder

    tmp_path.chmod(0o700)
    file = tmp_path / "half.json"
    file.write_bytes(content)
    file.chmod(0o600)
    old = time.time() - 60
    os.utime(file, (old, old))
    ask(QueryFolder("queries", tmp_path), action="getQueries")
    message = json.loads((tmp_path / "half.answer.json").read_text())["message"]
    assert "half.json: not JSON: " in message
    assert message.endswith(place)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"disabled = []\nprefix = ", "line 2 column 10"),
        (b"prefix = 'x'\n prefix = 'y'", "line 2 column 14"),
        (b"prefix = oops", "line 1, column 10"),
        (b"\nprefix = '\xff'", "line 2 column 11"),
    ],
)
def test_settings_are_named(content: bytes, place: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(content)
    command = [sys.executable, "-m", "kolide_ext", "tables"]
    environment = {**os.environ, "KOLIDE_EXT_SETTINGS": str(file)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"{file} is not TOML: " in done.stderr
    assert place in done.stderr


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"osquery.conf": '{\n  "schedule": {}\n"packs": {}}'},
            "{0}/osquery.conf: not JSON: Expecting ',' delimiter: line 3 column 1",
        ),
        (
            {"osquery.conf": "{}", "osquery.conf.d/more.conf": "{}\n{}"},
            "{0}/osquery.conf.d/more.conf: not JSON: Extra data: line 2 column 1",
        ),
        (
            {"osquery.conf": '{"packs": {"p": "P"}}', "p.conf": "\n{]"},
            "{0}/p.conf: not JSON: Expecting property name enclosed in double quotes: line 2 column 2",
        ),
        (
            {"osquery.conf": '{"packs": {"*": "*.conf"}}', "p.conf": "\n{]"},
            "{0}/p.conf: not JSON: Expecting property name enclosed in double quotes: line 2 column 2",
        ),
        ({}, "{0}/osquery.conf: No such file or directory"),
    ],
    ids=["config", "folder", "pack", "packs", "none"],
)
def test_the_engine_names_a_broken_configuration(files: dict[str, str], said: str, tmp_path: Path) -> None:
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        packs = {'"P"': json.dumps(f"{tmp_path}/p.conf"), '"*.conf"': json.dumps(f"{tmp_path}/p.conf*")}
        whole = text
        for short, long in packs.items():
            whole = whole.replace(short, long)
        file.write_text(whole)
    command = [sys.executable, "-m", "osquery_sdk.cli.main", "engine", "--socket", f"{tmp_path}/em"]
    output = tmp_path / "output"
    with (
        output.open("w") as file,
        subprocess.Popen(
            [*command, "--config_path", f"{tmp_path}/osquery.conf", "--logger_plugin", "stdout"],
            stdout=file,
            stderr=subprocess.STDOUT,
        ) as engine,
    ):
        try:
            until(lambda: said.format(tmp_path) in output.read_text())
        except AssertionError:
            pytest.fail(output.read_text())
        finally:
            engine.kill()
