"""Makes temporary folders and starts other programs that do not outlive this one.

A stop signal ends and removes them; see `signals.py`.
"""

import contextlib
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Sequence
from typing import Any

from .signals import has_ended, stop_handler

_AFTER_KILL = 2.0
_LOOK = 0.05


class TemporaryFolder:
    """A temporary folder, which is removed when the program ends at the latest.

    As a context manager it gives its path.

    `tempfile.TemporaryDirectory` would also be removed at the end of a process that the program forked.

    Args:
        prefix: the beginning of the folder's name.
        folder: the folder to make it in; the system's temporary folder unless given.
    """

    def __init__(self, prefix: str, folder: str | os.PathLike[str] | None = None) -> None:
        """Make the folder."""
        with stop_handler() as handler:
            self.name = tempfile.mkdtemp(prefix=prefix, dir=folder)
            handler.folders.add(self.name)
        self._remove = weakref.finalize(self, _remove, self.name, os.getpid())

    def __enter__(self) -> str:
        """Return the path."""
        return self.name

    def __exit__(self, *_: object) -> None:
        """Remove the folder."""
        self.cleanup()

    def cleanup(self) -> None:
        """Remove the folder with its content."""
        self._remove()
        stop_handler().folders.discard(self.name)


def _remove(folder: str, pid: int) -> None:
    """Remove a folder, but only in the process that made it."""
    if os.getpid() != pid:
        return
    shutil.rmtree(folder, ignore_errors=True)
    if os.path.lexists(folder):
        for inside, names, _ in os.walk(folder):
            for name in names:
                path = os.path.join(inside, name)  # noqa: PTH118
                if not os.path.islink(path):  # noqa: PTH114
                    os.chmod(path, 0o700)  # noqa: PTH101
        shutil.rmtree(folder, ignore_errors=True)


def start_process(command: Sequence[str | os.PathLike[str]], **options: Any) -> subprocess.Popen[bytes]:
    """Start a program in a process group of its own, where the system has groups; a stop signal ends it too.

    Args:
        command: the program and its arguments.
        options: those of `subprocess.Popen`.

    Raises:
        OSError: the program cannot be started.
    """
    with stop_handler() as handler:
        process = subprocess.Popen(command, process_group=0 if os.name == "posix" else None, **options)
        handler.add_process(process)
    return process


def run_process(
    command: Sequence[str | os.PathLike[str]], *, timeout: float, **options: Any
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end, without standard input, and return its output.

    Args:
        command: the program and its arguments.
        timeout: seconds after which the program and the processes that it started are killed.
        options: those of `subprocess.Popen`; both outputs are caught unless the options say otherwise.

    Raises:
        OSError: the program cannot be started.
        subprocess.TimeoutExpired: the program was killed.
    """
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with start_process(command, **(streams | options)) as process:
        try:
            output, errors = process.communicate(timeout=timeout)
        except BaseException:
            kill_group(process)
            # A process that has left the group may hold the pipes open for ever.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=_AFTER_KILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def wait_for_end(process: subprocess.Popen[Any], seconds: float) -> bool:
    """Wait for a program's end for some seconds; return True if it has ended.

    On Linux the process is not reaped: no other process can get its number.
    """
    if seconds == math.inf and sys.platform == "linux":
        with contextlib.suppress(ChildProcessError):  # it has been reaped elsewhere
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        return True
    end = time.monotonic() + seconds
    pause = 0.0005
    while not has_ended(process):
        left = end - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(2 * pause, _LOOK)
    return True


def kill_group(process: subprocess.Popen[Any]) -> None:
    """Kill a program that `start_process` started, and the processes that it started.

    Call it before the program is waited for: until then no other process can have its number.
    """
    if os.name != "posix":
        process.kill()
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # all of them have ended
