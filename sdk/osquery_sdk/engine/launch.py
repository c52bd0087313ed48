"""Start extensions as osqueryd does, and end them with all processes that they started.

Facts from `PlatformProcess::launchExtension`: the command is
``PATH [--verbose] --socket S --timeout N --interval N``, and OSQUERY_EXTENSION in its environment has the
extension's own pid.
"""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
from collections import deque
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from kolide_kit.author_code import Log
from kolide_kit.processes import kill_group, start_process, wait_for_end

from ..errors import LaunchError, ProjectError
from .projects import PROJECT_FILE, find_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MAIN = "__main__.py"
_LINES_KEPT = 20
_MAX_SOURCE = 1 << 20
_OLD_IMPORT = re.compile(rb"^\s*(?:import|from) +osquery\b(?!_)", re.MULTILINE)
_ANY_PYTHON = re.compile(rb"#! */usr/bin/env +python3?\s*\Z")
_MAX_FIRST_LINE = 256
_RESPAWN_DELAY = 1.0
# Seconds in which a busy machine reads what a program wrote before its end. They pass only if another process
# holds its standard output open.
_LAST_WORDS = 3.0
# The shell puts its own pid into the environment and then becomes the extension.
_WRAPPER = ("/bin/sh", "-c", 'OSQUERY_EXTENSION=$$ exec "$@"', "sh")


def command_line(path: str | os.PathLike[str]) -> list[str]:
    """Return the command that runs an extension.

    Args:
        path: one of

            - a program
            - a Python file; this Python runs it, unless it is executable and its first line names another one
            - a folder with a `__main__.py`
            - a folder with a pyproject.toml that has one entry in `[project.scripts]`
            - the name of a Python module in the working directory, or of one that is installed

    Raises:
        LaunchError: there is no such file or module, or it cannot be run.
    """
    file = Path(path)
    python = [] if getattr(sys, "frozen", False) else [sys.executable]
    if python and file.is_dir() and any((file / name).is_file() for name in (_MAIN, PROJECT_FILE)):
        return [*python, *_folder_arguments(file.absolute())]
    if not file.is_file():
        if python and module_path(str(path)) is not None:
            return [*python, "-m", str(path)]
        if python and file.is_dir():
            raise LaunchError(
                f"no such extension: {file} has no {PROJECT_FILE}, and is a folder without a {_MAIN}"
            )
        raise LaunchError(
            f"no such extension: {file} is not a file" + (" or a Python module" if python else "")
        )
    is_python = file.suffix.lower() == ".py"
    # Run Python files without a first line by Python: the system would hand them to a shell.
    if os.access(file, os.X_OK) and not (python and is_python and (os.name == "nt" or not _says_how(file))):
        return [str(file.absolute())]
    if not is_python:
        raise LaunchError(f"{file} is not executable; run chmod +x on it")
    if not python:
        raise LaunchError(f"{file} is not executable, and a frozen program has no Python to run it with")
    return [*python, str(file.absolute())]


def _folder_arguments(folder: Path) -> list[str]:
    """Return Python's arguments for a folder: a project runs by its entry, a package as with `python -m`."""
    if not (folder / _MAIN).is_file():
        try:
            entry = find_entry(folder / PROJECT_FILE)
        except ProjectError as error:
            raise LaunchError(str(error)) from error
        places = [str(place) for place in (folder, folder / "src") if place.is_dir()]
        return ["-c", f"import sys; sys.path[:1] = {places}; sys.argv[0] = {entry.name!r}\n{entry.source}"]
    if not (folder / "__init__.py").is_file():
        return [str(folder)]
    top = folder
    while (top.parent / "__init__.py").is_file():
        top = top.parent
    package = ".".join(folder.relative_to(top.parent).parts)
    start = f"runpy.run_module({package!r}, run_name='__main__', alter_sys=True)"
    return ["-c", f"import runpy, sys; sys.path[:1] = [{str(top.parent)!r}]; {start}"]


def _says_how(file: Path) -> bool:
    """Return True if the first line names the program that runs the file.

    "Any Python" does not count: the Python that runs this has the SDK.
    """
    try:
        with file.open("rb") as opened:
            first = opened.readline(_MAX_FIRST_LINE)
    except OSError:  # a program that may be run and not read
        return True
    return first.startswith(b"#!") and not _ANY_PYTHON.match(first)


def old_command_line(path: str | os.PathLike[str]) -> list[str] | None:
    """Return the command that runs a Python file with this SDK in place of PyPI's `osquery` package.

    None if the file does not import that package.
    """
    file = Path(path)
    if getattr(sys, "frozen", False) or not file.is_file():
        return None
    try:
        with file.open("rb") as opened:
            source = opened.read(_MAX_SOURCE)
    except OSError:
        return None
    is_python = file.suffix.lower() == ".py" or (
        source.startswith(b"#!") and b"python" in source.split(b"\n", 1)[0]
    )
    if not is_python or not _OLD_IMPORT.search(source):
        return None
    return [sys.executable, "-m", "osquery_sdk.compat", str(file.absolute())]


