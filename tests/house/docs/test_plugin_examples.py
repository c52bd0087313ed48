"""The examples of plugins do what the command in their second line shows."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ...support.paths import EXAMPLES
from .pages import example_command

PLUGINS = EXAMPLES / "plugins"
FILES = sorted(PLUGINS.glob("*.py"))


def command(file: Path) -> list[str]:
    words = shlex.split(example_command(file))
    assert words[:2] == ["osquery-sdk", "engine"]
    return [sys.executable, "-m", "osquery_sdk.cli.main", *words[1:]]


class Running:
    """The command of an example, with names of its own for what is on this machine."""

    def __init__(self, file: Path, folder: Path, **other: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        other["/tmp/osquery.em"] = f"{folder}/em"
        # With the tests' Python first on PATH, which is what the examples' first lines ask for.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._process = subprocess.Popen(
            [other.get(word, word) for word in command(file)],
            cwd=PLUGINS,
            env={**os.environ, "LOG_FOLDER": str(folder), "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def result(self) -> tuple[str, str]:
        stdout, stderr = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, stderr
        return stdout, stderr

    def logged(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]


def test_they_run(tmp_path: Path) -> None:
    """All at once: each takes the seconds that its command says."""
    queries = tmp_path / "bundled" / "queries"
    queries.mkdir(parents=True)
    queries.chmod(0o700)
    (queries / "sum.json").write_text('{"query": "select sum(digit) as total from digits"}')
    running = {file.stem: Running(file, tmp_path / file.stem) for file in FILES}
    running["to_file"] = Running(PLUGINS / "logger.py", tmp_path / "to_file", counting="to_file")
    for name, one in running.items():
        stdout, stderr = one.result()
        match name:
            case "config":
                results = [json.loads(line) for line in stdout.splitlines()]
                assert {result["name"] for result in results} <= {"clock", "pack_audit_version"}
                assert results[0]["name"] == "clock"
            case "logger":
                assert 'result: {"name":"seconds"' in stderr
                assert "status: " in stderr
            case "distributed":
                assert "version: 0 [{'version': '5.23" in stderr
                assert "wrong: 1 no such table: no" in stderr
                assert "never" not in stderr
            case "bundled":
                assert {entry.get("name") for entry in one.logged("results.log")} >= {"seconds", "version"}
                assert json.loads((queries / "sum.answer.json").read_text())["rows"] == [{"total": "45"}]
            case "to_file":  # the second logger of the example
                assert {entry.get("name") for entry in one.logged("batches.log")} >= {"seconds", "version"}
            case _:
                pytest.fail(f"nothing is known about {name}")
