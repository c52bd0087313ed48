"""kolide_process_details: I/O, scheduling, memory and privileges of processes, beyond osquery's `processes`.

On Linux from /proc, one file for each group of columns, and only those that the statement uses. Elsewhere
with psutil.
"""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

from kolide_kit.text import shown
from osquery_sdk import Column, ColumnType, Query, Row, table

from ..reading import procfs
from ..reading.processes import each_process, wanted_pids

_ONLINE = "/sys/devices/system/cpu/online"
_MOST_CPUS = 65536

_CLASSES = ("none", "realtime", "best-effort", "idle")
_WINDOWS_CLASSES = ("very-low", "low", "normal", "high")
_IOPRIO_WHO_PROCESS = 1
# ioprio_get has no wrapper in the C library. ioprio_set has the number before it, so only numbers from the
# kernel's headers (x86's and the generic table) belong here. psutil, compiled with those headers, serves
# other machines.
IOPRIO_GET = (("x86_64", 252), ("aarch64", 31), ("riscv64", 31))
# ioprio_get ignores this argument, and ioprio_set refuses it as a class: with a wrong number nothing can be
# changed.
_NO_PRIORITY = -1


class ProcessDetails(Row):
    """A process, and its facts by its kernel.

    NULL, or an empty text, if a fact does not exist there or may not be read.
    """

    pid: int = Column("Process id", index=True, key=True)
    io_read_count: int | None = Column("Read operations; on Linux read system calls", default=None)
    io_write_count: int | None = Column("Write operations; on Linux write system calls", default=None)
    io_read_bytes: int | None = Column(
        "Bytes read; on Linux those that had to come from storage", default=None
    )
    io_write_bytes: int | None = Column("Bytes written; on Linux those meant for storage", default=None)
    ctx_voluntary: int | None = Column(
        "Times it gave up the CPU to wait; on Linux its main thread", default=None
    )
    ctx_involuntary: int | None = Column(
        "Times the CPU was taken from it; on Linux its main thread; not on macOS, Windows", default=None
    )
    num_fds: int | None = Column(
        "Open file descriptors; handles on Windows", type=ColumnType.INTEGER, costly=True, default=None
    )
    affinity: str | None = Column(
        "JSON list of the CPUs it may run on; on Linux its main thread; not on macOS", default=None
    )
    ionice_class: str | None = Column(
        "I/O scheduling class: none, realtime, best-effort, idle; on Windows very-low, low, normal, "
        "high; not on macOS",
        default=None,
    )
    ionice_value: int | None = Column(
        "Priority within the class, 0 the highest to 7; Linux only", type=ColumnType.INTEGER, default=None
    )
    uss: int | None = Column(
        "Bytes of memory that it alone uses: what ending it would free", costly=True, default=None
    )
    pss: int | None = Column(
        "Bytes of memory with shared pages divided among their users; Linux only", costly=True, default=None
    )
    swap: int | None = Column("Bytes swapped out; Linux only", costly=True, default=None)
    terminal: str | None = Column("Controlling terminal's device; not on Windows", default=None)
    oom_score_adj: int | None = Column(
        "Added to its badness when memory runs out, -1000 (never killed) to 1000; Linux only",
        type=ColumnType.INTEGER,
        default=None,
    )
    no_new_privs: int | None = Column(
        "1 if executing a file can give it no new privileges; Linux only",
        type=ColumnType.INTEGER,
        default=None,
    )
    seccomp: int | None = Column(
        "System call filter: 0 none, 1 strict, 2 filter; Linux only", type=ColumnType.INTEGER, default=None
    )
    cap_eff: str | None = Column("Effective capabilities, a mask of 16 hex digits; Linux only", default=None)
    lsm_label: str | None = Column(
        "Label of the security module (SELinux context, AppArmor profile); Linux only", default=None
    )
    exe_deleted: bool | None = Column(
        "1 if its executable has been deleted or replaced since it was started", default=None
    )


