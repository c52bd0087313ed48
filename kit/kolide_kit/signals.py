"""Handles the signals that stop a program: ends its processes, and removes its temporary folders and sockets.

The handler raises no exception. An exception would be raised wherever the main thread is at the moment:
between the making of a folder and the `try` that removes it, or in the middle of removing it. Instead, while
the main thread stands still, the handler ends the processes that the program started and removes the folders
that it made; then it lets the signal end the process. Work begun within `with stop_handler()` is finished
first::

    signal ──► handler ──► within `with`? ──yes──► noted, and done when the `with` ends
                                │no
                                ▼
       SIGTERM to processes, SIGKILL after 3 s ──► folders removed ──► undo ──► the signal again, as default

`stop_handler` finds the process's one handler through `signal.getsignal`; no variable of a module holds it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from _thread import RLock, get_ident, start_new_thread
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import Popen
    from threading import Event
    from types import FrameType
    from typing import Any, Self

_NAMES = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGBREAK")
# Within this time an extension deregisters and removes its socket, even if its manager does not answer.
_GRACE = 3.0
_LOCKED = 5.0
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
_LOOK = 0.01
_REMOVALS = 20
_WAKES_AFTER = (0.0, 0.02, 0.2)
_ENDS_WITHIN = 1.0


class StopHandler:
    """The handler of the stop signals, and a list of the work to undo before the process ends.

    As a context manager, in any thread, it delays the end: things started and noted within are undone too.

    Attributes:
        act: called with a signal's name, in a thread of its own, instead of ending the process; for programs
            that end by themselves.
        folders: paths to remove, with their content.
        undo: functions to call in the main thread; they must take no lock, and import nothing.
    """

    def __init__(self) -> None:
        """Set up, in the main thread."""
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
        """Delay the end."""
        # The depth comes before the lock: the handler interrupts the main thread, and must not wait for a
        # lock that this thread is about to take.
        if get_ident() == self._main:
            self._depth += 1
        self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        """End the process now if a signal came meanwhile."""
        self._lock.release()
        if get_ident() == self._main:
            self._depth -= 1
            if not self._depth and self._waiting:
                self._end(self._waiting)

    @property
    def is_of_this_process(self) -> bool:
        """False in a forked child, which inherited the handler from its parent."""
        return os.getpid() == self._pid

    def add_process(self, process: Popen[Any]) -> None:
        """Note a process to end, together with its process group if it leads one."""
        self._processes = [known for known in self._processes if known.returncode is None]
        self._processes.append(process)

    def kill_processes(self) -> None:
        """Kill the noted processes at once; for a program that ends without a signal."""
        for process in self._processes:
            _send(process, _KILL, group=True)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if not self.is_of_this_process:
            _end_by(number)
        elif self.act is not None:
            # The main thread may be in `Event.wait`, and hold the lock that `Event.set` takes: a handler that
            # waited for it would wait for ever. `_thread` starts a thread without any lock of Python's
            # library.
            start_new_thread(self.act, (signal.Signals(number).name,))
        elif self._is_ending:
            return
        elif self._depth:
            self._waiting = number
        else:
            self._end(number)

    def _end(self, number: int) -> None:
        """Undo everything, and end the process by the signal."""
        # The handler stays installed: threads find its lock through it, and further signals change nothing.
        self._is_ending = True
        # Never released: from here on no thread can start anything.
        self._lock.acquire(timeout=_LOCKED)
        try:
            self._end_processes()
            for folder in list(self.folders):
                _remove(folder)
            for undo in reversed(list(self.undo)):
                with suppress(Exception):  # the rest still has to be undone
                    undo()
        finally:
            _end_by(number)

    def _end_processes(self) -> None:
        """Send SIGTERM to the processes, wait, and kill those that remain, with their groups."""
        living = [process for process in self._processes if process.returncode is None]
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
    """Return the process's handler.

    Where none is installed, as in a program that only uses the SDK, it is a new one, which no signal calls.
    """
    for number in _numbers():
        handler = signal.getsignal(number)
        if isinstance(handler, StopHandler) and handler.is_of_this_process:
            return handler
    return StopHandler()


@contextmanager
def ending_cleanly(*, interrupts: bool = True) -> Iterator[None]:
    """Have the stop signals end the program by the process's `StopHandler`. For a program's main thread.

    Only signals with their default action are handled. An ignored signal, as under nohup, stays ignored, and
    one with a handler keeps it. In another thread this does nothing.

    The main thread may wait in a system call: a second thread wakes it, see `_waking`.

    Args:
        interrupts: handle SIGINT too; otherwise it raises KeyboardInterrupt as before.
    """
    handler = stop_handler()
    changed: list[tuple[int, Any]] = []
    try:
        for number in _numbers():
            before = signal.getsignal(number)
            is_default = before in (signal.SIG_DFL, signal.default_int_handler)
            if is_default and (interrupts or number != signal.SIGINT):
                signal.signal(number, handler)
                changed.append((number, before))
    except ValueError:
        pass  # not the main thread
    try:
        with _waking() if changed and os.name == "posix" else nullcontext():
            yield
    finally:
        for number, before in changed:
            signal.signal(number, before)


@contextmanager
def _waking() -> Iterator[None]:
    """Wake the main thread for a signal that the kernel gave to another thread. For the main thread.

    The kernel may choose any thread. Python notes the signal there, and calls the handler in the main thread
    when that runs again, but a system call that it waits in is not interrupted. Python also writes the
    signal's number to the wake-up file, from which a thread here reads it. It then sends SIGURG, which nobody
    else uses, to the main thread::

        signal ──► any thread ──► number in the pipe ──► `_wake` ──► SIGURG ──► main thread ──► handler
    """
    if signal.getsignal(signal.SIGURG) is not signal.SIG_DFL:
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    former = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGURG, _nothing)
    running = RLock()
    try:
        start_new_thread(_wake, (reader, get_ident(), running))
        yield
    finally:
        signal.set_wakeup_fd(former)
        signal.signal(signal.SIGURG, signal.SIG_DFL)
        os.close(writer)  # ends the thread, which must not meet the end of Python
        running.acquire(timeout=_ENDS_WITHIN)


def _wake(reader: int, main: int, running: RLock) -> None:
    """Send SIGURG to the main thread for each signal that comes, until the pipe's other end is closed."""
    with running:
        while numbers := os.read(reader, 64):
            if set(numbers) == {signal.SIGURG}:
                continue
            # The main thread may be just about to begin a system call when the first one comes.
            for pause in _WAKES_AFTER:
                time.sleep(pause)
                signal.pthread_kill(main, signal.SIGURG)
        os.close(reader)


