"""Run an extension under development, and start it again when its files change: the command `run`."""

from __future__ import annotations

import os
import re
import threading
import time
from itertools import islice
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING

from kolide_kit.author_code import to_stderr
from kolide_kit.signals import stopping

from ..errors import WireError
from .exit_codes import Misuse, require_input
from .output import add_forms, check_forms
from .pager import add_pager, chosen_pager
from .parser import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator
    from typing import Self

    from ..engine import ExtensionProcess

_POLL = 0.25
_REGISTERS_WITHIN = 10.0
_MOST_FILES = 2_000
_PLACE = re.compile(r'  File "(.+)", line (\d+)')
_OF_TRACEBACKS = ("Traceback (most recent call last):", "During handling of the ", "The above exception was ")


def run_extension_command() -> Command:
    """Return the command `run`."""

    def add_arguments(parser: ArgumentParser) -> None:
        parser.add_argument("extension", metavar="EXTENSION", help="a program, Python file, folder or module")
        parser.add_argument(
            "--socket",
            metavar="PATH",
            help="serve osquery at this socket until Ctrl-C (instead, open a shell)",
        )
        add_forms(parser)
        add_pager(parser)

    return Command(
        "run",
        "serve an extension, and start it again when its files change",
        ("run hello", "run ./hello.py --socket ~/.osquery/shell.em"),
        add_arguments,
        _run,
    )


def _run(options: Namespace) -> int:
    from ..engine.launch import command_line, old_command_line

    check_forms(options)

    if old_command_line(options.extension) is None:
        # An extension that cannot be run at the start is a mistake; later failures are work in progress.
        command_line(options.extension)
    if options.socket:
        if not Path(options.socket).exists():
            raise Misuse(
                f"no socket at {options.socket}; start osquery with --extensions_socket {options.socket}"
            )
        with Reloader(options.extension, options.socket, verbose=options.verbose), stopping() as stop:
            stop.wait()
        return 0
    from .hints import ReloadingHost
    from .shell import Shell

    require_input()
    with (
        ReloadingHost() as host,
        Reloader(options.extension, host.socket, verbose=options.verbose) as reloader,
    ):
        host.reloader = reloader
        return Shell(host, form=options.form, typed=options.typed, pager=chosen_pager(options)).run()


