"""Keeps standard output for the program's own output; everything else that is printed goes to standard error.

An author's code may print: by `print`, through a library in C, or by a program that it starts. All of these
write to descriptor 1, among the rows of a JSON array, or into the output of another program that shares this
one's standard output. So within `apart()` descriptor 1 is standard error, and the program's own output
goes to a copy of the original::

    descriptor   outside            within
    1            standard output    standard error     print() in a table, and programs that a table starts
    2            standard error     standard error
    n                               standard output    `stdout()`; programs do not inherit it
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import TextIOWrapper
from typing import TextIO

_OUT, _ERR = 1, 2
_own: ContextVar[TextIO | None] = ContextVar("stdout", default=None)


def stdout() -> TextIO:
    """Return standard output, for the program's own output."""
    return _own.get() or sys.stdout


def complete() -> None:
    """Open standard error to nowhere if it is closed.

    Otherwise the next file that is opened gets its descriptor, and error messages are written into it.
    """
    if sys.stderr is not None:
        return
    if _is_open(_ERR):  # another file has the descriptor by now
        # It stays open for as long as the program runs.
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        return
    # Standard output stays as it is: `apart` checks whether that is closed too.
    _point_nowhere(_ERR)
    sys.stderr = os.fdopen(_ERR, "w", errors="backslashreplace", closefd=False)


@contextmanager
def apart() -> Iterator[None]:
    """Have everything but `stdout()` write to standard error instead of standard output.

    Raises:
        OSError: the last text for `stdout()` could not be written.
    """
    is_free = not _is_open(_OUT)
    _occupy()
    before = sys.stdout
    if before is None:
        # Standard output is closed. If another file has its descriptor by now, that file is left alone.
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
        # Somebody has replaced sys.stdout, as tests do.
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
    """Point descriptor 1, to which `printed` writes, at standard error.

    `stdout()` is a stream on a copy of the original descriptor meanwhile.
    """
    original = os.dup(_OUT)
    own = os.fdopen(os.dup(_OUT), "w", encoding=printed.encoding, errors=printed.errors)
    own.reconfigure(line_buffering=printed.line_buffering, write_through=printed.write_through)
    _point_at_stderr()
    # The text that an author's module printed during its import may still be in the buffer.
    _flush(printed)
    token = _own.set(own)
    sys.stdout = apart_stream = _printing(printed.encoding)
    try:
        yield
        own.flush()
    finally:
        sys.stdout = printed
        _own.reset(token)
        _flush(apart_stream)
        _flush(printed)
        os.dup2(original, _OUT)
        os.close(original)
        _flush(own)
        own.close()


def _printing(encoding: str) -> TextIO:
    """Make a stream for an author's printing; like standard error it writes at once, and takes any text."""
    stream = os.fdopen(_OUT, "w", encoding=encoding, errors="backslashreplace", closefd=False)
    stream.reconfigure(line_buffering=True)
    return stream


def _point_at_stderr() -> None:
    """Point descriptor 1 at standard error, or at nothing if that is closed."""
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
    """Open those of the descriptors 0 to 2 that are closed: a socket there would get printed text."""
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
    """Write the rest of a stream's buffer. Drop it if that fails: Python would try again when it ends."""
    try:
        stream.flush()
    except OSError:
        _point_nowhere(stream.fileno())
        stream.flush()
