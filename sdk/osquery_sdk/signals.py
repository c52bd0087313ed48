"""The signals that tell a program to stop."""

from __future__ import annotations

import signal
from _thread import start_new_thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["on_stop_signals"]


def on_stop_signals(act: Callable[[str], object]) -> None:
    """Have SIGTERM and SIGINT call `act` with the signal's name, from a thread of its own. For the main thread.

    Python runs a handler in the main thread, wherever that is. If it is within `Event.wait`, it may hold the very lock that
    `Event.set` takes, and then the handler would wait for ever. A bare thread is started without any lock of Python's library.
    """

    def told(number: int, frame: FrameType | None) -> None:
        start_new_thread(act, (signal.Signals(number).name,))

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
