"""From what happened to an exit code: 0 done, 1 failed, 2 misuse; an error is one line on standard error."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

from osquery_sdk.authors import describe, one_line, text_of, to_stderr, trace
from osquery_sdk.errors import OsquerySdkError
from osquery_sdk.streams import complete

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO


class Misuse(Exception):
    """The program was called in a way that cannot work; the text says how to call it."""


class Failed(Exception):
    """What was asked for could not be done; the text says why and what to do."""


def outcome(prog: str, do: Callable[[], int], *, verbose: bool = False) -> int:
    """Run `do`, tell of its failure, and return the exit code."""
    complete()
    try:
        code = _code(prog, do)
        if _is_open(sys.stdout):
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        _discard_output()  # whose reader has closed it
        return 0
    except KeyboardInterrupt:
        return 1
    except Exception as error:  # noqa: BLE001  whatever it is, it is told in one line
        if verbose:
            to_stderr(trace(error, with_message=False).rstrip())
        to_stderr(f"{prog}: {_words(error, verbose)}")
        try:
            if _is_open(sys.stdout):
                sys.stdout.flush()
        except OSError:
            _discard_output()
        return 2 if isinstance(error, Misuse) else 1


def _code(prog: str, do: Callable[[], int]) -> int:
    """The exit code, which argparse and an author's code raise as well."""
    try:
        return do()
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        to_stderr(f"{prog}: {text_of(stop)}")
        return 1


def _discard_output() -> None:
    """Have Python not try again, when it exits, to write what could not be written, and exit with a code of its own."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def require_output() -> None:
    """Raise Failed if nothing can be printed: Python has no standard output then."""
    if not _is_open(sys.stdout):
        raise Failed("standard output is closed")


def require_input() -> None:
    """Raise Failed if nothing can be read; what is no UTF-8 is kept as it is from now on."""
    if sys.stdin is None:
        raise Failed("standard input is closed; give it a file, or write the SQL on the command line")
    if os.name == "posix" and _is_for_writing(sys.stdin):
        raise Failed("standard input is open for writing alone")
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")


def _is_for_writing(stream: TextIO) -> bool:
    import fcntl

    try:
        return fcntl.fcntl(stream.fileno(), fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
    except (OSError, ValueError):  # no file, as in tests
        return False


def _is_open(stream: TextIO | None) -> bool:
    return stream is not None


def _words(error: Exception, verbose: bool) -> str:
    text = " ".join(text_of(error).split())
    if isinstance(error, (OsquerySdkError, Misuse, Failed)):
        return text
    if isinstance(error, ImportError):
        from osquery_sdk.installed import missing_module

        if missing := missing_module(error):
            return missing
    if isinstance(error, FileNotFoundError) and not error.filename and _is_working_folder_gone():
        return "the working folder is no longer there; go to another one"
    if isinstance(error, OSError) and error.strerror:
        name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else ""
        return one_line(f"{name}: {error.strerror}" if name else error.strerror)
    hint = "" if verbose else "; --verbose shows where"
    return f"{describe(error)}{hint}"


def _is_working_folder_gone() -> bool:
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        return True
    return False