def _nothing(number: int, frame: FrameType | None) -> None:
    """Interrupt the system call of the main thread, by having a handler."""


def on_stop_signals(act: Callable[[str], object]) -> None:
    """Have the stop signals call `act` with the signal's name, in a thread of its own. For the main thread.

    SIGTERM is always handled, and SIGINT unless it is ignored. The others are handled if they have their
    default action: an ignored one, as SIGHUP under nohup, stays ignored.
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
    """Yield an event that a stop signal sets; a second signal ends the process. For the main thread."""
    import threading

    stop = threading.Event()
    on_stop_signals(lambda _: stop.set())
    try:
        yield stop
    finally:
        stop_handler().act = None


@contextmanager
def interrupting() -> Iterator[None]:
    """Have SIGINT raise KeyboardInterrupt within the context, unless it is ignored. For the main thread."""
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
    """Return the numbers of this system's stop signals."""
    return (getattr(signal, name) for name in _NAMES if hasattr(signal, name))


def _end_by(number: int) -> None:
    """End this process by a signal's default action, so that the parent sees which signal it was."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # Some systems do not deliver the signal at once, and some callers block it.
    os._exit(128 + number)


def _send(process: Popen[Any], number: int, *, group: bool = False) -> None:
    """Send a signal to a process, or to its group if it leads one; not to one that has been waited for."""
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
        pass  # the process has ended


def has_ended(process: Popen[Any]) -> bool:
    """Return True if a process has ended.

    On Linux it is not reaped by this: no other process can get its number.
    """
    if process.returncode is not None:
        return True
    if sys.platform != "linux":
        return process.poll() is not None
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _remove(folder: str) -> None:
    """Remove a folder, to which other threads may still be adding files."""
    from shutil import rmtree  # no import now: the module that makes folders has loaded it

    for _ in range(_REMOVALS):
        rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            return
        time.sleep(_LOOK)
