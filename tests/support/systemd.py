"""Run a systemd in namespaces of its own, over a copy of this machine's files that is thrown away.

Everything that it or its services write or remove goes to an overlay in memory.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from .tools import Run

_BOOT = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
cp -r "$2" "$1/units"
mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"
cp -r "$1/units/." "$1/root/etc/systemd/system/"
cd "$1/root"
for folder in tmp var/tmp run var/log dev; do mount -t tmpfs tmpfs "$folder"; done
mount -t proc proc proc; mount -t sysfs sysfs sys; mount -t cgroup2 cgroup2 sys/fs/cgroup
for name in null zero full random urandom tty; do
  touch "dev/$name"; mount --bind "/dev/$name" "dev/$name"
done
mkdir -p dev/pts dev/shm run/lock old
pivot_root . old
umount -l old
export container=other
exec /lib/systemd/systemd --system --unit=timers.target \\
  --log-target=console --log-level=warning --show-status=no
"""


@pytest.fixture
def systemd_machine(
    tmp_path: Path,
) -> Callable[[Mapping[str, str]], contextlib.AbstractContextManager[Run]]:
    """Boot it with units beside the machine's own; the context is a function that runs a program there."""
    return partial(_machine, tmp_path)


@contextlib.contextmanager
def _machine(folder: Path, units: Mapping[str, str]) -> Iterator[Run]:
    needed = ("unshare", "nsenter", "systemctl", "pivot_root")
    if sys.platform != "linux" or os.geteuid() != 0 or not all(map(shutil.which, needed)):
        pytest.skip("needs Linux, root, unshare, nsenter and systemd")
    if not Path("/lib/systemd/systemd").exists():
        pytest.skip("needs systemd")
    (folder / "mount").mkdir()
    for path, text in units.items():
        file = folder / "units" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            file.symlink_to(text[3:])
        else:
            file.write_text(text)
    namespaces = ("--pid", "--fork", "--kill-child", "--mount", "--cgroup", "--ipc", "--uts", "--net")
    command = ["unshare", *namespaces, "sh", "-c", _BOOT, "sh", f"{folder}/mount", f"{folder}/units"]
    log = (folder / "log").open("wb")
    with (
        log,
        _control_group() as entered,
        subprocess.Popen([*entered, *command], stdout=log, stderr=log, stdin=subprocess.DEVNULL) as outer,
    ):
        try:
            yield _ready(outer, folder / "log")
        finally:
            outer.kill()  # and with it everything in the namespaces


@contextlib.contextmanager
def _control_group() -> Iterator[list[str]]:
    """Return the words before a command that start it in a control group of its own, and remove it
    afterwards.
    """
    roots = map(Path, ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"))
    root = next((one for one in roots if (one / "cgroup.procs").exists()), None)
    if root is None:
        yield []
        return
    group = root / f"systemd-{uuid.uuid4().hex}"
    group.mkdir()
    try:
        yield ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group)]
    finally:
        until = time.monotonic() + 10
        while group.exists() and time.monotonic() < until:
            for path, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):  # what has just been killed may still be there
                    Path(path).rmdir()
            time.sleep(0.02)


def _ready(outer: subprocess.Popen[bytes], log: Path) -> Run:
    def inside(*command: str) -> subprocess.CompletedProcess[str]:
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        enter = ["nsenter", "-t", children[0] if children else "0", "-p", "-m", "-n", "-u", "-i", "-C"]
        return subprocess.run(
            [*enter, "--root", "--wd=/", *command], capture_output=True, text=True, timeout=60
        )

    until = time.monotonic() + 60
    while inside("systemctl", "is-system-running").stdout.strip() not in ("running", "degraded"):
        if outer.poll() is not None or time.monotonic() > until:
            pytest.skip(f"systemd does not start in a namespace here: {log.read_text()[-300:]}")
        time.sleep(0.2)

    def run(*command: str) -> str:
        done = inside(*command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
