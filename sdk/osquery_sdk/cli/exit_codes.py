"""Exit codes of commands: 0 for done, 1 for failed, 2 for misuse. An error is one line on stderr."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

from kolide_kit.author_code import describe, one_line, text_of, to_stderr, trace
from kolide_kit.errors import KolideError
from kolide_kit.streams import complete

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO


class Misuse(Exception):
    """The arguments cannot work; the text says how to call the program."""


class Failed(Exception):
    """A command could not do its work; the text says why, and what to do."""


def outcome(prog: str, command: Callable[[], int], *, verbose: bool = False) -> int:
    """Run a command, report its failure in one line, and return the exit code.

    Args:
        prog: the program's name; the line begins with it.
        command: does the work and returns the exit code.
        verbose: print a traceback as well.
    """
    complete()
    try:
        code = _exit_code(prog, command)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        _discard_output()  # its reader has closed it
        return 0
    except KeyboardInterrupt:
        return 1
    except Exception as error:  # noqa: BLE001  every error becomes one line
        if verbose:
            to_stderr(trace(error, with_message=False).rstrip())
        to_stderr(f"{prog}: {_message(error, verbose)}")
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError:
            _discard_output()
        return 2 if isinstance(error, Misuse) else 1


def _exit_code(prog: str, command: Callable[[], int]) -> int:
    """Run a command and return its exit code, also where argparse or an author's code raises SystemExit."""
    try:
        return command()
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        to_stderr(f"{prog}: {text_of(stop)}")
        return 1


def _discard_output() -> None:
    """Drop unwritten output. Else Python writes it again at its end, and exits with another code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def require_output() -> None:
    """Raise Failed if standard output is closed: Python has none then."""
    if sys.stdout is None:
        raise Failed("standard output is closed")


def require_input() -> None:
    """Raise Failed if standard input cannot be read. Keep its bytes that are not UTF-8 from now on."""
    if sys.stdin is None:
        raise Failed("standard input is closed; redirect a file to it, or write the SQL on the command line")
    if os.name == "posix" and _is_for_writing(sys.stdin):
        raise Failed("standard input is open for writing only; redirect a file to it")
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")


def _is_for_writing(stream: TextIO) -> bool:
    import fcntl

    try:
        return fcntl.fcntl(stream.fileno(), fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
    except (OSError, ValueError):  # a stream without a file, as in tests
        return False


def _message(error: Exception, verbose: bool) -> str:
    text = " ".join(text_of(error).split())
    if isinstance(error, (KolideError, Misuse, Failed)):
        return text
    if isinstance(error, ImportError):
        from kolide_kit.installed import missing_module

        if missing := missing_module(error):
            return missing
    if isinstance(error, FileNotFoundError) and not error.filename and _is_working_folder_gone():
        return "the working folder was removed; change to another one"
    if isinstance(error, OSError) and error.strerror:
        name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else ""
        return one_line(f"{name}: {error.strerror}" if name else error.strerror)
    return describe(error) + ("" if verbose else "; --verbose shows where")


def _is_working_folder_gone() -> bool:
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        return True
    return False
