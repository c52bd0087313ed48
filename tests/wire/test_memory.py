"""What large answers leave behind in the process that gave them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.wire.client import ExtensionConnection

from .support import call_bytes, connected, ping_works

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


def settled(process: ServerProcess) -> int:
    """The process's memory in bytes, once the thread that answered has let go of the answer."""
    lowest = process.rss()
    for _ in range(8):
        time.sleep(0.01)
        lowest = min(lowest, process.rss())
    return lowest


def answers(process: ServerProcess, plugin: str, count: int, megabytes: int, times: int) -> list[int]:
    """The process's memory in bytes after each of some answers."""
    request = call_bytes(plugin, {"count": str(count), "size": str(megabytes * MEGABYTE // count)})
    memory = []
    for _ in range(times):
        read_away(process.path, request, megabytes * MEGABYTE)
        assert ping_works(process.path)
        memory.append(settled(process))
    return memory


@pytest.mark.parametrize(("plugin", "count"), [("rows", 10), ("rows", 20_000), ("distinct", 20_000)])
def test_answers_of_twenty_megabytes(
    plugin: str, count: int, serve_apart: Callable[..., ServerProcess]
) -> None:
    memory = answers(serve_apart(), plugin, count, 20, 4)
    assert max(memory) - memory[0] < 10 * MEGABYTE, memory


@pytest.mark.slow
@pytest.mark.parametrize(("plugin", "count"), [("rows", 100), ("rows", 100_000), ("distinct", 100_000)])
def test_ten_answers_of_a_hundred_megabytes(
    plugin: str, count: int, serve_apart: Callable[..., ServerProcess]
) -> None:
    memory = answers(serve_apart(), plugin, count, 100, 10)
    assert max(memory) - memory[0] < 20 * MEGABYTE, memory


def test_encoding_an_answer_does_not_double_it(serve_apart: Callable[..., ServerProcess]) -> None:
    """Forty megabytes of rows that share one value cost far less than forty megabytes to send."""
    process = serve_apart()
    with ExtensionConnection(process.path) as extension:
        extension.call("table", "rows", {"count": "1", "size": "1"})
    before = process.rss()
    request = call_bytes("rows", {"count": "40000", "size": "1000"})
    read_away(process.path, request, 40 * 1000 * 1000)
    # The high-water mark, from the kernel.
    peak = next(
        int(line.split()[1]) * 1024
        for line in Path(f"/proc/{process.process.pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    assert peak - before < 20 * MEGABYTE


def test_large_requests_are_given_back(serve_apart: Callable[..., ServerProcess]) -> None:
    process = serve_apart()
    message = call_bytes("sleep", {"seconds": "0", "k": "v" * (16 * MEGABYTE)})
    memory = []
    for _ in range(4):
        read_away(process.path, message, 16 * MEGABYTE)
        memory.append(settled(process))
    assert max(memory) - memory[0] < 20 * MEGABYTE, memory
