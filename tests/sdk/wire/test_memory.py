"""Check that large messages leave no memory behind in the server's process."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.wire.client import ExtensionConnection
from osquery_sdk.wire.codec import Limits
from osquery_sdk.wire.protocol import RequestReader

from .support import call_bytes, connected, eventually, ping_works

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import ServerProcess

MEGABYTE = 1 << 20


def read_away(path: str, request: bytes, size: int) -> None:
    """Receive an answer of at least `size` bytes without keeping or decoding it."""
    left = size
    with connected(path, 60) as sock:
        sock.sendall(request)
        while left > 0:
            piece = sock.recv(MEGABYTE)
            assert piece
            left -= len(piece)


def assert_steady(process: ServerProcess, ask: Callable[[], None], times: int, megabytes: int) -> None:
    """Assert that after each `ask` the memory returns to that after the first one, within `megabytes`."""
    ask()
    time.sleep(0.3)
    first = process.rss()
    for _ in range(times - 1):
        ask()
        assert ping_works(process.path)
        # The thread that answered still refers to the answer for a moment.
        assert eventually(lambda: process.rss() - first < megabytes * MEGABYTE), process.rss() - first


def assert_answers_leave_nothing(
    process: ServerProcess, plugin: str, count: int, size: int, times: int, megabytes: int
) -> None:
    """Assert that answers of `size` megabytes in `count` rows leave less than `megabytes` behind."""
    request = call_bytes(plugin, {"count": str(count), "size": str(size * MEGABYTE // count)})
    assert_steady(process, lambda: read_away(process.path, request, size * MEGABYTE), times, megabytes)


@pytest.mark.parametrize(("plugin", "count"), [("rows", 10), ("rows", 20_000), ("distinct", 20_000)])
def test_answers_of_twenty_megabytes(
    plugin: str, count: int, serve_apart: Callable[..., ServerProcess]
) -> None:
    assert_answers_leave_nothing(serve_apart(), plugin, count, 20, 4, 10)


@pytest.mark.slow
@pytest.mark.parametrize(("plugin", "count"), [("rows", 100), ("rows", 100_000), ("distinct", 100_000)])
def test_ten_answers_of_a_hundred_megabytes(
    plugin: str, count: int, serve_apart: Callable[..., ServerProcess]
) -> None:
    assert_answers_leave_nothing(serve_apart(), plugin, count, 100, 10, 20)


def test_encoding_an_answer_does_not_double_it(serve_apart: Callable[..., ServerProcess]) -> None:
    """Forty megabytes of rows that share one value cost far less than forty megabytes to send."""
    process = serve_apart()
    with ExtensionConnection(process.path) as extension:
        extension.call("table", "rows", {"count": "1", "size": "1"})
    before = process.rss()
    request = call_bytes("rows", {"count": "40000", "size": "1000"})
    read_away(process.path, request, 40 * 1000 * 1000)
    # The highest resident memory so far, from the kernel.
    peak = next(
        int(line.split()[1]) * 1024
        for line in Path(f"/proc/{process.process.pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    assert peak - before < 20 * MEGABYTE


def test_large_requests_are_given_back(serve_apart: Callable[..., ServerProcess]) -> None:
    process = serve_apart()
    message = call_bytes("sleep", {"seconds": "0", "k": "v" * (16 * MEGABYTE)})
    assert_steady(process, lambda: read_away(process.path, message, 16 * MEGABYTE), 4, 20)


def test_requests_that_were_never_finished_are_given_back(serve_apart: Callable[..., ServerProcess]) -> None:
    process = serve_apart(message_timeout=0.5)
    ping_works(process.path)
    before = process.rss()
    message = call_bytes("sleep", {"seconds": "0", "k": "v" * (16 * MEGABYTE)})
    for _ in range(4):
        with connected(process.path, 60) as sock:
            sock.sendall(message[:-1])
        assert eventually(lambda: process.rss() - before < 10 * MEGABYTE), process.rss() - before


def test_a_reader_that_is_dropped_waits_for_no_garbage_collector() -> None:
    import gc
    import weakref

    class Watched(RequestReader):
        """A reader that can have a weak reference, since it has no slots."""

    gc.collect()
    gc.disable()
    try:
        reader = Watched(Limits())
        reader.feed(call_bytes("t", {"k": "v"})[:-5])
        watched = weakref.ref(reader)
        del reader
        assert watched() is None
    finally:
        gc.enable()