@table(
    "kolide_process_details",
    privilege=(
        "Without root: io counts, num_fds, uss, pss, swap and exe_deleted only of the user's own processes."
    ),
    platforms=("linux", "darwin", "windows"),
    examples=(
        (
            "select p.pid, p.name, p.path from kolide_process_details d join processes p using (pid) "
            "where d.exe_deleted = 1"
        ),
        (
            "select p.name, d.uss, d.swap, d.num_fds from kolide_process_details d "
            "join processes p using (pid) order by d.uss desc limit 10"
        ),
    ),
)
def process_details(query: Query) -> Iterator[ProcessDetails]:
    """Processes in detail: I/O, scheduling, private memory, privileges, confinement, deleted programs."""
    platform: str = sys.platform
    if platform == "linux":
        return linux_rows(query)
    import psutil

    return portable_rows(query, psutil)


def linux_rows(query: Query, root: str = procfs.PROC, online: str = _ONLINE) -> Iterator[ProcessDetails]:
    """Yield the rows from a proc file system; `online` is the file that lists the CPUs in use."""
    read = _Reader(query.wants, root, online).read
    for process in each_process(query, root):
        try:
            row = read(process)
        except procfs.ProcessGone:
            continue
        yield row


def portable_rows(query: Query, psutil: ModuleType) -> Iterator[ProcessDetails]:
    """Yield the rows from psutil."""
    # Written from psutil's documentation and tested with its Linux form and with recorded values; not run on
    # macOS and Windows.
    for pid in wanted_pids(query, psutil.pids):
        query.check()
        try:
            row = _portable(psutil.Process(pid), psutil, query.wants)
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:  # not even its start time may be read: only its pid is known
            row = ProcessDetails(pid=pid)
        yield row


class _Reader:
    """Reads the rows of processes; facts that all of them share are read once."""

    def __init__(self, wants: Callable[[str], bool], root: str, online: str) -> None:
        def any_of(*columns: str) -> bool:
            return any(map(wants, columns))

        self._io = any_of("io_read_count", "io_write_count", "io_read_bytes", "io_write_bytes")
        self._status = any_of(
            "ctx_voluntary", "ctx_involuntary", "affinity", "no_new_privs", "seccomp", "cap_eff"
        )
        self._memory = any_of("uss", "pss", "swap")
        self._fds = wants("num_fds")
        self._terminal = wants("terminal")
        self._oom = wants("oom_score_adj")
        self._label = wants("lsm_label")
        self._exe = wants("exe_deleted")
        self._is_real = _is_proc(root)
        self._ioprio = ioprio_getter() if self._is_real and any_of("ionice_class", "ionice_value") else None
        self._cpus = _online(online) if wants("affinity") else None
        self._affinities: dict[bytes, str | None] = {}  # most processes have the same value

    def read(self, process: procfs.Process) -> ProcessDetails:
        """Return one process's row; raises ProcessGone."""
        # ioprio goes by pid, so it comes first: a file that can still be read afterwards shows that it was
        # the same process.
        ioprio = self._ioprio(process.pid) if self._ioprio is not None else None
        if self._ioprio is not None:
            process.stat("status")
        io = process.read("io") if self._io else None
        status = process.read("status") if self._status else None
        label = process.read("attr/current") if self._label else None
        uss, pss, swap = _memory(process) if self._memory else (None, None, None)
        capabilities = procfs.field(status, b"CapEff")
        return ProcessDetails(
            pid=process.pid,
            io_read_count=procfs.number(io, b"syscr"),
            io_write_count=procfs.number(io, b"syscw"),
            io_read_bytes=procfs.number(io, b"read_bytes"),
            io_write_bytes=procfs.number(io, b"write_bytes"),
            ctx_voluntary=procfs.number(status, b"voluntary_ctxt_switches"),
            ctx_involuntary=procfs.number(status, b"nonvoluntary_ctxt_switches"),
            num_fds=self._num_fds(process) if self._fds else None,
            affinity=self._affinity(status),
            ionice_class=None if ioprio is None else _CLASSES[ioprio >> 13 & 3],
            ionice_value=None if ioprio is None else ioprio & 7,  # the bits between are hints
            uss=uss,
            pss=pss,
            swap=swap,
            terminal=terminal_name(parse_tty(process.read("stat") or b"")) if self._terminal else None,
            oom_score_adj=_signed(process.read("oom_score_adj")) if self._oom else None,
            no_new_privs=procfs.number(status, b"NoNewPrivs"),
            seccomp=procfs.number(status, b"Seccomp"),
            cap_eff=None if capabilities is None else shown(capabilities),
            lsm_label=shown(label.rstrip(b"\0\n")) if label else None,
            exe_deleted=procfs.executable(process)[1] if self._exe else None,
        )

    def _num_fds(self, process: procfs.Process) -> int | None:
        # Since Linux 6.2 the size of the fd folder is the number of descriptors; before it is 0.
        if self._is_real:
            folder = process.stat("fd")
            if folder is not None and folder.st_size:
                return folder.st_size
        names = process.names("fd")
        return None if names is None else len(names)

    def _affinity(self, status: bytes | None) -> str | None:
        cpus = procfs.field(status, b"Cpus_allowed_list")
        if cpus is None:
            return None
        if cpus not in self._affinities:
            self._affinities[cpus] = _cpu_list(parse_cpus(cpus), self._cpus)
        return self._affinities[cpus]


