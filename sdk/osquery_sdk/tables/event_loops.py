"""Asynchronous tables: run each call in an event loop of its own.

A process that is forked within a loop shares the loop's file descriptors with its parent. It must not come
back into the loop, not even to close it. So `_Selector` checks the process before each wait, and `run_async`
before it closes the loop.
"""

from __future__ import annotations

import asyncio
import os
import selectors
from typing import Any

from kolide_kit.author_code import SameProcess, end_if_forked


class _Selector(selectors.DefaultSelector):
    """A selector that ends a forked child before it would wait."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        super().__init__()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        end_if_forked(self._pid)
        return super().select(timeout)


def run_async(result: Any) -> Any:
    """Run an asynchronous table to its end.

    Args:
        result: the function's result, an asynchronous iterator or an awaitable.

    Returns:
        All rows that the iterator yields, or the result of the awaitable.
    """
    with asyncio.Runner(loop_factory=_loop) as runner, SameProcess():
        return runner.run(_collect(result))


def _loop() -> asyncio.AbstractEventLoop:
    # A program that set its own event loop policy gets the loops of that policy.
    if os.name != "posix" or type(asyncio.get_event_loop_policy()) is not asyncio.DefaultEventLoopPolicy:
        return asyncio.new_event_loop()
    return asyncio.SelectorEventLoop(_Selector())


async def _collect(result: Any) -> Any:
    with SameProcess():
        if hasattr(result, "__aiter__"):
            pid = os.getpid()
            rows = []
            async for row in result:
                end_if_forked(pid)
                rows.append(row)
            return rows
        result = await result
    return await _collect(result) if hasattr(result, "__aiter__") else result
