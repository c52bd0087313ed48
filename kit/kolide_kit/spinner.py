"""Shows on a terminal that work goes on: a turning mark and the seconds so far."""

import os
import sys
import threading
import time
from typing import Self, TextIO

from .signals import stop_handler

_MARKS = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PLAIN_MARKS = "|/-\\"
_PERIOD = 0.1
_WIDTH = 78
_CLEAR = "\r\x1b[K"


def is_terminal(stream: TextIO | None) -> bool:
    """Return True if a stream leads to a terminal that can move its cursor."""
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:
        return False  # the stream is closed


class Spinner:
    """A mark that turns while work goes on, and leaves nothing behind.

    It is written only to a terminal. The cursor stays at the beginning of the line, so that other output
    covers the mark. Use it as a context manager, or call `start` and `stop`.

    Args:
        stream: the terminal; standard error unless given.
        after: seconds before the mark is shown.
    """

    def __init__(self, stream: TextIO | None = None, *, after: float = 1.0) -> None:
        """Set up; nothing is shown yet."""
        self._stream = sys.stderr if stream is None else stream
        self._after = after
        self._text = ""
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_shown = False

    def __enter__(self) -> Self:
        """Start the mark."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the mark, and clear the line."""
        self.stop()

    def start(self, text: str = "") -> None:
        """Start the mark.

        Args:
            text: the work that is being done, shown beside the mark.
        """
        if not is_terminal(self._stream):
            return
        self._text = text
        self._ended.clear()
        self._thread = threading.Thread(target=self._turn, name="spinner", daemon=True)
        with stop_handler() as handler:
            handler.undo.append(self._clear)
        self._thread.start()

    def say(self, text: str) -> None:
        """Change the text from the next turn on."""
        self._text = text

    def stop(self) -> None:
        """Stop the mark, and clear the line."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._ended.set()
        thread.join()
        self._clear()
        with stop_handler() as handler:
            if self._clear in handler.undo:
                handler.undo.remove(self._clear)

    def _turn(self) -> None:
        began = time.monotonic()
        marks = _MARKS if (self._stream.encoding or "").lower().replace("-", "") == "utf8" else _PLAIN_MARKS
        number = 0
        pause = self._after
        while not self._ended.wait(pause):
            pause = _PERIOD
            text = f"{marks[number % len(marks)]} {self._text}{' ' if self._text else ''}"
            seconds = f"{time.monotonic() - began:.0f} s"
            try:
                self._stream.write(f"{_CLEAR}{text[: _WIDTH - len(seconds)]}{seconds}\r")
                self._stream.flush()
            except (OSError, ValueError):
                return  # the terminal has gone
            self._is_shown = True
            number += 1

    def _clear(self) -> None:
        if self._is_shown:
            self._is_shown = False
            try:
                self._stream.write(_CLEAR)
                self._stream.flush()
            except (OSError, ValueError):
                return
