"""Test the parts of `make` that need no build: installing with progress, recipes, cleaning."""

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from ..support.paths import ROOT

INSTALL = ROOT / "requirements" / "install.py"
posix = pytest.mark.skipif(sys.platform == "win32", reason="bash, make")


def locked(name: str) -> dict[tuple[str, str], str]:
    """Return the entries of a lock, with their hashes, by name and marker."""
    text = (ROOT / "requirements" / name).read_text()
    entries = re.findall(r"^(\S+)==(\S+)(?: ; (.*?))? \\\n((?:    --hash=.*\n?)+)", text, re.MULTILINE)
    return {(package, marker): f"{version}\n{hashes}" for package, version, marker, hashes in entries}


def test_the_lock_for_running_is_part_of_the_lock_of_everything() -> None:
    """`make test` after `make run` adds packages, and replaces none."""
    run, everything = locked("run.lock"), locked("dev.lock")
    assert run
    assert run.items() <= everything.items()
    assert len(run) < len(everything) / 2


def closure(names: list[Requirement]) -> set[str]:
    """Return the normalized names of all distributions that these need here, as their own metadata says."""
    seen: set[str] = set()
    waiting = [(need, extra) for need in names for extra in (need.extras or {""})]
    done = set()
    while waiting:
        need, extra = waiting.pop()
        name = re.sub(r"[-_.]+", "-", need.name).lower()
        if (name, extra) in done:
            continue
        done.add((name, extra))
        seen.add(name)
        for text in metadata.requires(name) or []:
            other = Requirement(text)
            if other.marker is None or other.marker.evaluate({"extra": extra}):
                waiting += [(other, inner) for inner in {"", *other.extras}]
    return seen


def test_the_lock_for_running_has_what_running_needs() -> None:
    run_in = (ROOT / "requirements" / "run.in").read_text().splitlines()
    needs = [Requirement(line) for line in run_in if not line.startswith("#")]
    needed = closure([Requirement("osquery-sdk[tables,engine]"), *needs]) - {"osquery-sdk"}
    here = {
        name
        for name, marker in locked("run.lock")
        if not marker or Requirement(f"x; {marker}").marker.evaluate()  # type: ignore[union-attr]
    }
    assert here == needed


