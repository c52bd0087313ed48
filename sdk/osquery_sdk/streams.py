"""Standard output for what the program itself has to say, and for nothing else.

An author's code prints what it likes: by `print`, through a library in C, by a program that it starts. All of
that goes to descriptor 1, among the rows of `query --json`, or of osqueryi, which shares its own with the
extension. So within `apart()` descriptor 1 is standard error, and the program's own words go to a copy of what
it was::

    descriptor   outside            within
    1            standard output    standard error     print() in a table, and programs that a table starts
    2            standard error     standard error
    n                               standard output    `stdout()`; programs do not inherit it
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from io import TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

__all__ = ["apart", "complete", "stdout"]

_OUT, _ERR = 1, 2
_own: ContextVar[TextIO | None] = ContextVar("stdout", default=None)


def stdout() -> TextIO:
    """Return standard output, for the program's own words."""
    return _own.get() or sys.stdout


def complete() -> None:
    """Have standard error lead nowhere if it is closed: what is said there would go to standard output, or to another file."""
    if sys.stderr is not None:
        return
    if _is_open(_ERR):  # it is something else by now
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  for as long as the program runs
        return
    # Standard output stays as it is: `apart` looks whether that is closed too.
    _point_nowhere(_ERR)
    sys.stderr = os.fdopen(_ERR, "w", errors="backslashreplace", closefd=False)


@contextmanager
def apart() -> Iterator[None]:
    """Have everything but `stdout()` write to standard error instead of standard output.

    Raises:
        OSError: what was written to `stdout()` last could not be.
    """
    is_free = not _is_open(_OUT)
    _occupy()
    before = sys.stdout
    if before is None:
        # Closed, and perhaps something else by now, which is left alone.
        if is_free:
            _point_at_stderr()
            sys.stdout = _printing("utf-8")
        try:
            yield
        finally:
            sys.stdout = before
    elif isinstance(before, TextIOWrapper) and _number(before) == _OUT:
        with _by_descriptor(before):
            yield
    else:
        # Somebody has put something in its place, as tests do.
        token = _own.set(before)
        sys.stdout = sys.stderr
        try:
            yield
        finally:
            sys.stdout = before
            _own.reset(token)


def _number(stream: TextIO) -> int:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return -1


@contextmanager
def _by_descriptor(printed: TextIOWrapper) -> Iterator[None]:
    """Have descriptor 1, to which `printed` writes, be standard error, with a stream of its own."""
    original = os.dup(_OUT)
    own = os.fdopen(os.dup(_OUT), "w", encoding=printed.encoding, errors=printed.errors)
    own.reconfigure(line_buffering=printed.line_buffering, write_through=printed.write_through)
    _point_at_stderr()
    # What an author's module has printed while it was imported may still wait in it.
    _flush(printed)
    token = _own.set(own)
    sys.stdout = said = _printing(printed.encoding)
    try:
        yield
        own.flush()
    finally:
        sys.stdout = printed
        _own.reset(token)
        _flush(said)
        _flush(printed)
        os.dup2(original, _OUT)
        os.close(original)
        _flush(own)
        own.close()


def _printing(encoding: str) -> TextIO:
    """Make a stream for what an author's code prints; like standard error it writes at once, and any text."""
    stream = os.fdopen(_OUT, "w", encoding=encoding, errors="backslashreplace", closefd=False)
    stream.reconfigure(line_buffering=True)
    return stream


def _point_at_stderr() -> None:
    """Have descriptor 1 lead where standard error does, or nowhere if that is closed."""
    if sys.stderr is not None:
        os.dup2(_ERR, _OUT)
    else:
        _point_nowhere(_OUT)


def _point_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if nowhere == number:
        os.set_inheritable(number, True)
    else:
        os.dup2(nowhere, number)
        os.close(nowhere)


def _occupy() -> None:
    """Open the descriptors 0 to 2 where they are closed: a socket that got such a number would be printed to."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= _ERR:
        os.set_inheritable(number, True)
    os.close(number)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _flush(stream: TextIO) -> None:
    """Write what is left in a stream, or forget it, which Python would try again at its end."""
    try:
        stream.flush()
    except OSError:
        _point_nowhere(stream.fileno())
        stream.flush()