def _is_proc(root: str) -> bool:
    # The root of a proc file system is inode 1 and has size 0. A copy, as tests have, is a plain folder.
    from pathlib import Path

    folder = Path(root).stat()
    return folder.st_ino == 1 and folder.st_size == 0


def _online(path: str) -> frozenset[int] | None:
    # The mask of a process may name CPUs that do not exist (yet); like sched_getaffinity, leave them out.
    from pathlib import Path

    try:
        cpus = parse_cpus(Path(path).read_bytes())
    except OSError:
        return None
    return frozenset(cpus) if cpus else None


def parse_cpus(data: bytes) -> list[int] | None:
    """Return the CPUs in a list such as `0-3,8`; None if the text is not a list of that form."""
    cpus: list[int] = []
    for part in data.strip().split(b","):
        first, dash, last = part.partition(b"-")
        if not first.isdigit() or (dash and not last.isdigit()) or len(part) > 16:
            return None
        low, high = int(first), int(last or first)
        if high >= _MOST_CPUS:
            return None
        cpus.extend(range(low, high + 1))
    return cpus


def _cpu_list(cpus: list[int] | None, online: frozenset[int] | None) -> str | None:
    if cpus is None:
        return None
    return f"[{','.join(str(cpu) for cpu in cpus if online is None or cpu in online)}]"


def _memory(process: procfs.Process) -> tuple[int | None, int | None, int | None]:
    data = process.read("smaps_rollup")
    if data is None:  # Linux before 4.14
        data = process.read("smaps", pieces=True)
    return parse_memory(data) if data else (None, None, None)


def parse_memory(data: bytes) -> tuple[int, int, int]:
    """Return the bytes of private, proportional and swapped memory in the content of smaps_rollup, or the
    sums of smaps.
    """
    uss = pss = swap = 0
    for line in data.split(b"\n"):
        name, _, value = line.partition(b":")
        if name.startswith(b"Private_"):
            uss += _kilobytes(value)
        elif name == b"Pss":
            pss += _kilobytes(value)
        elif name == b"Swap":
            swap += _kilobytes(value)
    return uss, pss, swap


def _kilobytes(value: bytes) -> int:
    words = value.split()
    return int(words[0]) * 1024 if len(words) == 2 and words[0].isdigit() and words[1] == b"kB" else 0


def parse_tty(stat: bytes) -> int:
    """Return the device number of the controlling terminal from the content of /proc/PID/stat; 0 is none."""
    # The name before these words, in parentheses, may hold anything; no word behind it has a parenthesis.
    words = stat[stat.rfind(b")") + 1 :].split(None, 5)
    return int(words[4]) if len(words) > 4 and words[4].isdigit() else 0


def terminal_name(device: int) -> str | None:
    """Return the path under /dev of a terminal, by its device number in /proc/PID/stat.

    Return None if it has none.
    """
    major, minor = device >> 8 & 0xFFF, device & 0xFF | device >> 12 & 0xFFF00
    if device <= 0:
        return None
    if 136 <= major <= 143:
        return f"/dev/pts/{(major - 136) * 256 + minor}"
    if major == 4:
        return f"/dev/tty{minor}" if minor < 64 else f"/dev/ttyS{minor - 64}"
    from pathlib import Path

    try:
        return f"/dev/{Path(f'/sys/dev/char/{major}:{minor}').readlink().name}"
    except OSError:
        return None


