"""What a build is doing: on a terminal in one line that changes, elsewhere a line for each step."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from ..spinner import Spinner, is_terminal

if TYPE_CHECKING:
    from typing import TextIO

_WIDTH = 78


class Progress:
    """Tells a person about the steps of a build.

    Args:
        stream: where to; standard error unless given.
        steps: how many there will be.
    """

    def __init__(self, stream: TextIO | None = None, *, steps: int = 5) -> None:
        """Say nothing yet."""
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
        self._show(self._text)
        self._spinner.start(self._text)

    def detail(self, text: str) -> None:
        """Say where in the step it is; shown on a terminal only."""
        if self._live and self._text:
            self._spinner.say(f"{self._text}: {text}")

    def close(self) -> None:
        """Leave the cursor at the beginning of a line."""
        self._end_line()
        self._text = ""

    def _show(self, text: str) -> None:
        if self._live:
            self._stream.write(f"\r\x1b[K{text[:_WIDTH]}\r")
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()

    def _end_line(self) -> None:
        self._spinner.stop()
        if self._live and self._text:
            self._stream.write(f"\r\x1b[K{self._text}  {time.monotonic() - self._began:.1f} s\n")
            self._stream.flush()
