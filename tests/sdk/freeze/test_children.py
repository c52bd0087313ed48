"""Children of multiprocessing are known by their arguments, and leave other processes' files alone."""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing import spawn
from typing import TYPE_CHECKING

import pytest

from kolide_kit.frozen_children import UNGUARDED, is_child

from .waiting import until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="how they are started on Linux and macOS")
START = """
import sys, warnings
from multiprocessing import forkserver, resource_tracker, spawn
spawn.set_executable(sys.argv[1])
getattr(sys.modules["multiprocessing." + sys.argv[2]], "ensure_running")()
"""


@pytest.mark.parametrize("module", ["resource_tracker", "forkserver"])
@pytest.mark.parametrize("options", [[], ["-I", "-B"], ["-X", "dev"], ["-W", "ignore"]])
def test_what_python_starts_to_help_is_a_child(module: str, options: list[str], tmp_path: Path) -> None:
    """With a program in Python's place that writes down what it is started with."""
    program, file = tmp_path / "program", tmp_path / "arguments"
    note = f'printf "%s\\0" "$0" "$@" >{file}.new\nmv {file}.new {file}\n'
    # The one may start the other.
    program.write_text(f'#!/bin/sh\ncase "$*" in *.{module}*) ;; *) exit ;; esac\n{note}')
    program.chmod(0o755)
    subprocess.run([sys.executable, *options, "-c", START, program, module], check=True, capture_output=True)
    until(file.exists)
    arguments = file.read_text().split("\0")[:-1]
    assert is_child(arguments)


def test_a_worker_is_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert is_child(spawn.get_command_line(tracker_fd=3, pipe_handle=4))
    assert is_child(spawn.get_command_line(parent_pid=None, pipe_handle=4))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--socket", "/var/osquery/osquery.em", "--timeout", "3", "--interval", "3"],
        ["query", "--multiprocessing-fork", "a=1"],
        ["--multiprocessing-fork"],
        ["--multiprocessing-fork", "a=b"],
        ["--multiprocessing-fork", "a=1", "select 1"],
        ["-c", "print(1)"],
        ["-c", "from multiprocessing import Pool;main(1)"],
        ["-c", "import os;from multiprocessing.forkserver import main;main(1)"],
        ["from multiprocessing.forkserver import main;main(1)"],
    ],
)
def test_any_other_is_the_extension(arguments: list[str]) -> None:
    assert not is_child(["hello.ext", *arguments])


SCRIPT = """
import multiprocessing, sys
from osquery_sdk import Column, Extension, Row, table

class Some(Row):
    code: int = Column("Exit code of a process")

@table("some", rows=Some)
def some(query):
    process = multiprocessing.get_context("spawn").Process(target=int)
    process.start()
    process.join()
    yield Some(code=process.exitcode)

"""


@pytest.mark.parametrize(("guard", "code"), [("if __name__ == '__main__': ", 0), ("", 1)])
def test_a_script_that_starts_anew_in_its_processes_is_told(guard: str, code: int, tmp_path: Path) -> None:
    script = tmp_path / "some.py"
    start = "raise SystemExit(Extension('some', version='1', plugins=[some]).run())"
    script.write_text(f"{SCRIPT}{guard}{start}\n")
    done = subprocess.run(
        [sys.executable, script, "query", "--csv", "select code from some"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout.split()) == (0, ["code", str(code)])
    assert done.stderr == (f"some: {UNGUARDED}\n" if code else "")


FORKS = """
import os, sys
from osquery_sdk.serving.onefile import begin
sys._MEIPASS = sys.argv[1]
begin()
if os.fork() == 0:
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
print(sorted(os.listdir(sys._MEIPASS)))
"""


def test_a_forked_child_leaves_the_folder_of_a_one_file_program(tmp_path: Path) -> None:
    folder = tmp_path / "_MEI00000001abcdef"
    folder.mkdir()
    (folder / "lib.so").touch()
    done = subprocess.run([sys.executable, "-c", FORKS, folder], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "['.osquery-extension', 'lib.so']\n"), done.stderr
