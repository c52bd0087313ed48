"""Read /proc: a process's small files, and the unit and container that its control group names.

A process is read through a descriptor of its own folder. Every read is then about that one process, even when
its pid is given to another process meanwhile: the kernel answers ENOENT or ESRCH. Source: proc(5),
cgroups(7), and the kernel's Documentation/filesystems/proc.rst.
"""

import errno
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self, TypeVar

from kolide_kit.text import shown

_Result = TypeVar("_Result")

PROC = "/proc"
DELETED = " (deleted)"

_BLOCK = 16384
_OPEN_FILE = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
_OPEN_FOLDER = (
    getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
)

# The process has gone, or its kernel (or a process without memory, such as a kernel thread) does not have
# this fact.
_ABSENT = frozenset((errno.ENOENT, errno.ESRCH))
# The fact may not be read, or does not exist: attr/current is EINVAL where no security module has labels. Any
# other error, such as EMFILE, is this program's own trouble and must not pass for an empty answer.
_DENIED = frozenset((errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENODATA, errno.EOPNOTSUPP, errno.EIO))

_UNIT_TYPES = frozenset(
    ("service", "scope", "socket", "mount", "automount", "swap", "target", "device", "timer", "path")
)


class ProcessGone(Exception):
    """The process ended while, or before, it was read."""


class Cgroup(NamedTuple):
    """The unit and the container that a control group's path names; None if it names none."""

    unit: str | None
    container_id: str | None


class Process:
    """One process's folder under /proc, opened; a context manager.

    Methods that read return None for a fact that does not exist or may not be read, and raise ProcessGone
    once the process has ended.
    """

    __slots__ = ("_fd", "pid")

    def __init__(self, pid: int, root: str = PROC) -> None:
        """Open ROOT/PID; raises ProcessGone if it does not exist."""
        self.pid = pid
        try:
            self._fd = os.open(f"{root}/{pid}", _OPEN_FOLDER)
        except OSError as error:
            if error.errno in _ABSENT or error.errno in _DENIED or error.errno == errno.ENOTDIR:
                raise ProcessGone(pid) from error
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._fd)

    def read(self, name: str, *, pieces: bool = False) -> bytes | None:
        """Return a file's content.

        `pieces` says that the kernel may return it in pieces of any length (cmdline, smaps).

        For the other files (status, io, stat, cgroup, ...) a short answer is the whole one, and another read
        would cost a system call each.
        """
        fd = self._attempt(os.open, name, _OPEN_FILE, dir_fd=self._fd)
        if fd is None:
            return None
        try:
            data = os.read(fd, _BLOCK)
            if len(data) == _BLOCK or (pieces and data):
                blocks = [data]
                while data := os.read(fd, 4 * _BLOCK):
                    blocks.append(data)
                data = b"".join(blocks)
        except OSError as error:
            self._absent(error)
            return None
        finally:
            os.close(fd)
        return data

    def link(self, name: str) -> str | None:
        """Return the target of a symbolic link, as the kernel writes it (surrogateescape)."""
        return self._attempt(os.readlink, name, dir_fd=self._fd)

    def stat(self, name: str) -> os.stat_result | None:
        """Return the stat of a file, or of the target of a magic link such as `exe`."""
        return self._attempt(os.stat, name, dir_fd=self._fd)

    def names(self, folder: str) -> list[str] | None:
        """Return the names in a folder such as `fd`."""
        fd = self._attempt(os.open, folder, _OPEN_FILE, dir_fd=self._fd)
        if fd is None:
            return None
        try:
            return self._attempt(os.listdir, fd)
        finally:
            os.close(fd)

    def fd_links(self) -> Iterator[str]:
        """Yield what the open file descriptors lead to ("socket:[123]", a path, ...), as far as they may be
        read.
        """
        fd = self._attempt(os.open, "fd", _OPEN_FILE, dir_fd=self._fd)
        if fd is None:
            return
        try:
            for name in os.listdir(fd):  # noqa: PTH208 - a path would be looked up anew
                try:
                    yield os.readlink(name, dir_fd=fd)
                except OSError as error:
                    # A right over the whole process is missing: the others would be refused as well.
                    if error.errno in _DENIED:
                        return
                    if error.errno not in _ABSENT:
                        raise
        except OSError as error:
            self._absent(error)
        finally:
            os.close(fd)

    def _attempt(self, call: Callable[..., _Result], *arguments: Any, **options: Any) -> _Result | None:
        """Return what a call of the system gives; None for an absent fact."""
        try:
            return call(*arguments, **options)
        except OSError as error:
            self._absent(error)
            return None

    def _absent(self, error: OSError) -> None:
        if error.errno in _DENIED:
            return
        if error.errno not in _ABSENT:
            raise error
        try:
            os.stat("status", dir_fd=self._fd)
        except OSError as gone:
            if gone.errno in _ABSENT:
                raise ProcessGone(self.pid) from error


