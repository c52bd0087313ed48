"""Each example of a plugin does what the command in its second line shows."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples/plugins"
FILES = sorted(EXAMPLES.glob("*.py"))


def command(file: Path) -> list[str]:
    words = shlex.split(file.read_text(encoding="utf-8").splitlines()[1].removeprefix("# "))
    assert words[:2] == ["osquery-sdk", "engine"]
    return [sys.executable, "-m", "osquery_sdk.cli.main", *words[1:]]


def run(file: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    words = [f"{folder}/em" if word == "/tmp/osquery.em" else word for word in command(file)]
    return at_shell(words, folder)


def at_shell(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """With the tests' Python first on PATH, which is what the examples' first lines ask for."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "LOG_FOLDER": str(folder), "PATH": path}
    return subprocess.run(words, cwd=EXAMPLES, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_it_runs(file: Path, tmp_path: Path) -> None:
    if file.stem == "bundled":
        queries = tmp_path / "queries"
        queries.mkdir(mode=0o700)
        (queries / "sum.json").write_text('{"query": "select sum(digit) as total from digits"}')
    done = run(file, tmp_path)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    match file.stem:
        case "config":
            assert {result["name"] for result in results} <= {"clock", "pack_audit_version"}
            assert results[0]["name"] == "clock"
        case "logger":
            assert 'result: {"name":"seconds"' in done.stderr
            assert "status: " in done.stderr
        case "distributed":
            assert "version: 0 [{'version': '5.23" in done.stderr
            assert "wrong: 1 no such table: no" in done.stderr
            assert "never" not in done.stderr
        case "bundled":
            logged = [json.loads(line) for line in (tmp_path / "results.log").read_text().splitlines()]
            assert {one.get("name") for one in logged} >= {"seconds", "version"}
            assert json.loads((queries / "sum.answer.json").read_text())["rows"] == [{"total": "45"}]
        case _:
            pytest.fail(f"nothing is known about {file.name}")


def test_the_spooled_logger_delivers(tmp_path: Path) -> None:
    """The second logger of the example."""
    words = [
        {"counting": "to_file", "/tmp/osquery.em": f"{tmp_path}/em"}.get(w, w)
        for w in command(EXAMPLES / "logger.py")
    ]
    done = at_shell(words, tmp_path)
    assert done.returncode == 0, done.stderr
    logged = [json.loads(line) for line in (tmp_path / "batches.log").read_text().splitlines()]
    assert {"seconds", "version"} <= {one.get("name") for one in logged}
