"""List the processes of this machine with their arguments, owners and memory."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """A running process."""

    pid: int
    uid: int
    arguments: tuple[str, ...]
    """The program first."""
    rss: int
    """Resident memory in bytes."""


def processes() -> list[Process]:
    """Return the processes that can be seen, without this one; none on Windows."""
    if sys.platform == "win32":
        return []
    visible = _from_proc() if sys.platform == "linux" else _from_ps()
    return [process for process in visible if process.pid != os.getpid()]


def rss_of(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 if it is not known."""
    if sys.platform == "linux":
        return _linux_rss(pid)
    return next((process.rss for process in processes() if process.pid == pid), 0)


def environment_of(pid: int) -> dict[str, str] | None:
    """Return the variables that a process was started with; None if they cannot be read."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    parts = (os.fsdecode(part).partition("=") for part in raw.split(b"\0"))
    return {name: value for name, equals, value in parts if equals}


def _from_proc() -> list[Process]:
    visible = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            uid = entry.stat().st_uid
            raw = (entry / "cmdline").read_bytes()
        except OSError:
            continue  # the process has ended meanwhile
        # osqueryd's worker overwrites its arguments with zeros, all but its name.
        arguments = tuple(os.fsdecode(part) for part in raw.rstrip(b"\0").split(b"\0"))
        if arguments != ("",):
            visible.append(Process(int(entry.name), uid, arguments, _linux_rss(int(entry.name))))
    return visible


def _linux_rss(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _from_ps() -> list[Process]:
    import subprocess

    from kolide_kit.processes import run_process

    command = ["/bin/ps", "-axww", "-o", "pid=,uid=,rss=,args="]
    try:
        text = run_process(command, timeout=10).stdout.decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return []
    visible = []
    for line in text.splitlines():
        words = line.split()
        if len(words) > 3 and all(word.isdecimal() for word in words[:3]):
            visible.append(Process(int(words[0]), int(words[1]), tuple(words[3:]), int(words[2]) * 1024))
    return visible