def pids(root: str = PROC) -> list[int]:
    """Return the pids of all processes that may be seen."""
    names = os.listdir(root)  # noqa: PTH208 - Path objects for some thousand names are slow
    return [int(name) for name in names if name.isascii() and name.isdigit()]


def find(pid: int, root: str = PROC) -> Process:
    """Open one process by its pid; raises ProcessGone if there is none.

    The kernel also finds a thread by its number here, although it lists only processes. A thread is refused.
    """
    if pid <= 0:
        raise ProcessGone(pid)
    process = Process(pid, root)
    try:
        status = process.read("status")
        if status is not None and field(status, b"Tgid") not in (None, b"%d" % pid):
            raise ProcessGone(pid)
    except BaseException:
        process.close()
        raise
    return process


def field(data: bytes | None, name: bytes) -> bytes | None:
    r"""Return the value of a `Name:\tvalue` line of status, io or smaps_rollup; None without data or line.

    The kernel escapes newlines in names there.
    """
    if data is None:
        return None
    line = name + b":"
    if data.startswith(line):
        start = len(line)
    else:
        start = data.find(b"\n" + line)
        if start < 0:
            return None
        start += len(line) + 1
    end = data.find(b"\n", start)
    return (data[start:] if end < 0 else data[start:end]).strip()


def number(data: bytes | None, name: bytes) -> int | None:
    """Return the value of a line as a decimal number, without the unit behind it."""
    value = field(data, name)
    if not value:
        return None
    value = value.split(None, 1)[0]
    return int(value) if value.isdigit() else None


def comm(process: Process) -> str | None:
    """Return the name of a process, at most 15 bytes, any bytes."""
    data = process.read("comm")
    return None if data is None else shown(data.removesuffix(b"\n"))


def arguments(process: Process) -> list[str] | None:
    """Return the arguments of the command line; empty for kernel threads and zombies."""
    data = process.read("cmdline", pieces=True)
    if data is None:
        return None
    data = data.rstrip(b"\0")  # programs that change their title leave trailing zeros
    return [shown(argument) for argument in data.split(b"\0")] if data else []


def executable(process: Process) -> tuple[str | None, bool | None]:
    """Return the path of the running program, and whether that file has been deleted or replaced since."""
    path = process.link("exe")
    if path is None:
        return None, None
    if not path.endswith(DELETED):
        return shown(path), False
    # An existing file may have a name with that ending as well: then the name leads to the very file that
    # runs.
    running, named = process.stat("exe"), process.stat(f"root{path}")
    if running is not None and named is not None and os.path.samestat(running, named):
        return shown(path), False
    return shown(path.removesuffix(DELETED)), True


def cgroup(process: Process) -> Cgroup:
    """Return the systemd unit and the container that a process belongs to."""
    data = process.read("cgroup")
    return parse_cgroup(data) if data is not None else Cgroup(None, None)


def parse_cgroup(data: bytes) -> Cgroup:
    """Return unit and container from the content of /proc/PID/cgroup, cgroup v1 or v2.

    Anything else names neither.

    The unit is the system's, as in `ps -o unit` and `systemctl status PID`: for a user's service it is
    `user@UID.service`. The container is the innermost one, by its full id as docker, podman, containerd,
    CRI-O and kubelet write it; their monitors outside of the container (conmon) are not in it.
    """
    named, unified, others = "", "", []
    for line in data.split(b"\n"):
        parts = line.split(b":", 2)
        if len(parts) != 3 or not parts[2].startswith(b"/"):
            continue
        path = shown(parts[2]).removesuffix(DELETED)
        if parts[1] == b"name=systemd":
            named = path
        elif not parts[1]:
            unified = path
        else:
            others.append(path)
    unit = next(filter(None, map(_unit, (named, unified, *others))), None)
    container = next(filter(None, map(_container, (unified, named, *others))), None)
    return Cgroup(unit, container)


def _unit(path: str) -> str | None:
    # systemd's own rule: the unit comes after the slices. "/../" leads out of the reader's cgroup namespace.
    for part in path.split("/"):
        name = part.removeprefix("_")
        if not name or name == ".." or (name.endswith(".slice") and len(name) > len(".slice")):
            continue
        stem, _, kind = name.rpartition(".")
        return name if stem and kind in _UNIT_TYPES else None
    return None


def _container(path: str) -> str | None:
    # A component is the id alone (/docker/ID), or the id behind its runtime (docker-ID.scope,
    # ...:cri-containerd:ID).
    for part in reversed(path.split("/")):
        name = part.removesuffix(".scope").removesuffix(".service")
        prefix, identity = name[:-64], name[-64:]
        if len(identity) < 64 or identity.strip("0123456789abcdef"):
            continue
        if not prefix or (prefix[-1] in "-:" and not prefix.endswith("conmon-")):
            return identity
    return None
