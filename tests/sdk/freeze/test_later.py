"""A frozen extension after its start: it imports, starts processes, and asks what is installed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from .conftest import HERE, build
from .waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Freezer, Frozen

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the forms of Linux and macOS")
LATER = HERE / "later"
# Every option once, in the build that all tests here have.
OPTIONS = ("--metadata", "pytest", "--entry-points", "later.far")


def build_later(
    source: Path, output: Path, *options: str, script: str = ""
) -> subprocess.CompletedProcess[str]:
    """Build it out of a new copy; the distributions beside it are found as installed ones are."""
    shutil.copytree(LATER, source, ignore=shutil.ignore_patterns("__pycache__"))
    if script:
        (source / "later.py").write_text(script)
    return build(
        source / "later.py", "--json", "--output", output, *options, PYTHONPATH=str(source / "installed")
    )


@pytest.fixture(
    scope="module",
    params=["folder", pytest.param("onefile", marks=pytest.mark.slow)],
)
def later(request: pytest.FixtureRequest, freeze: Freezer) -> Frozen:
    form = ["--onefile"] if request.param == "onefile" else []
    return freeze.once(
        f"later-{request.param}", lambda source, output: build_later(source, output, *OPTIONS, *form)
    )


def rows(program: Path, sql: str, **environment: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [program, "query", "--json", sql],
        env={"PATH": "/usr/bin:/bin", **environment},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_what_is_imported_later_is_there(later: Frozen, directory: Path) -> None:
    """The results are those of Python itself, run on the same sources."""
    program = str(LATER / "later.py")
    sql = "select name, outcome from later_uses"
    done = subprocess.run(
        [sys.executable, "-m", "osquery_sdk.cli.main", "query", "--json", "--extension", program, sql],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = rows(later.link, sql, TMPDIR=str(directory))
    assert found == json.loads(done.stdout)
    assert len(found) >= 13
    assert list(directory.iterdir()) == []


def test_its_processes_end_with_the_statement(later: Frozen, tmp_path: Path) -> None:
    mark = str(tmp_path)  # others run the same program
    assert rows(later.link, "select count(*) as n from later_uses", MARK=mark)[0]["n"] != "0"
    until(lambda: not marked(mark))


def marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("MARK") == mark:
                found.append(process)
    return found


def test_arguments_of_children_without_a_parent_are_refused_in_a_line(later: Frozen) -> None:
    for arguments in (
        ["--multiprocessing-fork", "tracker_fd=98", "pipe_handle=99"],
        ["-c", "from multiprocessing.resource_tracker import main;main(99)"],
    ):
        done = subprocess.run([later.program, *arguments], capture_output=True, text=True, timeout=60)
        if sys.version_info >= (3, 13) and arguments[0] == "-c":
            # There the resource tracker itself ends without a word.
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
            continue
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"{later.program}: started for a process that is gone: ")
        assert done.stderr.count("\n") == 1


def test_its_own_arguments_are_read_as_before(later: Frozen) -> None:
    for arguments in (["--multiprocessing-fork"], ["-c", "print(1)"], ["--multiprocessing-fork", "x"]):
        done = subprocess.run([later.program, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert done.stdout == ""


@pytest.mark.parametrize(
    ("name", "version", "scripts"),
    [
        # Of what it is made of,
        ("thrift", "3", None),
        ("osquery-sdk", "0", None),
        ("Osquery.SDK", "0", None),
        # installed beside it, a plugin and one that was named; scripts that are not there cannot be run,
        ("words", "2.5", "words"),
        ("far", "3.0", "far"),
        # asked for: all that it says of itself,
        ("pytest", "", None),
        # and nothing else.
        ("mypy", None, ""),
    ],
)
def test_distributions(later: Frozen, name: str, version: str | None, scripts: str | None) -> None:
    from importlib import metadata

    (found,) = rows(later.link, f"select version, scripts from later_distributions where name = '{name}'")
    if scripts is None:
        version = metadata.version(name)
    assert found["version"] == (version or "")
    if scripts is not None:
        assert found["scripts"] == scripts
    if name == "pytest":
        assert set(found["scripts"].split()) == {"pytest", "py.test"}


def test_plugins(later: Frozen) -> None:
    sql = "select * from later_plugins where family in ('later.words', 'later.far', 'later.none')"
    sql += " order by name desc"
    assert rows(later.link, sql) == [
        {"family": "later.words", "name": "words", "says": "colorsys"},
        {"family": "later.far", "name": "far", "says": "graphlib"},
    ]


SCRIPT = """
import importlib, multiprocessing, subprocess, sys
from osquery_sdk import Column, Extension, Row, table

class Some(Row):
    code: int = Column("Exit code")

def child(name):
    importlib.import_module(name)

@table("some", rows=Some)
def some(query):
    {body}
    yield Some(code=1)

if __name__ == "__main__":
    raise SystemExit(Extension("later", version="1.0", plugins=[some]).run())
"""


SPAWN = "one = multiprocessing.get_context('spawn').Process(target=child, args=('bilhparg'[::-1],))"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            f"{SPAWN}; one.start(); one.join()",
            "graphlib is not in the bundle; build with --include graphlib",
        ),
        pytest.param(
            "child('bilhparg'[::-1])",
            "graphlib is not in the bundle; build with --include graphlib",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "importlib.import_module('importlib.metadata').version('tsetyp'[::-1])",
            "the metadata of pytest is not in the bundle; build with --metadata pytest",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "subprocess.run([sys.executable, '-c', 'print(1)'])",
            "it starts sys.executable as a Python, and in a bundle that is the extension itself",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_build_fails_whose_tables_lack_something(tmp_path: Path, body: str, says: str) -> None:
    done = build_later(tmp_path / "source", tmp_path / "out", script=SCRIPT.format(body=body))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"osquery-sdk: the table some fails in the bundle: {says}", (
        done.stderr
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--metadata", "no-such"], "--metadata no-such: no such distribution is installed; see pip list"),
        (
            ["--entry-points", "no.such"],
            "--entry-points no.such: no installed distribution has such entry points",
        ),
    ],
)
def test_what_is_not_installed_is_said_at_once(tmp_path: Path, options: list[str], says: str) -> None:
    done = build_later(tmp_path / "source", tmp_path / "out", *options)
    assert (done.returncode, done.stderr) == (1, f"osquery-sdk: {says}\n")
    assert not (tmp_path / "out").exists()
