"""The signals that tell a program to stop."""

from __future__ import annotations

import os
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
    program = os.getpid()

    def told(number: int, frame: FrameType | None) -> None:
        if os.getpid() != program:
            # A process that an author's code has forked, as a pool does: it is not ours to say how that one ends.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        start_new_thread(act, (signal.Signals(number).name,))

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
