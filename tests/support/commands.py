"""Run the programs as a person or script does: as a process, with pipes or on a terminal."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

# Few examples, for a short run. A busy machine does not fail a test.
FEW = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SAMPLE = Path(__file__).with_name("sample.py")
EXTENSION = (sys.executable, str(SAMPLE))
SDK = (sys.executable, "-m", "osquery_sdk.cli.main")
_CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b\][^\x07]*\x07")


def run(
    command: tuple[str, ...],
    *arguments: str,
    text: str | None = None,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 30,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; standard input is `text`, or empty."""
    return subprocess.run(
        [*command, *arguments],
        input=text or "",
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        env={**os.environ, **(env or {})},
        cwd=cwd,
        timeout=timeout,
    )


def until(condition: Callable[[], object], seconds: float = 15) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)


class Terminal:
    """A command on a terminal of its own, 120 columns wide unless told otherwise."""

    def __init__(self, *command: str, env: dict[str, str] | None = None, columns: int = 120) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self._fd, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        # With a session and a controlling terminal of its own, Ctrl-C sends the process a signal.
        leader = (
            "import fcntl,os,sys,termios;os.setsid();fcntl.ioctl(0,termios.TIOCSCTTY,0);"
            "os.execvp(sys.argv[1],sys.argv[1:])"
        )
        # These variables would override the size of the terminal.
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", leader, *command],
            stdin=child,
            stdout=child,
            stderr=child,
            env={**inherited, "TERM": "xterm", **(env or {})},
        )
        os.close(child)
        self._seen = b""
        self._closed = False

    @property
    def descriptor(self) -> int:
        """Return the file descriptor of the terminal's other end."""
        return self._fd

    def close(self) -> None:
        """Close the terminal, as when its window is closed."""
        if not self._closed:
            self._closed = True
            os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self.process.kill()
        self.process.wait()

    def send(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def expect(self, text: str, seconds: float = 15) -> str:
        """Return the output before `text`, without control sequences; keep what follows for the next call."""
        end = time.monotonic() + seconds
        while True:
            shown = _CONTROL.sub(b"", self._seen).decode(errors="replace").replace("\r", "")
            before, marker, after = shown.partition(text)
            if marker:
                self._seen = after.encode()
                return before
            if time.monotonic() > end or not self.read():
                raise AssertionError(f"{text!r} did not come, but {shown!r}")

    def rest(self) -> str:
        """Return all further output of a process that has ended, without control sequences."""
        while self.read():
            pass
        return _CONTROL.sub(b"", self._seen).decode(errors="replace").replace("\r", "")

    def expect_answer(self, key: str, text: str) -> None:
        """Press a key until `text` comes, for a program that may not read yet."""
        for _ in range(30):
            self.send(key)
            with suppress(AssertionError):
                self.expect(text, 0.5)
                return
        raise AssertionError(f"{text!r} did not come after {key!r}")

    def read(self) -> bool:
        """Read what is there, for a tenth of a second; False after the end."""
        if not select.select([self._fd], [], [], 0.1)[0]:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # on Linux the other side has been closed
            return False
        # The program asks for the position of the cursor.
        for _ in range(data.count(b"\x1b[6n")):
            os.write(self._fd, b"\x1b[30;1R")
        self._seen += data
        return bool(data)
