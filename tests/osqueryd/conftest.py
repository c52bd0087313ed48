"""Fixtures for managers: a test that takes `manager` runs with osqueryd and with the embedded engine."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..support.osqueryd import Manager

if TYPE_CHECKING:
    from collections.abc import Iterator

BOTH = ["engine", pytest.param("osqueryd", marks=pytest.mark.osqueryd)]
# Tests that take seconds run with osqueryd alone if there is one. The slow run does both.
LASTING = [pytest.param("engine", marks=[pytest.mark.slow] if shutil.which("osqueryd") else []), BOTH[1]]


def _manager(kind: str, directory: Path) -> Manager:
    return Manager.engine(directory) if kind == "engine" else Manager.osqueryd(directory)


@pytest.fixture
def directory() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="osq-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(params=BOTH)
def manager(request: pytest.FixtureRequest, directory: Path) -> Iterator[Manager]:
    made = _manager(request.param, directory)
    yield made
    made.close()


@pytest.fixture(params=LASTING)
def lasting_manager(request: pytest.FixtureRequest, directory: Path) -> Iterator[Manager]:
    """A manager for tests that take long: osqueryd, and in the slow run the engine, too."""
    made = _manager(request.param, directory)
    yield made
    made.close()


@pytest.fixture(scope="module", params=BOTH)
def shared_manager(request: pytest.FixtureRequest) -> Iterator[Manager]:
    """A manager for all tests of a module that leave nothing behind."""
    with tempfile.TemporaryDirectory(prefix="osq-", ignore_cleanup_errors=True) as path:
        made = _manager(request.param, Path(path))
        yield made
        made.close()
