"""The managers for these tests: osqueryd, where there is one, and the embedded engine."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from osquery_sdk import Extension

from ..support.osqueryd import Manager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from osquery_sdk import Table
    from osquery_sdk.asking.client import Client

    Serve = Callable[..., Client]

BOTH = ["engine", pytest.param("osqueryd", marks=pytest.mark.osqueryd)]


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory with a path that is short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="osq-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module", params=BOTH)
def manager(request: pytest.FixtureRequest) -> Iterator[Manager]:
    directory = Path(tempfile.mkdtemp(prefix="osq-"))
    made = Manager.engine(directory) if request.param == "engine" else Manager.osqueryd(directory)
    yield made
    made.close()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def serve(manager: Manager) -> Iterator[Serve]:
    """Serve tables from this process until the test ends; the result is a client."""
    with ExitStack() as stack:

        def start(*tables: Table, **options: object) -> Client:
            extension = Extension("written", version="1", plugins=tables, **options)  # type: ignore[arg-type]
            stack.callback(extension.start(manager.socket))
            return extension.client

        yield start
