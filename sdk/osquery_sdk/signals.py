"""The signals that tell a program to stop, and what has to go with it: processes, temporary folders, sockets.

An exception out of a signal's handler would be raised wherever the main thread happens to be: between the making of a
folder and the `try` that removes it, or in the middle of removing it. So there is none. The handler itself ends what the
program has started and removes what it has made, while the main thread stands still, and then lets the signal end the
process. What is begun within `with stop_handler()` is finished first::

    signal ──► handler ──► within `with`? ──yes──► noted, and done when the `with` ends
                                │no
                                ▼
       SIGTERM to processes, SIGKILL after 3 s ──► folders removed ──► undo ──► the signal again, by its default

The handler is found by way of `signal.getsignal`: the process has one, and there is no other place that knows it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from _thread import RLock, get_ident, start_new_thread
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import Popen
    from threading import Event
    from types import FrameType, TracebackType
    from typing import Any, Self

__all__ = [
    "StopHandler",
    "ending_cleanly",
    "has_ended",
    "interrupting",
    "on_stop_signals",
    "stop_handler",
    "stopping",
]

_NAMES = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGBREAK")
# An extension deregisters and removes its socket within this time, even if its manager does not answer.
_GRACE = 3.0
_LOCKED = 5.0
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
_LOOK = 0.01
_REMOVALS = 20


class StopHandler:
    """The handler of the stop signals, and what it undoes before the process ends.

    As a context manager, from any thread, it puts the end off: what is started and noted within is seen by it.

    Attributes:
        act: called with a signal's name, from a thread of its own, in place of all that; for programs that end by themselves.
        folders: paths to remove, with all that is in them.
        undo: called in the main thread; they may take no lock, and import nothing.
    """

    def __init__(self) -> None:
        """Note nothing yet; made in the main thread."""
        self.act: Callable[[str], object] | None = None
        self.folders: set[str] = set()
        self.undo: list[Callable[[], object]] = []
        self._processes: list[Popen[Any]] = []
        self._pid = os.getpid()
        self._main = get_ident()
        self._lock = RLock()
        self._depth = 0
        self._waiting = 0
        self._is_ending = False

    def __enter__(self) -> Self:
        """Put the end off."""
        # In this order: the handler, which interrupts the main thread, must not wait for a lock that the thread is about to take.
        if get_ident() == self._main:
            self._depth += 1
        self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End now if a signal came meanwhile."""
        self._lock.release()
        if get_ident() == self._main:
            self._depth -= 1
            if not self._depth and self._waiting:
                self._end(self._waiting)

    @property
    def is_of_this_process(self) -> bool:
        """False in a forked child, to which the handler came from its parent."""
        return os.getpid() == self._pid

    def add_process(self, process: Popen[Any]) -> None:
        """Note a process to end, with all of its process group if it leads one."""
        self._processes = [one for one in self._processes if one.returncode is None]
        self._processes.append(process)

    def kill_processes(self) -> None:
        """Kill them at once; for a program that ends without a signal of its own."""
        for process in self._processes:
            _send(process, _KILL, group=True)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if not self.is_of_this_process:
            _end_by(number)
        elif self.act is not None:
            # The main thread may be within `Event.wait` and hold the very lock that `Event.set` takes: a handler that waited
            # for it would wait for ever. A bare thread is started without any lock of Python's library.
            start_new_thread(self.act, (signal.Signals(number).name,))
        elif self._is_ending:
            return
        elif self._depth:
            self._waiting = number
        else:
            self._end(number)

    def _end(self, number: int) -> None:
        """Undo everything, and end the process by the signal."""
        # It stays installed: threads find its lock by it, and further signals change nothing.
        self._is_ending = True
        # It is not released again: no thread starts anything from here on.
        self._lock.acquire(timeout=_LOCKED)
        try:
            self._end_processes()
            for folder in list(self.folders):
                _remove(folder)
            for undo in reversed(list(self.undo)):
                with suppress(Exception):  # whatever it is, the rest is still to be undone
                    undo()
        finally:
            _end_by(number)

    def _end_processes(self) -> None:
        """Ask them to end, wait, and kill what is left of them and of what they have started."""
        living = [one for one in self._processes if one.returncode is None]
        for process in living:
            _send(process, signal.SIGTERM)
        end = time.monotonic() + _GRACE
        while time.monotonic() < end and not all(map(has_ended, living)):
            time.sleep(_LOOK)
        for process in living:
            _send(process, _KILL, group=True)
        while time.monotonic() < end + _GRACE and not all(map(has_ended, living)):
            time.sleep(_LOOK)


