"""Hosts and extensions for the engine's tests, and a watch for what a test leaves behind."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.engine import Host

from .live import LiveExtension

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .live import LiveTable

    Extend = Callable[..., LiveExtension]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Check that the engine's threads that a test started have ended."""
    before = set(threading.enumerate())
    yield
    end = time.monotonic() + 5
    while time.monotonic() < end:
        left = [
            thread
            for thread in set(threading.enumerate()) - before
            if thread.name.startswith(("extension-watcher", "extension-process"))
        ]
        if not left:
            return
        time.sleep(0.01)
    pytest.fail(f"threads left behind: {left}")


@pytest.fixture
def host() -> Iterator[Host]:
    """A host without extensions, whose first ping comes after the test."""
    with Host(options={"extensions_interval": "600"}) as host:
        yield host


@pytest.fixture
def extend(host: Host) -> Iterator[Extend]:
    """Register tables at the host: `extend({"name": table}, name="extension")`."""
    extensions: list[LiveExtension] = []

    def extend(tables: dict[str, LiveTable], *, name: str = "live") -> LiveExtension:
        extensions.append(LiveExtension(host.socket, tables, name=name))
        return extensions[-1]

    yield extend
    for extension in extensions:
        extension.stop()