class Reloader:
    """A runner that keeps an extension registered at a manager, and restarts it when its files change.

    A thread looks for changes every quarter of a second. `refresh` does so at once, before a statement.

    Args:
        extension: program, file, folder or module; see `engine.launch.command_line`.
        socket: the manager's socket.
        verbose: start the extension with `--verbose`.
        say: gets each line for the developer; standard error unless given.
    """

    def __init__(
        self, extension: str, socket: str, *, verbose: bool = False, say: Callable[[str], None] | None = None
    ) -> None:
        """Set up; `__enter__` starts the extension."""
        self._extension = extension
        self._socket = socket
        self._arguments = ["--socket", socket, "--timeout", "3", "--interval", "3"]
        if verbose:
            self._arguments.append("--verbose")
        self._say = say or to_stderr
        self._is_verbose = verbose
        self._process: ExtensionProcess | None = None
        self._place = ""
        self._in_traceback = False
        self._source = ""
        self._error = ""
        self._trouble = ""
        self._reported = False
        self._turn = threading.Lock()
        self._end = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="extension-reloader", daemon=True)

    def __enter__(self) -> Self:
        """Start the extension, and wait until it has registered or failed."""
        self._files = fingerprint(self._extension)
        self._start()
        self._watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop the thread and the extension."""
        self._end.set()
        self._watcher.join(_REGISTERS_WITHIN)
        self._stop()

    def refresh(self) -> None:
        """Start the extension again if one of its files has changed. Wait for a start that is under way."""
        with self._turn:
            files = fingerprint(self._extension)
            if files == self._files or self._end.is_set():
                return
            changed = sorted(Path(name).name for name, _ in (files.items() ^ self._files.items()))
            self._files = files
            self._say(f"{changed[0]} changed: starting {self._extension} again")
            self._stop()
            self._start()
            self._reported = self._process is None or self._process.exit_status is not None

    def why_down(self, patience: float) -> str:
        """Return why the extension does not run; "" if it runs.

        Args:
            patience: seconds to wait for its end.
        """
        process = self._process
        end = time.monotonic() + patience
        while process is not None and process.exit_status is None and time.monotonic() < end:
            time.sleep(0.02)
        if not self._trouble and process is not None and process.exit_status is not None:
            process.describe_exit()  # waits for its last lines
            self._trouble = self._error or _ended(process.exit_status)
        again = "it is started again when one of its files changes"
        return f"{self._extension} does not run: {self._trouble}; {again}" if self._trouble else ""

    def _watch(self) -> None:
        while not self._end.wait(_POLL):
            process = self._process
            if process is not None and process.exit_status is not None and not self._reported:
                self._reported = True
                self._say(f"{process.describe_exit()}; waiting for a change")
            self.refresh()

    def _start(self) -> None:
        self._place = self._source = self._error = ""
        self._trouble = self._launch()

    def _launch(self) -> str:
        """Start the extension, and wait until it has registered; return why it has not."""
        from ..engine import ExtensionProcess, LaunchError
        from ..engine.manager.remote import answers_ping

        before = self._registered()
        try:
            process = ExtensionProcess(
                self._extension, self._arguments, on_line=self._line, replace_osquery=True
            )
        except LaunchError as error:
            self._say(f"{error}; waiting for a change")
            return str(error)
        self._process = process
        end = time.monotonic() + _REGISTERS_WITHIN
        while time.monotonic() < end and not self._end.wait(0.02):
            if process.exit_status is not None:
                self._say(f"{self._extension} ended with status {process.exit_status}; waiting for a change")
                return ""  # `why_down` looks up the last lines
            # An extension listens a moment after it has registered.
            if any(
                answers_ping(f"{self._socket}.{uuid}", timeout=1.0) for uuid in self._registered() - before
            ):
                return ""
        late = f"has not registered within {_REGISTERS_WITHIN:g} s"
        if not self._end.is_set():
            self._say(f"{self._extension} {late}; waiting for a change")
        return f"it {late}"

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.stop(was_told=False)
        self._process = None
        self._deregister_dead()

    def _line(self, line: str) -> None:
        """Pass on a line of the extension; of a traceback only its last line, with the place of the error."""
        if self._is_verbose:
            self._say(line)
        place = _PLACE.match(line)
        if place is not None:
            # The traceback of a syntax error begins with this line.
            self._in_traceback = True
            self._place, self._source = f"{Path(place[1]).name}, line {place[2]}", ""
        elif any(mark in line for mark in _OF_TRACEBACKS):
            self._in_traceback = True
        elif self._in_traceback and line.startswith(" "):
            if self._place and not self._source and line.startswith("    "):
                self._source = line.strip()
        elif line:
            self._error = line
            if self._place:
                self._error += f" ({self._place}: {self._source})" if self._source else f" ({self._place})"
                line += f" ({self._place})"
            self._place = self._source = ""
            self._in_traceback = False
            if not self._is_verbose:
                self._say(line)

    def _registered(self) -> set[int]:
        from ..wire.client import ManagerConnection

        try:
            with ManagerConnection(self._socket, timeout=5.0) as manager:
                return set(manager.extensions())
        except WireError:
            return set()

    def _deregister_dead(self) -> None:
        """Remove the registration of an extension that was killed: its successor would be a duplicate."""
        from ..engine.manager.remote import answers_ping
        from ..wire.client import ManagerConnection

        try:
            with ManagerConnection(self._socket, timeout=5.0) as manager:
                for uuid in manager.extensions():
                    if uuid and not answers_ping(f"{self._socket}.{uuid}", timeout=1.0):
                        manager.deregister_extension(uuid)
        except WireError:
            return


def _ended(status: int) -> str:
    return f"it ended with status {status}" if status >= 0 else f"it was killed by {Signals(-status).name}"


def fingerprint(extension: str) -> dict[str, tuple[int, int]]:
    """Return the time of change and the size of each file of an extension.

    For a program this is the file itself, for Python all sources in its folder.
    """
    out = {}
    for path in islice(_sources(extension), _MOST_FILES):
        try:
            status = os.stat(path)  # noqa: PTH116  a Path costs time, for thousands of files
        except OSError:
            continue
        out[path] = (status.st_mtime_ns, status.st_size)
    return out


def _sources(extension: str) -> Iterator[str]:
    from ..engine.launch import module_path

    path = Path(extension)
    if not path.exists():
        path = module_path(extension) or path
        if path.is_file():
            yield str(path)
            return
    if path.is_file():
        if path.suffix != ".py":
            yield str(path)
            return
        path = path.absolute().parent
    for root, folders, names in os.walk(path):
        # Below, look into packages only: the extension's file may lie in a home folder.
        folders[:] = [name for name in folders if Path(root, name, "__init__.py").is_file()]
        yield from (os.path.join(root, name) for name in names if name.endswith(".py"))  # noqa: PTH118
