"""Test that all files name the same supported versions of Python."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from ...support.paths import ROOT

VERSION = re.compile(r"(?<![\d.])3\.\d+(?![\d.])")


def text(name: str) -> str:
    return (ROOT / name).read_text()


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads(text("pyproject.toml"))


@pytest.fixture(scope="module")
def supported(project: dict[str, Any]) -> list[str]:
    """Return the versions in the classifiers, oldest first."""
    named = [name.rpartition(" ")[2] for name in project["project"]["classifiers"] if "Python :: 3." in name]
    assert named == sorted(named, key=lambda version: int(version[2:]))
    assert len(named) > 1
    return named


def test_the_package_says_so(project: dict[str, Any], supported: list[str]) -> None:
    oldest = supported[0]
    assert project["project"]["requires-python"] == f">={oldest}"
    assert project["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"
    assert project["tool"]["mypy"]["python_version"] == oldest
    # Locks are made for the oldest version, so that they have no features of newer ones.
    assert f" -p {oldest} " in text("Makefile")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_pages_say_so(page: str, supported: list[str]) -> None:
    (need,) = re.findall(r"You need Python ([^`]*) with `venv`", text(page))
    assert VERSION.findall(need) == supported


def test_the_state_says_so(supported: list[str]) -> None:
    (named, tested) = re.findall(r"^\| Python ([^|]*) \| ([^|]*) \|$", text("README.md"), re.MULTILINE)[0]
    assert VERSION.findall(named) == supported
    assert VERSION.findall(tested) == supported[:0:-1]


def test_make_looks_for_them(supported: list[str]) -> None:
    makefile = text("Makefile")
    (candidates,) = re.findall(r"for candidate in (.*); do", makefile)
    assert VERSION.findall(candidates) == supported[::-1]
    minor = supported[0].partition(".")[2]
    assert f"sys.version_info < (3, {minor})" in makefile
    assert f"Python {supported[0]} or newer" in makefile


def test_the_checks_run_the_oldest_and_the_newest(supported: list[str]) -> None:
    script = text(".ci/run")
    (newest_first,) = re.findall(r"^readonly NEWEST_FIRST=\((.*)\)$", script, re.MULTILINE)
    assert newest_first.split() == supported[:0:-1]
    assert f"sys.version_info >= (3, {supported[0][2:]})" in script
    jobs = yaml.safe_load(text(".github/workflows/build.yml"))["jobs"]
    steps = jobs["check"]["steps"]
    (installed,) = [
        step["with"]["python-version"] for step in steps if "setup-python" in step.get("uses", "")
    ]
    assert installed.split() == [supported[0], supported[-1]]
    (checks,) = [step for step in steps if step.get("run") == ".ci/run"]
    assert checks["env"]["PYTHON"] == f"python{supported[0]}"
    # The workflow freezes programs with the newest version.
    frozen = [step.get("with", {}).get("python-version") for step in jobs["build"]["steps"]]
    assert [version for version in frozen if version] == [supported[-1]]


def test_this_is_one_of_them(supported: list[str]) -> None:
    assert f"{sys.version_info[0]}.{sys.version_info[1]}" in supported


def program(path: Path, script: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


class Checks:
    """A folder with a copy of `.ci/run`, and with scripts in place of each Python and of make."""

    def __init__(self, folder: Path, supported: list[str]) -> None:
        self.folder, self.path, self.home = folder, folder / "bin", folder / "home"
        self.system = program(folder / "system", f"echo {supported[0]}")
        for version in supported:
            program(
                self.path / f"python{version}", "exit 127"
            )  # as pyenv's shims without a Python behind them
        program(
            self.path / "make",
            f'echo "$@" >>{folder}/made; [ ! -e {folder}/fails ] || grep -qv "$1" {folder}/fails',
        )
        program(folder / ".ci" / "run", text(".ci/run"))

    def run(self) -> "subprocess.CompletedProcess[str]":
        (self.folder / "made").write_text("")
        environment = {"PATH": f"{self.path}:/usr/bin:/bin", "HOME": str(self.home), "PYTHON": self.system}
        return subprocess.run(
            ["bash", self.folder / ".ci" / "run"], capture_output=True, text=True, env=environment
        )

    @property
    def made(self) -> list[str]:
        """Return the words of each call of make."""
        return (self.folder / "made").read_text().splitlines()


@pytest.fixture
def checks(tmp_path: Path, supported: list[str]) -> Checks:
    if sys.platform == "win32":
        pytest.skip("bash")
    return Checks(tmp_path, supported)


def test_which_pythons_the_checks_find(checks: Checks, supported: list[str]) -> None:
    """The script skips shims without a Python, searches pyenv's folder, and takes the newest."""
    newest, other = supported[-1], supported[-2]

    def tested() -> list[str]:
        done = checks.run()
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith(".ci/run: passed\n")
        first, *second, lint = checks.made
        assert (first, lint) == (f"test PYTHON={checks.system}", "lint")
        return second

    assert tested() == []
    second = program(checks.path / f"python{other}", f"echo {other}")
    assert tested() == [f"test PYTHON={second} VENV=.venv-{other}"]
    in_pyenv = program(checks.home / f".pyenv/versions/{newest}.7/bin/python3", f"echo {newest}")
    assert tested() == [f"test PYTHON={in_pyenv} VENV=.venv-{newest}"]
    on_path = program(checks.path / f"python{newest}", f"echo {newest}")
    assert tested() == [f"test PYTHON={on_path} VENV=.venv-{newest}"]
    program(Path(checks.system), f"echo {newest}")
    assert tested() == []


def test_the_checks_go_on_and_fail(checks: Checks, supported: list[str]) -> None:
    other = supported[-2]
    program(checks.path / f"python{other}", f"echo {other}")
    for fails in ("test", "lint"):
        (checks.folder / "fails").write_text(fails)
        done = checks.run()
        assert done.returncode == 1
        assert [call.split()[0] for call in checks.made] == ["test", "test", "lint"]
        assert f".ci/run: failed: make {fails}" in done.stderr


def test_what_the_checks_need(checks: Checks, supported: list[str]) -> None:
    program(checks.folder / ".venv" / "bin" / "python", f"echo {supported[-1]}")
    done = checks.run()
    assert (done.returncode, checks.made) == (1, [])
    assert re.search(rf"\.venv has Python {supported[-1]} and not that of .*/system; remove it", done.stderr)
    program(Path(checks.system), "true")  # too old, or without venv
    done = checks.run()
    assert (done.returncode, checks.made) == (1, [])
    assert "no Python 3.11 or newer with venv and ensurepip: " in done.stderr