@functools.cache  # the C library stays the same, and each call of CDLL leaves a class behind
def ioprio_getter() -> Callable[[int], int | None]:
    """Return a function that returns a process's I/O priority (class << 13 | value) by its pid, or None."""
    number = dict(IOPRIO_GET).get(os.uname().machine) if sys.maxsize > 1 << 32 else None
    if number is None:
        return _psutil_ioprio
    import ctypes

    syscall = ctypes.CDLL(None).syscall
    syscall.restype = ctypes.c_long
    syscall.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_long)

    def get(pid: int) -> int | None:
        value = syscall(number, _IOPRIO_WHO_PROCESS, pid, _NO_PRIORITY)
        return None if value < 0 else int(value)

    return get


def _psutil_ioprio(pid: int) -> int | None:
    import psutil

    try:
        priority = psutil.Process(pid).ionice()
    except psutil.Error:
        return None
    return int(priority.ioclass) << 13 | priority.value


def _signed(data: bytes | None) -> int | None:
    value = (data or b"").strip()
    return int(value) if value.removeprefix(b"-").isdigit() else None


def _portable(process: object, psutil: ModuleType, wants: Callable[[str], bool]) -> ProcessDetails:
    def ask(columns: tuple[str, ...], *methods: str) -> object:
        """Return the answer of the first method that this platform has.

        Return None for a fact that may not be read or is unknown.
        """
        if not any(map(wants, columns)):
            return None
        for method in methods:
            call = getattr(process, method, None)
            if call is None:
                continue
            try:
                return call()
            except (psutil.AccessDenied, psutil.ZombieProcess, NotImplementedError):
                return None
        return None

    io = ask(("io_read_count", "io_write_count", "io_read_bytes", "io_write_bytes"), "io_counters")
    switches = ask(("ctx_voluntary", "ctx_involuntary"), "num_ctx_switches")
    memory = ask(("uss", "pss", "swap"), "memory_footprint", "memory_full_info")
    cpus = ask(("affinity",), "cpu_affinity")
    priority = ask(("ionice_class", "ionice_value"), "ionice")
    exe = ask(("exe_deleted",), "exe")
    fds = ask(("num_fds",), "num_handles" if psutil.WINDOWS else "num_fds")
    terminal = ask(("terminal",), "terminal")
    involuntary = getattr(switches, "involuntary", None) if psutil.LINUX else None  # elsewhere it is always 0
    return ProcessDetails(
        pid=process.pid,  # type: ignore[attr-defined]
        io_read_count=getattr(io, "read_count", None),
        io_write_count=getattr(io, "write_count", None),
        io_read_bytes=getattr(io, "read_bytes", None),
        io_write_bytes=getattr(io, "write_bytes", None),
        ctx_voluntary=getattr(switches, "voluntary", None),
        ctx_involuntary=involuntary,
        num_fds=fds if isinstance(fds, int) else None,
        affinity=_cpu_list(cpus, None) if isinstance(cpus, list) else None,
        ionice_class=_class_name(priority),
        ionice_value=getattr(priority, "value", None) if hasattr(priority, "ioclass") else None,
        uss=getattr(memory, "uss", None),
        pss=getattr(memory, "pss", None),
        swap=getattr(memory, "swap", None),
        terminal=terminal if isinstance(terminal, str) else None,
        exe_deleted=_missing(exe) if isinstance(exe, str) and exe else None,
    )


def _class_name(priority: object) -> str | None:
    names = _CLASSES if hasattr(priority, "ioclass") else _WINDOWS_CLASSES
    value = getattr(priority, "ioclass", priority)
    return names[int(value)] if isinstance(value, int) and 0 <= value < len(names) else None


def _missing(path: str) -> bool | None:
    try:
        os.lstat(path)
    except FileNotFoundError:
        return True
    except OSError:
        return None
    return False
