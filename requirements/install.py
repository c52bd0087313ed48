#!/usr/bin/env python3
"""Make a virtual environment, install what a lock names and this checkout, and show the progress.

    requirements/install.py "make run" .venv run.lock

Messages begin with the first argument. On a terminal the progress is one line, rewritten every second.
Elsewhere each package is a line, and a long step prints a line every 5 seconds.
"""

import queue
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
PIP_OPTIONS = ("--disable-pip-version-check", "--no-input", "--progress-bar", "off")
HEARTBEAT = 5.0


class Progress:
    """Progress on standard output: one line, rewritten in place, on a terminal; a line per step elsewhere."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._terminal = sys.stdout.isatty()
        self._begun = self._shown = time.monotonic()
        self._text = ""

    def step(self, text: str) -> None:
        """Show a line that stays."""
        self._show(f"{self._command}: {text}", end="\n")
        self._text = text

    def detail(self, text: str) -> None:
        """Show what a step has come to; on a terminal the next line replaces this one."""
        self._text = text
        self._show(f"  {text}", end="" if self._terminal else "\n")

    def tick(self) -> None:
        """Show that the last step goes on."""
        seconds = time.monotonic() - self._begun
        if self._terminal:
            self._show(f"  {self._text} ({seconds:.0f} s)", end="")
        elif time.monotonic() - self._shown >= HEARTBEAT:
            self._show(f"  still at it after {seconds:.0f} s: {self._text}", end="\n")

    def seconds(self) -> float:
        """Return the time since this began."""
        return time.monotonic() - self._begun

    def _show(self, line: str, end: str) -> None:
        self._shown = time.monotonic()
        # \r and the erasing sequence take away the line that was there.
        print(f"\r\033[K{line}" if self._terminal else line, end=end, flush=True)


def output_lines(arguments: list[str], progress: Progress) -> Iterator[str]:
    """Run a program and yield its lines; raise SystemExit with its last lines if it fails."""
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=TOP
    )
    assert process.stdout
    # A thread reads, so that the time that passes between two lines can be shown.
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(
        target=lambda out: [*map(lines.put, out), lines.put(None)], args=[process.stdout]
    ).start()
    last: deque[str] = deque(maxlen=20)
    while True:
        try:
            line = lines.get(timeout=1)
        except queue.Empty:
            progress.tick()
            continue
        if line is None:
            break
        last.append(line)
        yield line.rstrip()
    if process.wait():
        progress.step(f"this failed, with exit code {process.returncode}: {' '.join(arguments)}")
        sys.stderr.write("".join(last))
        raise SystemExit(1)


def install(python: str, lock: Path, progress: Progress) -> int:
    """Install what a lock names, with pip; return the number of packages that apply to this platform."""
    count = len(re.findall(r"^\w\S*==", lock.read_text(), re.MULTILINE))
    progress.step(f"installing what requirements/{lock.name} names")
    position = 0
    # -u: pip's lines would otherwise wait in a buffer.
    pip = [python, "-u", "-m", "pip", "install", *PIP_OPTIONS]
    for line in output_lines([*pip, "--require-hashes", "-r", str(lock)], progress):
        if line.startswith("Ignoring "):  # not for this platform; pip says so before all else
            count -= 1
        elif name := re.match(r"(?:Collecting|Requirement already satisfied:) (\w\S*==\S+)", line):
            position += 1
            progress.detail(f"{position} of {count}: {name[1].replace('==', ' ')}")
        elif size := re.match(r"\s+Downloading (\S+ \(\S+ [MG]B\))", line):
            progress.detail(f"{position} of {count}: downloading {size[1]}")
        elif line.startswith("Installing collected packages"):
            progress.detail(f"unpacking {line.count(',') + 1} packages")
    progress.step("installing this checkout, in place")
    for _ in output_lines([*pip, "--no-deps", "--no-build-isolation", "-e", "."], progress):
        pass
    return count


def main() -> None:
    """Make the environment unless it is there, and install."""
    command, folder, lock = sys.argv[1:]
    progress = Progress(command)
    python = str(Path(folder, "Scripts" if sys.platform == "win32" else "bin", "python").absolute())
    pip = [python, "-m", "pip", "--version"]
    if Path(python).exists() and not subprocess.run(pip, capture_output=True, check=False).returncode:
        progress.step(f"the environment {folder} is there")
    else:
        try:
            import ensurepip  # noqa: F401 - Debian keeps it in a package of its own
            import venv  # noqa: F401
        except ImportError:
            raise SystemExit(
                f"{command}: {sys.executable} has no venv or ensurepip;"
                " install them (Debian and Ubuntu: apt-get install python3-venv)"
            ) from None
        version = ".".join(map(str, sys.version_info[:3]))
        progress.step(f"making {folder} with Python {version} ({sys.executable})")
        for _ in output_lines([sys.executable, "-m", "venv", "--clear", folder], progress):
            pass
    count = install(python, TOP / "requirements" / lock, progress)
    progress.step(f"{count} packages are installed in {folder}, after {progress.seconds():.0f} s")


if __name__ == "__main__":
    main()
