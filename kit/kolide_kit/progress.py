"""Show the steps of a build: one line that changes on a terminal, a line for each step elsewhere."""

import sys
import time
from typing import TextIO

from .spinner import Spinner, is_terminal

_WIDTH = 78


class Progress:
    """The progress of a build, for a person.

    Args:
        stream: the stream to write to; standard error unless given.
        steps: the number of steps to come.
    """

    def __init__(self, stream: TextIO | None = None, *, steps: int = 5) -> None:
        """Write nothing yet."""
        self._stream = stream or sys.stderr
        self._live = is_terminal(self._stream)
        self._spinner = Spinner(self._stream)
        self._steps = steps
        self._number = 0
        self._text = ""
        self._began = time.monotonic()

    def step(self, text: str) -> None:
        """Begin a step."""
        self._end_line()
        self._number += 1
        self._text = f"[{self._number}/{self._steps}] {text}"
        self._began = time.monotonic()
        self._stream.write(f"\r\x1b[K{self._text[:_WIDTH]}\r" if self._live else f"{self._text}\n")
        self._stream.flush()
        self._spinner.start(self._text)

    def detail(self, text: str) -> None:
        """Show a detail of the current step; on a terminal only."""
        if self._live and self._text:
            self._spinner.say(f"{self._text}: {text}")

    def close(self) -> None:
        """End the last step, with the cursor at the beginning of a line."""
        self._end_line()
        self._text = ""

    def _end_line(self) -> None:
        self._spinner.stop()
        if self._live and self._text:
            self._stream.write(f"\r\x1b[K{self._text}  {time.monotonic() - self._began:.1f} s\n")
            self._stream.flush()
