"""A small extension, frozen once for all tests in both forms, and the bundled one if `make build` made it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from ...support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
SOURCE = HERE / "source"
EPOCH = 1_700_000_000
# Each build has them: a freeze for each option would take the tests half an hour.
OPTIONS = ("--include", "named", "--data", "phrases")


class Frozen(NamedTuple):
    """The report of `osquery-sdk build --json`, and the folder of the build."""

    program: Path
    link: Path
    """The file that a person runs."""
    facts: dict[str, Any]


def build(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`osquery-sdk build`, from a folder that has nothing to do with it."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [sys.executable, "-m", "osquery_sdk.cli.main", "build", *map(str, arguments)],
        cwd="/",
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def build_small(
    source: Path, form: str, *arguments: str | Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Build the small extension out of a new copy of its sources."""
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
    options = [*OPTIONS, *(["--onefile"] if form == "onefile" else [])]
    environment = {"SOURCE_DATE_EPOCH": str(EPOCH), **environment}
    return build(source / "small.py", "--json", *options, *arguments, **environment)


def needs_pyinstaller() -> None:
    """Skip where nothing can be frozen: PyInstaller calls these programs."""
    pytest.importorskip("PyInstaller", reason="PyInstaller is not installed")
    missing = [name for name in ("ldd", "objdump", "objcopy", "strip") if shutil.which(name) is None]
    if sys.platform == "linux" and missing:
        pytest.skip(f"not there, and needed to freeze: {', '.join(missing)}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests here time for a freeze: a minute, or several on a busy machine."""
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(400))


class Freezer:
    """Builds each thing once, even for several workers."""

    def __init__(self, shared: Path) -> None:
        self.shared = shared
        shared.mkdir(exist_ok=True)

    def once(self, name: str, make: Callable[[Path, Path], subprocess.CompletedProcess[str]]) -> Frozen:
        """Call `make` with folders for a copy of the sources and for the output, unless somebody has."""
        result = self.shared / f"{name}.json"
        with (self.shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not result.exists():
                # Outside of the checkout, whose commit may be another one before the tests are done.
                source = self.shared / f"{name}-source"
                shutil.rmtree(source, ignore_errors=True)  # of a build that was broken off
                done = make(source, self.shared / name)
                assert done.returncode == 0, done.stderr
                result.write_text(done.stdout)
        facts = json.loads(result.read_text())
        program = Path(facts["program"])
        return Frozen(program, Path(facts["link"] or program), facts)

    def __call__(self, form: str) -> Frozen:
        """The small extension in one of the forms."""
        return self.once(form, lambda source, output: build_small(source, form, "--output", output))


@pytest.fixture(scope="session")
def freeze(tmp_path_factory: pytest.TempPathFactory) -> Freezer:
    """Builds a form once, even for several workers."""
    needs_pyinstaller()
    base = tmp_path_factory.getbasetemp()
    return Freezer((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "frozen")


@pytest.fixture(scope="session")
def folder(freeze: Callable[[str], Frozen]) -> Frozen:
    """The small extension, one-folder."""
    return freeze("folder")


@pytest.fixture(scope="session")
def onefile(freeze: Callable[[str], Frozen]) -> Frozen:
    """The small extension, one-file."""
    return freeze("onefile")


@pytest.fixture(params=["folder", "onefile"])
def either(request: pytest.FixtureRequest, freeze: Callable[[str], Frozen]) -> Frozen:
    """Each form."""
    return freeze(request.param)


@pytest.fixture(scope="session")
def bundled() -> Path:
    """The program of `make build`."""
    program = ROOT / "build" / "kolide_ext.bundle" / "kolide_ext.ext"
    if not program.exists():
        pytest.skip("no build/kolide_ext.bundle; run make build")
    return program


@pytest.fixture
def directory() -> Iterator[Path]:
    """A folder with a path that is short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="osq-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)