def stop_handler() -> StopHandler:
    """Return the process's handler; one that nobody calls where none is installed, as in a program that only uses the SDK."""
    for number in _numbers():
        handler = signal.getsignal(number)
        if isinstance(handler, StopHandler) and handler.is_of_this_process:
            return handler
    return StopHandler()


@contextmanager
def ending_cleanly(*, interrupts: bool = True) -> Iterator[None]:
    """Have the stop signals undo what is in the process's `StopHandler`. For a program's main thread.

    Only signals with their default action are handled: one that is ignored, as under nohup, stays so, and one that has a
    handler keeps it. Elsewhere than in the main thread this does nothing.

    Args:
        interrupts: handle SIGINT too; otherwise it raises KeyboardInterrupt as before.
    """
    handler = stop_handler()
    changed: list[tuple[int, Any]] = []
    try:
        for number in _numbers():
            before = signal.getsignal(number)
            if before in (signal.SIG_DFL, signal.default_int_handler) and (
                interrupts or number != signal.SIGINT
            ):
                signal.signal(number, handler)
                changed.append((number, before))
    except ValueError:
        pass  # not the main thread
    try:
        yield
    finally:
        for number, before in changed:
            signal.signal(number, before)


def on_stop_signals(act: Callable[[str], object]) -> None:
    """Have the stop signals call `act` with the signal's name, from a thread of its own. For the main thread.

    SIGTERM is handled whatever it did before, and SIGINT unless it is ignored. The others are handled if they have their
    default action: one that is ignored, as SIGHUP under nohup, stays so.
    """
    handler = stop_handler()
    handler.act = act
    for number in _numbers():
        before = signal.getsignal(number)
        is_ours = number == signal.SIGTERM or (number == signal.SIGINT and before is not signal.SIG_IGN)
        if is_ours or before is signal.SIG_DFL:
            signal.signal(number, handler)


@contextmanager
def stopping() -> Iterator[Event]:
    """Give an event that a stop signal sets meanwhile; the one after ends the process. For the main thread."""
    import threading

    stop = threading.Event()
    on_stop_signals(lambda _: stop.set())
    try:
        yield stop
    finally:
        stop_handler().act = None


@contextmanager
def interrupting() -> Iterator[None]:
    """Have SIGINT raise KeyboardInterrupt meanwhile, unless it is ignored. For the main thread."""
    before = signal.getsignal(signal.SIGINT)
    if not isinstance(before, StopHandler):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _numbers() -> Iterator[int]:
    """The stop signals of this system."""
    return (getattr(signal, name) for name in _NAMES if hasattr(signal, name))


def _end_by(number: int) -> None:
    """End this process by a signal, as one that does not handle it: who waits for it sees which."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # Some systems do not deliver it at once, and some callers block it.
    os._exit(128 + number)


def _send(process: Popen[Any], number: int, *, group: bool = False) -> None:
    """Send a signal to a process, or to all of its group if it leads one; to none that has been waited for."""
    if process.returncode is not None:
        return
    try:
        if sys.platform == "win32":
            process.terminate()
        elif group and os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, number)
        else:
            os.kill(process.pid, number)
    except OSError:
        pass  # it has ended


def has_ended(process: Popen[Any]) -> bool:
    """Whether a process has ended; where the system can tell without, it is not waited for, and keeps its number."""
    if process.returncode is not None:
        return True
    if sys.platform != "linux":
        return process.poll() is not None
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _remove(folder: str) -> None:
    """Remove a folder; other threads may still be putting something into it."""
    from shutil import rmtree  # loaded already: folders are made with it

    for _ in range(_REMOVALS):
        rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            return
        time.sleep(_LOOK)
