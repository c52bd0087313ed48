"""Calls of an author's code, which may raise any exception and may fork.

These rules apply wherever the SDK calls a table, a plugin, or a function that it was given:

- Any exception fails that one call, SystemExit included, and so does an error whose own text raises. Ctrl-C
  alone still stops a program: Python raises it in the main thread, whatever runs there.
- The text of an error is one line of bounded length that can be encoded.
- A process that the code forked never returns from the call. It has its parent's sockets and none of its
  threads. So it is ended there: no exit handler runs, and no buffer is written.
"""

import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain, compress, islice
from types import TracebackType
from typing import Any, TypeVar
from weakref import WeakMethod

T = TypeVar("T")

_LONGEST = 4096
_LONGEST_VALUE = 60
_LONGEST_TRACE = 64 << 10
# An endless recursion has fewer. An error that is raised again gets more each time, the newest first.
_MOST_FRAMES = 2_000
# Members of an exception group that its text names, and levels of groups within groups.
_MEMBERS, _DEPTH = 3, 2
_BLOCK = 512
_NO_TEXT = "its text cannot be had"
_BREAKS = re.compile(r"\s*[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]\s*")
_CONTROLS = re.compile(r"[\0-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


# Errors in words


def one_line(text: str, longest: int = _LONGEST) -> str:
    """Return a text as one line of at most `longest` characters, all of which can be encoded and printed."""
    if len(text) > longest:
        text = text[: longest - 3] + "..."
    if not text.isprintable():
        text = _BREAKS.sub(" ", text)
        text = _CONTROLS.sub(lambda match: repr(match[0])[1:-1], text)
    return text.strip()


def text_of(error: BaseException) -> str:
    """Return the error's text as one line; never raises."""
    try:
        with SameProcess():
            # An exact copy: what __str__ returns may be of a class of its own.
            return one_line(str.__str__(str(error)))
    except BaseException as problem:  # noqa: BLE001  an author's __str__ may raise anything as well
        pass_on_interrupt(problem)
        return _NO_TEXT


def describe(error: BaseException, *plain: type[BaseException]) -> str:
    """Return one line about an error: its type and text; never raises.

    For an error of a `plain` type it is the text alone.
    """
    return _describe_members(error, plain, _DEPTH)


def _describe_members(error: BaseException, plain: tuple[type[BaseException], ...], depth: int) -> str:
    # isinstance would ask the error's __class__, which may be the author's own.
    kind = type(error)
    text = text_of(error)
    if text and issubclass(kind, plain):
        return text
    if issubclass(kind, BaseExceptionGroup) and depth:
        # From the group's own type: a class that derives from it may have another `exceptions`.
        members = vars(BaseExceptionGroup)["exceptions"].__get__(error)
        texts = [_describe_members(member, plain, depth - 1) for member in members[:_MEMBERS]]
        text = f"{text}: {'; '.join(texts)}{'; ...' if len(members) > _MEMBERS else ''}"
    name = type_name(error)
    return one_line(f"{name}: {text}" if text else name)


def type_name(value: object) -> str:
    """Return the name of a value's class, whatever a metaclass makes of `__name__`; never raises."""
    return one_line(vars(type)["__name__"].__get__(type(value)))


def trace(error: BaseException, *, with_message: bool = True) -> str:
    """Return the error with its traceback, for the log; never raises.

    The error loses its traceback: code that keeps one and raises it again would collect every frame.

    Args:
        error: the exception.
        with_message: name the error; False where it is named elsewhere, so that nobody reads it twice.
    """
    import traceback

    try:
        with SameProcess():
            text = "".join(traceback.format_exception(error, limit=_MOST_FRAMES))
    except BaseException as problem:  # noqa: BLE001  it looks at many things of the error and its class
        pass_on_interrupt(problem)
        frames = "".join(traceback.format_tb(error.__traceback__, _MOST_FRAMES))
        text = f"Traceback (most recent call last):\n{frames}{describe(error)}\n"
    BaseException.with_traceback(error, None)
    if not with_message:
        text = _without_message(text, error)
    if len(text) > _LONGEST_TRACE:
        half = _LONGEST_TRACE // 2
        text = f"{text[:half]}\n...\n{text[-half:]}"
    return text


def _without_message(text: str, error: BaseException) -> str:
    """Return a traceback without the lines that name the error.

    An error with the same text that led to it is not named either.
    """
    name, message = type_name(error), text_of(error)
    endings = (f": {message}",) if message else (name, f".{name}")
    # The lines of frames are indented.
    return "".join(
        line
        for line in text.splitlines(keepends=True)
        if line.startswith(" ") or not line.rstrip().endswith(endings)
    )


def shown(value: object) -> str:
    """Return a value as an error shows it: shortened, one line; never raises."""
    if type(value) in (str, bytes):
        value = value[:_LONGEST_VALUE]  # type: ignore[index]  # both have slices
    try:
        with SameProcess():
            text = str.__str__(repr(value))
    except BaseException as problem:  # noqa: BLE001  an author's __repr__ may raise anything
        pass_on_interrupt(problem)
        text = _outline(value)
    return one_line(text, _LONGEST_VALUE)


def _outline(value: object) -> str:
    """Return a substitute where `repr` fails, as for a deep nest, a long number or a faulty class."""
    import reprlib

    kind = type(value)
    try:
        if kind is int:
            return f"<int of {int.bit_length(value)} bits>"  # type: ignore[arg-type]  # just checked
        if kind in (list, tuple, dict, set, frozenset):
            return reprlib.repr(value)
    except BaseException as error:  # noqa: BLE001  an element may have a faulty class too
        pass_on_interrupt(error)
    return f"<{type_name(value)}>"


def pass_on_interrupt(error: BaseException) -> None:
    """Raise the error again if it is Ctrl-C: the KeyboardInterrupt that Python raises in the main thread."""
    if (
        not issubclass(type(error), KeyboardInterrupt)
        or threading.current_thread() is not threading.main_thread()
    ):
        return
    import signal

    # Python raises KeyboardInterrupt for Ctrl-C only through its default handler.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        raise error


# Processes


class SameProcess:
    """A context around a call of an author's code.

    A process that the code forked ends where it leaves the context.
    """

    __slots__ = ("_pid",)

    def __init__(self) -> None:
        """Remember the number of this process."""
        self._pid = os.getpid()

    def __enter__(self) -> None:
        """Do nothing: `__init__` has remembered the process."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """End this process unless it is the one that entered."""
        end_if_forked(self._pid, error)


def end_if_forked(pid: int, error: BaseException | None = None) -> None:
    """End this process at once unless it is `pid`.

    The exit status is that of SystemExit, or 0 without an error. With any other error it is 1, and a line on
    standard error names it.

    Args:
        pid: the process in which the call began.
        error: the exception that the author's code raised; None if it returned.
    """
    if os.getpid() != pid:
        _end(error)


def _end(error: BaseException | None) -> None:
    status = 1
    try:
        status = _status(error)
    finally:
        # No exit handler and no flush: the parent has the same buffers, and writes them itself.
        os._exit(status)


def _status(error: BaseException | None) -> int:
    if error is None:
        return 0
    code = error.code if issubclass(type(error), SystemExit) else error  # type: ignore[attr-defined]
    if code is None:
        return 0
    if isinstance(code, int):
        return int(code) & 0xFF
    # Written without Python's stream and without an import: a thread of the parent may have held their locks.
    line = describe(error) if code is error else one_line(str(code))
    place = _place(error.__traceback__) if code is error else ""
    os.write(
        2, f"process {os.getpid()}, forked by an extension: {line}{place}\n".encode(errors="backslashreplace")
    )
    return 1


def _place(trace: TracebackType | None) -> str:
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno})"


def until_fork(items: Iterator[T], *first: T) -> Iterator[T]:
    """Return an iterator over the `first` items and the others.

    A process that their generator forks ends instead of making further items. Only the first few hundred
    items are watched one by one: watching each item of a large table would take 3 % longer.
    """
    return chain.from_iterable(_watched(first, items, os.getpid()))


def _watched(first: Iterable[T], items: Iterator[T], pid: int) -> Iterator[Iterable[T]]:
    yield first
    # A fork empties the signs, so that `compress` stops and the next line runs in the forked process.
    yield compress(islice(items, _BLOCK), _forks().signs)
    end_if_forked(pid)
    yield items


def when_forked(method: Callable[[], object]) -> None:
    """Have a method called at once in each process that this one forks, for as long as its object lives."""
    forks = _forks()
    forks.methods = [*(known for known in forks.methods if known() is not None), WeakMethod(method)]


@cache
def _forks() -> "_Forks":
    """Return the one object of this process, made at the first use: a fork handler cannot be unregistered."""
    return _Forks()


class _Forks:
    """Work that a forked process does before anything else.

    Attributes:
        signs: a block of true values; a fork empties the list that iterators of the parent still read.
        methods: methods to call in a forked process.
    """

    def __init__(self) -> None:
        self.signs = [True] * _BLOCK
        self.methods: list[WeakMethod[Callable[[], object]]] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        self.signs.clear()
        self.signs = [True] * _BLOCK
        for reference in self.methods:
            method = reference()
            if method is not None:
                method()
        self.methods.clear()


# Logs


class Log:
    """A log for lines: a function that an author gives, or standard error.

    Args:
        write: gets each line; if it fails, the line goes to standard error.

    Attributes:
        is_verbose: write tracebacks to standard error too.
    """

    __slots__ = ("_write", "is_verbose")

    def __init__(self, write: Callable[[str], Any] | None = None) -> None:
        """Take the function."""
        self._write = write
        self.is_verbose = False

    def __call__(self, line: str) -> None:
        """Log a line; never raises."""
        if self._write is None:
            to_stderr(line)
            return
        try:
            with SameProcess():
                self._write(line)
        except BaseException as error:  # noqa: BLE001  a log that fails fails nothing else
            pass_on_interrupt(error)
            to_stderr(f"{line}\n(not logged: {describe(error)})")

    def fault(self, message: str, error: BaseException, *, is_answer: bool) -> None:
        """Log an exception that an author's code raised by mistake; never raises.

        The author's function gets the message and the traceback. Standard error gets the traceback if
        verbose, and the message unless the caller gets it as an answer: then the caller prints it there.

        Args:
            message: one line that names the error.
            error: the exception.
            is_answer: the message is also the answer to a call.
        """
        if self._write is not None:
            self(f"{message}\n{trace(error)}")
            return
        lines = [] if is_answer else [message]
        if self.is_verbose:
            lines.append(trace(error, with_message=False).rstrip())
        if lines:
            self("\n".join(lines))


def log_fault(log: Callable[[str], None], message: str, error: BaseException, *, is_answer: bool) -> None:
    """Log an exception to a `Log`, as `Log.fault` does, or to any other function for lines."""
    (log if isinstance(log, Log) else Log(log)).fault(message, error, is_answer=is_answer)


def to_stderr(line: str) -> None:
    """Write a line to standard error; if nobody reads there any more, drop it."""
    if sys.stderr is None:
        return  # a program without a console
    try:
        # In one piece, unlike `print`: between a line and its end another thread could write.
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        # The reader has gone. Without a stream, Python does not try, and fail, to flush it at the end.
        sys.stderr = None