class Installing:
    """A copy of install.py beside a lock of two packages, and a script as the environment's Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = folder / "requirements" / "install.py"
        self.script.parent.mkdir()
        self.script.write_text(INSTALL.read_text())
        (folder / "requirements" / "x.lock").write_text(
            "one==1.0 \\\n    --hash=sha256:0\ntwo==2.0 ; never\n"
        )

    def pip(self, script: str) -> None:
        """Make the environment's Python run a shell script when it is called to install from a lock."""
        python = self.folder / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\ncase "$*" in *--require-hashes*) {script};; esac\n')
        python.chmod(0o755)

    def start(self) -> "subprocess.Popen[str]":
        command = [sys.executable, self.script, "make x", str(self.folder / ".venv"), "x.lock"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def installing(tmp_path: Path) -> Installing:
    return Installing(tmp_path)


@posix
def test_installing_shows_each_package_at_once(installing: Installing) -> None:
    installing.pip(
        'echo "Ignoring two: markers do not match"; echo "Collecting one==1.0 (from x)"; sleep 2; echo Done'
    )
    begun = time.monotonic()
    process = installing.start()
    assert process.stdout
    with process:
        first = process.stdout.readline()
        lines = [process.stdout.readline() for _ in range(2)]
        assert time.monotonic() - begun < 2, "the lines waited for the end of pip"
        rest = process.stdout.read()
    assert process.returncode == 0
    assert re.fullmatch(r"make x: the environment \S+ is there\n", first)
    assert lines == ["make x: installing what requirements/x.lock names\n", "  1 of 1: one 1.0\n"]
    assert rest.startswith("make x: installing this checkout, in place\nmake x: 1 packages are installed in ")
    assert "\033" not in first + rest


@posix
def test_a_long_step_says_that_it_goes_on(installing: Installing) -> None:
    installing.pip('echo "Installing collected packages: one"; sleep 7')
    with installing.start() as process:
        output, _ = process.communicate()
    assert re.search(r"^  still at it after \d+ s: unpacking 1 packages$", output, re.MULTILINE)


@posix
def test_a_failure_shows_what_pip_printed(installing: Installing) -> None:
    installing.pip('echo "ERROR: no such package" >&2; exit 3')
    with installing.start() as process:
        output, errors = process.communicate()
    assert process.returncode == 1
    assert "make x: this failed, with exit code 3: " in output
    assert errors == "ERROR: no such package\n"


@posix
def test_a_terminal_has_one_line_that_is_rewritten(installing: Installing) -> None:
    import pty

    installing.pip('echo "Collecting one==1.0"; sleep 2')
    ours, theirs = pty.openpty()
    command = [sys.executable, installing.script, "make x", str(installing.folder / ".venv"), "x.lock"]
    subprocess.run(command, stdout=theirs, stderr=theirs, check=True, timeout=60)
    os.close(theirs)
    output = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert re.search(r"\r\033\[K  1 of 2: one 1\.0\r\033\[K  1 of 2: one 1\.0 \(\d s\)", output)


def recipe_names() -> list[str]:
    return sorted(path.stem for path in (ROOT / "build").glob("*.toml") if path.name != "targets.toml")


def test_each_program_has_a_recipe() -> None:
    assert recipe_names() == sorted(path.parent.name for path in ROOT.glob("extensions/*/__main__.py"))


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_has_settings_that_are_explained(name: str) -> None:
    recipe = tomllib.loads((ROOT / "build" / f"{name}.toml").read_text())
    page = (ROOT / "build" / "README.md").read_text()
    explained = set(re.findall(r"^\| `\[*(\w+)\]*` \|", page, re.MULTILINE))
    assert recipe.keys() <= explained
    assert (ROOT / recipe["extension"]).exists()
    assert recipe["check"]


def matrix() -> dict[str, Any]:
    command = [sys.executable, ROOT / "build" / "recipes.py", "matrix"]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def test_the_workflow_takes_its_platforms_from_the_file() -> None:
    targets = tomllib.loads((ROOT / "build" / "targets.toml").read_text())["target"]
    assert matrix() == {"include": targets}
    jobs = yaml.safe_load((ROOT / ".github/workflows/build.yml").read_text())["jobs"]
    assert jobs["build"]["strategy"]["matrix"] == "${{ fromJSON(needs.targets.outputs.matrix) }}"
    assert any("build/recipes.py matrix" in step.get("run", "") for step in jobs["targets"]["steps"])
    used = set(re.findall(r"matrix\.(\w+)", str(jobs["build"]))) - {"outputs"}
    assert all(used <= target.keys() for target in targets)


@posix
def test_make_xp_names_every_target() -> None:
    output = subprocess.run(["make", "-C", ROOT, "xp"], capture_output=True, text=True, check=True).stdout
    assert all(f"  {target['name']}\n" in output for target in matrix()["include"])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a repository with the files that git tracks here, as they are now."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if names.returncode:
        pytest.skip("this is no checkout")
    folder = tmp_path / "copy"
    for name in filter(None, names.stdout.split("\0")):
        source, place = ROOT / name, folder / name
        # Copy the two files that cleaning reads; an empty file stands for each of the others.
        if source.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(source.read_bytes() if name in ("Makefile", ".gitignore") else b"")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    return folder


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@posix
def test_cleaning_removes_what_was_made_and_nothing_that_is_tracked(copy: Path) -> None:
    built = (
        "kolide_ext",
        "kolide_ext.bundle/kolide_ext.ext",
        "kolide_ext.report.json",
        "packages/a.deb",
        ".work/x",
    )
    caches = (
        ".mypy_cache/x",
        ".ruff_cache/x",
        ".pytest_cache/x",
        ".hypothesis/x",
        "examples/__pycache__/x.pyc",
    )
    pycaches = [
        f"{folder}/__pycache__/x.pyc" for folder in ("sdk/osquery_sdk", "plugins/kolide_plugins", "build")
    ]
    for name in (*(f"build/{name}" for name in built), "dist/x.whl", *caches, *pycaches, ".venv/.deps"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("")
    changes = ["status", "--porcelain", "--ignored", "--untracked-files=all"]
    # git ignores all of these outputs.
    assert {line[:2] for line in git(copy, *changes).splitlines()} == {"A ", "!!"}
    subprocess.run(["make", "-C", copy, "clean"], capture_output=True, check=True)
    left = [line for line in git(copy, *changes).splitlines() if not line.startswith("A ")]
    assert left == ["!! .venv/.deps"]
