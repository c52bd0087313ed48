"""Asynchronous tables: an event loop for each call.

A process that is forked within a loop shares with its parent what the loop waits on. So it must not come back
into the loop, not even to close it. The check comes before each wait, and before the loop is closed.
"""

from __future__ import annotations

import asyncio
import os
import selectors
from typing import Any

from .authors import SameProcess, end_if_forked


class _Selector(selectors.DefaultSelector):
    """Waits in the process that made it, and in no other."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        super().__init__()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        end_if_forked(self._pid)
        return super().select(timeout)


def run_async(result: Any) -> Any:
    """Run an asynchronous table to its end.

    Args:
        result: what its function returned, an asynchronous iterator or an awaitable.

    Returns:
        All rows that it yields, or what it returns.
    """
    with asyncio.Runner(loop_factory=_loop) as runner, SameProcess():
        return runner.run(_collect(result))


def _loop() -> asyncio.AbstractEventLoop:
    # A program with a policy of its own has its reasons, and loops that are made in other ways.
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


__all__ = ["run_async"]
