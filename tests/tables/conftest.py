"""Fixtures for the tests of tables: the oracles' programs, made-up users, and the files that were opened."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ..support.homes import Link, Users
from ..support.paths import FIXTURES
from ..support.systemd import systemd_machine
from ..support.tools import Run

__all__ = ["systemd_machine"]


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """Return the folder of inputs made by the real tools, with those tools' answers."""
    return FIXTURES / "tables"


@pytest.fixture(scope="session")
def run() -> Run:
    """Return `run(program, *arguments)`, which returns the output, or skips the test without the program."""

    def call(program: str, *arguments: object, check: bool = True, **options: Any) -> str:
        path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if path is None:
            pytest.skip(f"{program} is not installed: it is the oracle of this test")
        done = subprocess.run(
            [path, *map(str, arguments)], capture_output=True, text=True, timeout=60, **options
        )
        if check:
            assert done.returncode == 0, f"{program} {arguments}: {done.stderr}"
        return done.stdout

    return call


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Users:
    """Replace this machine's users by none; the test adds its own."""
    return Users(tmp_path, monkeypatch)


@pytest.fixture
def link() -> Link:
    """Return `link(path, target)`, which makes a link that is not root's, whoever runs the tests."""

    def make(path: Path, target: object) -> None:
        path.symlink_to(str(target))
        if os.geteuid() == 0:
            os.lchown(path, 65534, 65534)

    return make


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of all files that tables have opened, in order; clear it after what the test itself does."""
    paths: list[str] = []
    real = os.open

    def spy(path: Any, *arguments: Any, **options: Any) -> int:
        paths.append(os.fspath(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", spy)
    return paths
