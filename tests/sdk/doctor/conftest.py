"""Installations that tests may break."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .support import IS_ROOT, OSQUERYI, Installation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def directory() -> Iterator[Path]:
    """A folder with a short path, that nobody else may write."""
    path = Path(tempfile.mkdtemp(prefix="osq-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def installation(directory: Path) -> Installation:
    return Installation(directory)


@pytest.fixture
def osquery() -> None:
    if OSQUERYI is None:
        pytest.skip("no osqueryi on PATH")


@pytest.fixture
def root() -> None:
    if not IS_ROOT:
        pytest.skip("needs root, to give files away")


@pytest.fixture
def mount(root: None) -> Iterator[Callable[[Path], None]]:
    """Mounts a file system that forbids programs."""
    mounted: list[Path] = []
    if shutil.which("mount") is None:
        pytest.skip("mount is not there")

    def do(path: Path) -> None:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "noexec,mode=755,size=1m", "tmpfs", str(path)],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
        mounted.append(path)

    yield do
    for path in mounted:
        subprocess.run(["umount", "-l", str(path)], check=True)