def module_path(name: str) -> Path | None:
    """Return the package's folder, or the module's file, that `python -m NAME` runs; None without one."""
    from importlib.machinery import PathFinder

    if not all(part.isidentifier() for part in name.split(".")):
        return None
    folders = [os.getcwd(), *sys.path]  # noqa: PTH109  as Python does
    spec = PathFinder.find_spec(name.partition(".")[0], folders)
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return None if spec.origin is None else Path(spec.origin)


class ExtensionProcess:
    """An extension in a process of its own.

    Args:
        path: see `command_line`.
        arguments: arguments after the path.
        respawn: start the extension again a second after it ended by itself.
        on_line: gets each line that the extension writes to standard output or error. `last_lines` has the
            latest ones.
        replace_osquery: give a file that imports PyPI's `osquery` package this SDK instead.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        arguments: Sequence[str] = (),
        *,
        respawn: bool = False,
        on_line: Callable[[str], None] | None = None,
        replace_osquery: bool = False,
    ) -> None:
        """Start the process."""
        self.path = str(path)
        replaced = old_command_line(path) if replace_osquery else None
        self._command = [*(replaced or command_line(path)), *arguments]
        self._respawn = respawn
        self._on_line = on_line
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._stopping = Event()
        self._lock = Lock()
        self._owner = os.getpid()
        self._process = self._start()
        self._keeper = Thread(target=self._keep, name="extension-process", daemon=True)
        self._keeper.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """The exit status, negative for a signal; None while the extension runs."""
        return self._process.returncode

    @property
    def last_lines(self) -> list[str]:
        """The last lines that the extension wrote to standard output or error, at most 20."""
        return list(self._lines)

    def describe_exit(self) -> str:
        """Return one line with the exit status and the last lines."""
        # The last lines may not have been read yet. The keeper of a program that is started again never ends.
        self._keeper.join(0.5 if self._respawn else _LAST_WORDS + 0.5)
        status = self.exit_status
        if status is not None and status < 0:
            how = f"was killed by {signal.Signals(-status).name}"
        else:
            how = f"exited with status {status}"
        lines = " | ".join(self._lines)
        return f"{self.path} {how}" + (f": {lines}" if lines else "")

    def _start(self) -> subprocess.Popen[bytes]:
        command = [*_WRAPPER, *self._command] if os.name != "nt" else self._command
        try:
            # In a process group of its own: Ctrl-C on a terminal reaches the host alone, and the group can be
            # killed.
            return start_process(
                command,
                stdin=subprocess.DEVNULL,
                # Join them: the standard output of this process is not for the prints of an author's code.
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OSQUERY_EXTENSIONS": "true"},
            )
        except OSError as exc:
            raise LaunchError(f"cannot start {self.path}: {exc.strerror or exc}") from exc

    def _keep(self) -> None:
        """Read the extension's lines until it ends, and start it again if it has to respawn."""
        while True:
            process = self._process
            reader = Thread(target=self._read, args=(process,), name="extension-lines", daemon=True)
            reader.start()
            wait_for_end(process, math.inf)
            # Kill the processes that the extension started: they may hold its standard error open.
            kill_group(process)
            process.wait()
            reader.join(_LAST_WORDS)
            if not self._respawn or self._stopping.wait(_RESPAWN_DELAY):
                return
            with self._lock:
                if self._stopping.is_set():
                    return
                try:
                    self._process = self._start()
                except LaunchError as exc:
                    self._lines.append(str(exc))
                    return

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        stream = process.stdout
        assert stream is not None
        with stream:
            for raw in stream:
                line = raw.decode(errors="replace").rstrip()
                self._lines.append(line)
                if self._on_line is not None:
                    # `Log` keeps errors of `on_line` away: the extension would block if its pipe were not
                    # read.
                    Log(self._on_line)(line)

    def stop(self, *, grace: float = 2.0, was_told: bool = True) -> None:
        """End the extension: wait for it, then send SIGTERM, then SIGKILL to it and all that it started.

        Args:
            grace: seconds to wait at each step.
            was_told: the extension was asked to shut down, so it may end by itself.
        """
        if os.getpid() != self._owner:
            return  # this is a fork of the process that started the extension
        with self._lock:
            self._stopping.set()
        process = self._process
        if not wait_for_end(process, grace if was_told else 0):
            process.terminate()
            wait_for_end(process, grace)
        kill_group(process)
        process.wait()
        self._keeper.join(grace)
