"""kolide_process_details against the kernel's own words, ps, pmap, taskset, ionice and psutil."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.machine.process_details import (
    ProcessDetails,
    ioprio_getter,
    linux_rows,
    parse_cpus,
    parse_memory,
    parse_tty,
    portable_rows,
    process_details,
    terminal_name,
)
from kolide_tables.reading import procfs
from osquery_sdk import Query

from ...support.compare import Compare
from ...support.tools import tool

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")
root_only = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can become another user"
)

COLUMNS = [
    "pid",
    "io_read_count",
    "io_write_count",
    "io_read_bytes",
    "io_write_bytes",
    "ctx_voluntary",
    "ctx_involuntary",
    "num_fds",
    "affinity",
    "ionice_class",
    "ionice_value",
    "uss",
    "pss",
    "swap",
    "terminal",
    "oom_score_adj",
    "no_new_privs",
    "seccomp",
    "cap_eff",
    "lsm_label",
    "exe_deleted",
]


@contextlib.contextmanager
def child(*command: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start a child; return it once it is ready and only waits."""
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, bufsize=0, **{**pipe, **options}) as process:
        try:
            if process.stdin is not None and process.stdout is not None:
                process.stdin.write(b"x")
                assert process.stdout.read(1) == b"x"
                time.sleep(0.02)  # for it to be back in its read
            yield process
        finally:
            process.kill()


def python_child(code: str, *arguments: str) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    wait = "\nimport os\nos.write(1, os.read(0, 1)); os.read(0, 1)"
    return child(sys.executable, "-S", "-c", code + wait, *arguments)


def one(pid: int) -> ProcessDetails:
    (row,) = process_details.rows(pid=pid)
    assert isinstance(row, ProcessDetails)
    assert row.pid == pid
    return row


def words(path: str) -> dict[str, str]:
    """Return a `name: value` file, read in the plainest way."""
    lines = Path(path).read_text(errors="replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_the_columns_are_those_of_the_specification() -> None:
    assert list(ProcessDetails.__annotations__) == COLUMNS


@linux
def test_counters_and_privileges_are_the_kernel_s() -> None:
    with child("cat") as process:
        row, io, status = (
            one(process.pid),
            words(f"/proc/{process.pid}/io"),
            words(f"/proc/{process.pid}/status"),
        )
        assert (row.io_read_count, row.io_write_count) == (int(io["syscr"]), int(io["syscw"]))
        assert (row.io_read_bytes, row.io_write_bytes) == (int(io["read_bytes"]), int(io["write_bytes"]))
        assert row.ctx_voluntary == int(status["voluntary_ctxt_switches"])
        assert row.ctx_involuntary == int(status["nonvoluntary_ctxt_switches"])
        assert row.cap_eff == status["CapEff"]
        assert (row.no_new_privs, row.seccomp) == (int(status["NoNewPrivs"]), int(status["Seccomp"]))
        assert row.num_fds == len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
        assert row.exe_deleted == 0
        assert (row.io_read_count or 0) > 0
        assert len(row.cap_eff) == 16


def said_by_grep() -> dict[int, dict[str, str]]:
    """Return the kernel's values of every process, as grep shows them."""
    files = [
        f"/proc/{pid}/{file}"
        for pid in procfs.pids()
        for file in ("status", "io", "oom_score_adj", "attr/current")
    ]
    said: dict[int, dict[str, str]] = {}
    output = subprocess.run([tool("grep"), "-saH", "", *files], capture_output=True, text=True).stdout
    for line in output.splitlines():
        path, _, text = line.partition(":")
        _, _, pid, file = path.split("/", 3)
        name, _, value = text.partition(":") if file in ("status", "io") else (file, ":", text)
        said.setdefault(int(pid), {})[name] = value.strip("\t \0")
    return said


GROWING = {
    "io_read_count": "syscr",
    "io_write_count": "syscw",
    "io_read_bytes": "read_bytes",
    "io_write_bytes": "write_bytes",
    "ctx_voluntary": "voluntary_ctxt_switches",
    "ctx_involuntary": "nonvoluntary_ctxt_switches",
}
STANDING = {
    "cap_eff": "CapEff",
    "no_new_privs": "NoNewPrivs",
    "seccomp": "Seccomp",
    "oom_score_adj": "oom_score_adj",
    "lsm_label": "attr/current",
}


@linux
def test_every_process_is_as_the_kernel_s_files_say(compare: Compare) -> None:
    before = said_by_grep()
    rows = {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in process_details.rows()}
    after = said_by_grep()
    ours: dict[int, dict[str, Any]] = {}
    said: dict[int, dict[str, Any]] = {}
    for pid in before.keys() & after.keys():
        first, last = before[pid], after[pid]
        if any(first.get(name) != last.get(name) for name in STANDING.values()):
            continue  # it has become something else meanwhile
        ours[pid] = {name: rows[pid][name] for name in (*GROWING, *STANDING)}
        said[pid] = {}
        for column, name in STANDING.items():
            value = first.get(name) or None
            said[pid][column] = value if value is None or column in ("cap_eff", "lsm_label") else int(value)
        for column, name in GROWING.items():
            # The process counts between the readings: the value has to lie between the kernel's two.
            value = first.get(name)
            found = rows[pid][column]
            said[pid][column] = (
                None if value is None else min(max(int(value), found or 0), int(last.get(name, value)))
            )
    assert {1, os.getpid()} <= said.keys()
    compare("process_details", "grep '' /proc/PID/{status,io,oom_score_adj,attr/current}", ours, said)


@linux
def test_terminals_and_labels_of_every_process_are_those_of_ps(compare: Compare) -> None:
    def said_by_ps() -> dict[int, str | None]:
        lines = subprocess.check_output([tool("ps"), "-e", "-o", "pid=,tty="], text=True).splitlines()
        return {int(pid): None if tty == "?" else f"/dev/{tty}" for pid, tty in map(str.split, lines)}

    before = said_by_ps()
    ours = {row[0]: row[COLUMNS.index("terminal")] for row in process_details.rows()}
    after = said_by_ps()
    said = {pid: tty for pid, tty in before.items() if after.get(pid, "") == tty}
    compare("process_details", "ps -e -o pid,tty", {pid: ours.get(pid) for pid in said}, said)


@linux
def test_affinity_and_io_priority_of_every_process_are_those_of_taskset_and_ionice(compare: Compare) -> None:
    def said_by_them(pids: Iterable[int]) -> dict[int, tuple[str, str]]:
        said = {}
        for pid in pids:
            with contextlib.suppress(subprocess.CalledProcessError):  # it has ended
                cpus = subprocess.check_output(
                    [tool("taskset"), "-cp", str(pid)], text=True, stderr=subprocess.DEVNULL
                )
                priority = subprocess.check_output(
                    [tool("ionice"), "-p", str(pid)], text=True, stderr=subprocess.DEVNULL
                )
                said[pid] = str(parse_cpus(cpus.rpartition(":")[2].strip().encode())), priority.strip()
        return said

    before = said_by_them(procfs.pids())
    ours = {
        row.pid: (
            str(json.loads(row.affinity or "null")),
            row.ionice_class
            if row.ionice_class == "idle"
            else f"{row.ionice_class}: prio {row.ionice_value}",
        )
        for row in linux_rows(Query.of(process_details))
    }
    # A difference counts only if the programs still give the same answers.
    differ = {pid for pid, facts in before.items() if ours.get(pid) != facts}
    still = said_by_them(differ)
    said = {pid: facts for pid, facts in before.items() if pid not in differ or still.get(pid) == facts}
    assert os.getpid() in said
    compare("process_details", "taskset -cp, ionice -p", {pid: ours.get(pid) for pid in said}, said)


@linux
def test_bytes_written_to_a_file_are_counted(tmp_path: Path) -> None:
    code = (
        "import os,sys; f=os.open(sys.argv[1],os.O_CREAT|os.O_WRONLY); [os.write(f,b'y'*4096) for _ in "
        "range(256)]; os.fsync(f)"
    )
    with python_child(code, str(tmp_path / "file")) as process:
        row = one(process.pid)
        assert row.io_write_count is not None
        assert row.io_write_count >= 256
        assert row.io_write_bytes == int(words(f"/proc/{process.pid}/io")["write_bytes"])


@linux
@pytest.mark.parametrize("cpus", ["0", "first", "all"])
def test_affinity_is_what_taskset_says(cpus: str) -> None:
    taskset = tool("taskset")
    allowed = sorted(os.sched_getaffinity(0))
    mask = {"0": str(allowed[-1]), "first": str(allowed[0]), "all": ",".join(map(str, allowed))}[cpus]
    with child(taskset, "--cpu-list", mask, "cat") as process:
        said = subprocess.check_output([taskset, "-cp", str(process.pid)], text=True).rpartition(":")[2]
        affinity = one(process.pid).affinity
        assert affinity is not None
        assert json.loads(affinity) == parse_cpus(said.strip().encode())
        assert json.loads(affinity) == sorted(os.sched_getaffinity(process.pid))


@linux
@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        ((), "none", 0),
        (("-c2", "-n5"), "best-effort", 5),
        (("-c2", "-n0"), "best-effort", 0),
        (("-c3",), "idle", None),
        (("-c1", "-n3"), "realtime", 3),
    ],
)
def test_io_priority_is_what_ionice_says(options: tuple[str, ...], name: str, value: int | None) -> None:
    ionice = tool("ionice")
    if options[:1] == ("-c1",) and os.geteuid() != 0:
        pytest.skip("realtime needs root")
    with child(*((ionice, *options) if options else ()), "cat") as process:
        said = subprocess.check_output([ionice, "-p", str(process.pid)], text=True).strip()
        row = one(process.pid)
        assert row.ionice_class == name
        assert said == (name if name == "idle" else f"{name}: prio {row.ionice_value}")
        if value is not None and name != "none":
            assert row.ionice_value == value


@linux
def test_asking_for_an_io_priority_changes_none() -> None:
    # The number before it is ioprio_set, which would change that of every process on the machine.
    strace, ionice = tool("strace"), tool("ionice")
    with child(ionice, "-c2", "-n6", "cat") as process:
        code = (
            "import sys; from kolide_tables.machine.process_details import ioprio_getter; "
            "ioprio_getter()(int(sys.argv[1]))"
        )
        traced = subprocess.run(
            [strace, "-f", "-e", "trace=ioprio_get,ioprio_set", sys.executable, "-c", code, str(process.pid)],
            capture_output=True,
            text=True,
        )
        if "ptrace" in traced.stderr and "not permitted" in traced.stderr:
            pytest.skip("no right to trace")
        calls = re.findall(r"^(?:\[pid +\d+\] )?(ioprio_\w+)\(", traced.stderr, re.MULTILINE)
        assert calls == ["ioprio_get"]
        assert subprocess.check_output([ionice, "-p", str(process.pid)], text=True) == "best-effort: prio 6\n"


@linux
def test_the_number_of_the_call_is_the_one_in_the_kernel_s_headers() -> None:
    headers = {
        "x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
        "aarch64": "/usr/include/asm-generic/unistd.h",
        "riscv64": "/usr/include/asm-generic/unistd.h",
    }
    checked = 0
    for machine, number in sys.modules["kolide_tables.machine.process_details"].IOPRIO_GET:
        header = Path(headers[machine])
        if header.is_file():
            assert re.search(rf"__NR_ioprio_get\s+{number}$", header.read_text(), re.MULTILINE), machine
            checked += 1
    if not checked:
        pytest.skip("needs linux-libc-dev")


@linux
def test_oom_score_and_no_new_privileges() -> None:
    setpriv = tool("setpriv")
    with child(setpriv, "--no-new-privs", "cat") as process:
        Path(f"/proc/{process.pid}/oom_score_adj").write_text("321")
        assert (one(process.pid).oom_score_adj, one(process.pid).no_new_privs) == (321, 1)
    with child("cat") as process:
        row = one(process.pid)
        assert row.oom_score_adj == int(Path(f"/proc/{process.pid}/oom_score_adj").read_text())


@root_only
def test_capabilities_of_a_process_without_any() -> None:
    with child(tool("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups", "cat") as process:
        assert one(process.pid).cap_eff == "0" * 16


@linux
def test_strict_seccomp() -> None:
    code = "import os,ctypes; p=ctypes.CDLL(None).prctl; os.write(1, os.read(0,1)); p(22,1); os.read(0,1)"
    with child(sys.executable, "-S", "-c", code) as process:
        deadline = time.monotonic() + 5
        while one(process.pid).seccomp != 1:
            assert time.monotonic() < deadline


@linux
def test_the_terminal_is_the_one_ps_shows() -> None:
    setsid, ps = tool("setsid"), tool("ps")
    master, slave = os.openpty()
    try:
        with child(setsid, "--ctty", "sleep", "60", stdin=slave, stdout=slave) as process:
            deadline = time.monotonic() + 5
            while (
                said := subprocess.check_output([ps, "-o", "tty=", "-p", str(process.pid)], text=True).strip()
            ) == "?":
                assert time.monotonic() < deadline
            assert one(process.pid).terminal == f"/dev/{said}" == os.ttyname(slave)
    finally:
        os.close(master)
        os.close(slave)
    with child(setsid, "cat") as process:
        assert one(process.pid).terminal is None


def said_by_pmap(pid: int) -> tuple[int, int, int, int]:
    """Return the bytes of private, proportional and swapped memory that pmap adds up, and its rounded
    mappings.
    """
    said = subprocess.check_output([tool("pmap"), "-XX", str(pid)], text=True).splitlines()
    names = said[1].split()
    # The last line has the sums of the numeric columns from Size on.
    sums = dict(zip(names[names.index("Size") :], said[-1].split(), strict=False))
    private = sum(int(sums[name]) for name in names if name.startswith("Private_"))
    return private * 1024, int(sums["Pss"]) * 1024, int(sums["Swap"]) * 1024, len(said) - 4


@linux
def test_memory_is_what_pmap_adds_up(tmp_path: Path, compare: Compare) -> None:
    # A process's share of a library's pages changes whenever another one starts or ceases to use them. So the
    # row is compared with readings before and after it, again if they changed there and back. A wrong sum is
    # wrong every time.
    code = (
        "import mmap, os, sys; x = bytearray(b'z' * 20_000_000); f = os.open(sys.argv[1], os.O_CREAT | "
        "os.O_RDWR)\n"
        "os.write(f, b'y' * 5_000_000); os.fsync(f); m = mmap.mmap(f, 0, access=mmap.ACCESS_READ); "
        "sum(m[::4096])"
    )
    with python_child(code, str(tmp_path / "file")) as process:
        for _ in range(100):
            before = said_by_pmap(process.pid)
            row = one(process.pid)
            after = said_by_pmap(process.pid)
            (low_uss, uss), (low_pss, pss), (low_swap, swap), (_, mappings) = map(
                sorted, zip(before, after, strict=True)
            )
            assert row.uss is not None
            assert row.pss is not None
            assert row.swap is not None
            if (
                low_uss <= row.uss <= uss
                and low_pss <= row.pss <= pss + mappings * 1024
                and low_swap <= row.swap <= swap
            ):
                break
        else:
            pytest.fail(f"{row} never lay between {before} and {after}")
    said = (min(max(low_uss, row.uss), uss), min(max(low_swap, row.swap), swap))
    compare("process_details", "pmap -XX", {"uss, swap": (row.uss, row.swap)}, {"uss, swap": said})
    assert row.uss > 25_000_000


@linux
def test_many_descriptors() -> None:
    code = (
        "import os,resource; resource.setrlimit(resource.RLIMIT_NOFILE,(3000,3000)); [os.dup(0) for _ in "
        "range(2500)]"
    )
    with python_child(code) as process:
        assert one(process.pid).num_fds == len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
        assert (one(process.pid).num_fds or 0) > 2500


@linux
def test_a_deleted_program(tmp_path: Path) -> None:
    program = tmp_path / "my (deleted) cat"
    shutil.copy(tool("cat"), program)
    with child(str(program)) as process:
        assert one(process.pid).exe_deleted == 0
        program.unlink()
        assert one(process.pid).exe_deleted == 1


@linux
def test_kernel_threads_have_no_memory_and_no_program() -> None:
    if not Path("/proc/2/comm").is_file() or Path("/proc/2/comm").read_text() != "kthreadd\n":
        pytest.skip("the kernel's threads are hidden in this pid namespace")
    row = one(2)
    assert (row.uss, row.pss, row.swap, row.terminal, row.exe_deleted) == (None,) * 5
    assert row.num_fds in (0, None)
    assert row.affinity


@linux
def test_a_zombie_has_a_row() -> None:
    process = subprocess.Popen(["true"])
    try:
        while words(f"/proc/{process.pid}/status")["State"][:1] != "Z":
            time.sleep(0.005)
        row = one(process.pid)
        assert (row.uss, row.exe_deleted) == (None, None)
        assert row.no_new_privs == 0
    finally:
        process.wait()
    assert process_details.rows(pid=process.pid) == []


@linux
def test_pids_that_are_none() -> None:
    assert process_details.rows(pid=[0, -1, 1 << 30, 1 << 40]) == []
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert thread.native_id is not None
        assert process_details.rows(pid=thread.native_id) == []
    finally:
        done.set()
        thread.join()


@linux
def test_several_pids_are_looked_up_once_each() -> None:
    mine = os.getpid()
    assert [row[0] for row in process_details.rows(pid=[mine, mine, 1 << 30])] == [mine]


@linux
def test_every_process_that_lives_all_the_while_has_one_row() -> None:
    before = set(procfs.pids())
    pids = [row[0] for row in process_details.rows()]
    after = set(procfs.pids())
    assert before & after <= set(pids) <= before | after
    assert len(pids) == len(set(pids))
    assert os.getpid() in pids


@linux
def test_a_process_that_ends_during_the_scan_has_no_row() -> None:
    with child("cat") as process:
        rows = linux_rows(Query.of(process_details))
        assert next(rows).pid < process.pid  # the list has been made
        process.kill()
        process.wait()
        assert process.pid not in {row.pid for row in rows}


@linux
def test_processes_that_come_and_go_are_no_error() -> None:
    stop = threading.Event()

    def spawn() -> None:
        while not stop.is_set():
            subprocess.run(["true"])

    spawner = threading.Thread(target=spawn)
    spawner.start()
    try:
        for _ in range(15):
            assert len(process_details.rows()) > 2
    finally:
        stop.set()
        spawner.join()


@root_only
def test_what_may_not_be_read_is_null_and_the_rest_is_there() -> None:
    code = (
        "import json,os,sys; from kolide_tables.machine.process_details import process_details\n"
        "process_details.rows(pid=os.getpid())\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "rows = process_details.rows(pid=int(sys.argv[1]))\n"
        "print(json.dumps([tuple(row) for row in rows]))"
    )
    with child("cat") as process:
        output = subprocess.check_output([sys.executable, "-c", code, str(process.pid)], text=True)
        full = one(process.pid)
    (values,) = json.loads(output)
    row = dict(zip(COLUMNS, values, strict=True))
    closed = {
        "io_read_count",
        "io_write_count",
        "io_read_bytes",
        "io_write_bytes",
        "uss",
        "pss",
        "swap",
        "exe_deleted",
    }
    assert {name for name in closed if row[name] is not None} == set()
    open_ = set(COLUMNS) - closed - {"num_fds"}
    assert {name: row[name] for name in open_} == {name: getattr(full, name) for name in open_}
    assert row["num_fds"] in (None, full.num_fds)  # Linux 6.2 tells the number to everyone


def opened(code: str, *arguments: object) -> list[str]:
    """Return the paths under /proc that Python opens, reads as links or stats after it has printed `go`."""
    strace = tool("strace")
    traced = subprocess.run(
        [
            strace,
            "-f",
            "-y",
            "-s",
            "200",
            "-e",
            "trace=openat,open,readlink,readlinkat,newfstatat,stat,lstat,statx,write",
            sys.executable,
            "-c",
            code,
            *map(str, arguments),
        ],
        capture_output=True,
        text=True,
    )
    if "not permitted" in traced.stderr and "ptrace" in traced.stderr:
        pytest.skip("no right to trace")
    assert traced.returncode == 0, traced.stderr[-2000:]
    seen = []
    for line in traced.stderr.partition('"go\\n"')[2].splitlines():
        match = re.search(
            r'^(?:\[pid +\d+\] )?\w+\((?:AT_FDCWD(?:<[^>]*>)?|\d+<([^>]*)>)?,? ?"([^"]*)"', line
        )
        if match is not None and "write(" not in line:
            path = os.path.join(match[1] or "", match[2])  # noqa: PTH118
            if path.startswith("/proc/"):
                seen.append(path)
    return seen


WARM = (
    "import os,sys; from kolide_tables.machine.process_details import process_details\n"
    "process_details.rows(pid=os.getpid()); os.write(1, b'go\\n')\n"
)


@linux
def test_a_lookup_touches_the_files_of_that_process_alone() -> None:
    with child("cat") as process:
        seen = opened(WARM + "process_details.rows(pid=int(sys.argv[1]))", process.pid)
    assert seen
    assert {path for path in seen if not path.startswith(f"/proc/{process.pid}")} <= {"/proc/", "/proc"}
    assert len(seen) == len(set(seen)) + seen.count(f"/proc/{process.pid}/status") - 1


@linux
@pytest.mark.parametrize(
    ("columns", "files"),
    [
        ((), set()),
        (("pid",), set()),
        (("uss",), {"smaps_rollup"}),
        (("pss", "swap"), {"smaps_rollup"}),
        (("io_read_bytes",), {"io"}),
        (("seccomp", "cap_eff", "affinity", "ctx_voluntary"), {"status"}),
        (("num_fds",), {"fd"}),
        (("terminal",), {"stat"}),
        (("oom_score_adj",), {"oom_score_adj"}),
        (("lsm_label",), {"attr/current"}),
        (("exe_deleted",), {"exe"}),
    ],
)
def test_only_what_is_asked_for_is_read(columns: tuple[str, ...], files: set[str]) -> None:
    code = (
        "import os,sys; from kolide_tables.reading import procfs; "
        "from kolide_tables.machine import process_details as d; "
        "d = sys.modules['kolide_tables.machine.process_details']\n"
        "reader = d._Reader(lambda name: name in sys.argv[2:], '/proc', d._ONLINE)\n"
        "process = procfs.Process(int(sys.argv[1])); os.write(1, b'go\\n'); reader.read(process)"
    )
    with child("cat") as process:
        prefix = f"/proc/{process.pid}/"
        seen = {path.removeprefix(prefix) for path in opened(code, process.pid, *columns)}
    # Without a security module with labels, asking for one is an error that does not say so: the process is
    # looked for again.
    assert seen in (files, files | {"status"}) if columns == ("lsm_label",) else seen == files


@linux
def test_psutil_finds_the_same() -> None:
    with child(tool("ionice"), "-c2", "-n4", "cat") as process:
        # Memory that is shared changes as other processes come and go.
        for _ in range(50):
            before = one(process.pid)
            (row,) = portable_rows(Query.of(process_details, equals={"pid": process.pid}), psutil)
            ours = one(process.pid)
            if before.pss == ours.pss:
                break
    alone = {"oom_score_adj", "no_new_privs", "seccomp", "cap_eff", "lsm_label"}  # psutil has none of them
    for name in set(COLUMNS) - alone:
        assert getattr(row, name) == getattr(ours, name), name
    assert row.io_read_count


class Denied(Exception):
    pass


class Gone(Exception):
    pass


class Zombie(Gone):
    pass


def recorded(system: str, processes: dict[int, Any]) -> ModuleType:
    """Stand in for psutil as its documentation describes it on another system, with these processes."""

    def find(pid: int) -> Any:
        process = processes.get(pid)
        if process is None:
            raise Gone(pid)
        if isinstance(process, Exception):
            raise process
        return process

    fake = ModuleType("psutil")
    fake.__dict__.update(
        AccessDenied=Denied,
        NoSuchProcess=Gone,
        ZombieProcess=Zombie,
        WINDOWS=system == "windows",
        LINUX=False,
        pids=lambda: sorted(processes),
        Process=find,
    )
    return fake


def answers(value: Any) -> Callable[[], Any]:
    def answer() -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    return answer


def test_windows_as_recorded(tmp_path: Path) -> None:
    program = tmp_path / "svchost.exe"
    program.touch()
    process = SimpleNamespace(
        pid=4242,
        io_counters=answers(SimpleNamespace(read_count=1, write_count=2, read_bytes=3, write_bytes=4)),
        num_ctx_switches=answers(SimpleNamespace(voluntary=77, involuntary=0)),
        num_handles=answers(512),
        cpu_affinity=answers([0, 1, 2, 3]),
        ionice=answers(psutil.IOPRIO_NORMAL if hasattr(psutil, "IOPRIO_NORMAL") else 2),
        memory_full_info=answers(SimpleNamespace(rss=9, uss=8)),
        exe=answers(str(program)),
    )
    query = Query.of(process_details)
    (row,) = portable_rows(query, recorded("windows", {4242: process}))
    assert dict(zip(COLUMNS, row, strict=True)) == dict.fromkeys(COLUMNS) | {
        "pid": 4242,
        "io_read_count": 1,
        "io_write_count": 2,
        "io_read_bytes": 3,
        "io_write_bytes": 4,
        "ctx_voluntary": 77,
        "num_fds": 512,
        "affinity": "[0,1,2,3]",
        "ionice_class": "normal",
        "uss": 8,
        "exe_deleted": 0,
    }


def test_macos_as_recorded() -> None:
    mine = SimpleNamespace(
        pid=501,
        num_ctx_switches=answers(SimpleNamespace(voluntary=10, involuntary=0)),
        num_fds=answers(7),
        memory_full_info=answers(SimpleNamespace(rss=9, uss=8)),
        terminal=answers("/dev/ttys003"),
        exe=answers("/nonexistent/program"),
    )
    denied = answers(Denied())
    others = SimpleNamespace(
        pid=1, num_ctx_switches=denied, num_fds=denied, memory_full_info=denied, terminal=denied, exe=denied
    )
    zombie = SimpleNamespace(
        pid=502, num_fds=answers(Zombie()), exe=answers(Zombie()), terminal=answers(None)
    )
    ended = SimpleNamespace(pid=503, num_fds=answers(Gone()))
    fake = recorded("darwin", {1: others, 501: mine, 502: zombie, 503: ended, 504: Denied(), 505: Gone()})
    rows = {row.pid: row for row in portable_rows(Query.of(process_details), fake)}
    assert sorted(rows) == [1, 501, 502, 504]
    assert (rows[501].num_fds, rows[501].uss, rows[501].terminal, rows[501].exe_deleted) == (
        7,
        8,
        "/dev/ttys003",
        1,
    )
    assert (rows[501].affinity, rows[501].ctx_involuntary, rows[501].io_read_count) == (None, None, None)
    for pid in (1, 502, 504):
        assert rows[pid] == ProcessDetails(pid=pid)


STATUS = (
    "Name:\tx\nTgid:\t{pid}\nCapEff:\t0000000000000000\nCpus_allowed_list:\t0-3,8\nNoNewPrivs:\t1\n"
    "Seccomp:\t2\n"
)


def make_process(root: Path, pid: int, **files: str | bytes) -> Path:
    folder = root / str(pid)
    (folder / "attr").mkdir(parents=True)
    (folder / "status").write_text(STATUS.format(pid=pid))
    for name, data in files.items():
        (folder / name.replace("__", "/")).write_bytes(data.encode() if isinstance(data, str) else data)
    return folder


@linux
def test_a_copy_of_proc_is_read_as_well(tmp_path: Path) -> None:
    folder = make_process(
        tmp_path,
        7,
        io="rchar: 1\nsyscr: 18446744073\nsyscw: 2\nread_bytes: 3\nwrite_bytes: x\n",
        stat=b"7 (a) R 1 \n\xff) 4) S 1 7 7 34820 -1",
        oom_score_adj="-1000\n",
        attr__current=b"docker-default (enforce)\n",
        smaps=(
            b"1-2 rw\nPss: 3 kB\nPrivate_Dirty: 4 kB\nSwap: 1 kB\n2-3 r\nPss: 1 kB\nPrivate_Clean: 2 "
            b"kB\nSwap: 0 kB\n"
        ),
    )
    (folder / "fd").mkdir()
    for number in range(5):
        (folder / "fd" / str(number)).symlink_to("/dev/null")
    (folder / "exe").symlink_to("/x (deleted)")
    (tmp_path / "online").write_text("0-1,8\n")
    (row,) = linux_rows(Query.of(process_details), str(tmp_path), str(tmp_path / "online"))
    assert dict(zip(COLUMNS, row, strict=True)) == dict.fromkeys(COLUMNS) | {
        "pid": 7,
        "io_read_count": 18446744073,
        "io_write_count": 2,
        "io_read_bytes": 3,
        "num_fds": 5,
        "affinity": "[0,1,8]",
        "uss": 6 * 1024,
        "pss": 4 * 1024,
        "swap": 1024,
        "terminal": "/dev/pts/4",
        "oom_score_adj": -1000,
        "no_new_privs": 1,
        "seccomp": 2,
        "cap_eff": "0" * 16,
        "lsm_label": "docker-default (enforce)",
        "exe_deleted": 1,
    }


@linux
def test_ten_thousand_processes(tmp_path: Path) -> None:
    for kind in range(3):
        (tmp_path / f"kind{kind}").mkdir()
        (tmp_path / f"kind{kind}" / "status").write_bytes(b"Seccomp:\t%d\n" % kind)
    for pid in range(1, 10_001):
        os.symlink(f"kind{pid % 3}", f"{tmp_path}/{pid}")  # noqa: PTH211 - Path objects for so many are slow
    query = Query.of(process_details, used=["pid", "seccomp"])
    rows = list(linux_rows(query, str(tmp_path)))
    assert sorted(row.pid for row in rows) == list(range(1, 10_001))
    assert all(row.seccomp == row.pid % 3 for row in rows)


@linux
@pytest.mark.parametrize(
    "status", [b"", b"\xff\x00", b"Tgid:\t7\nSeccomp:\tx\nCpus_allowed_list:\t9-\nCapEff:\n"]
)
def test_files_of_garbage_give_nulls(status: bytes, tmp_path: Path) -> None:
    folder = make_process(
        tmp_path, 7, io=b"\0\0", stat=b")", oom_score_adj=b"-", attr__current=b"", smaps_rollup=b"Pss:\n"
    )
    (folder / "status").write_bytes(status)
    (row,) = linux_rows(Query.of(process_details), str(tmp_path))
    assert (row.io_read_count, row.seccomp, row.affinity, row.terminal, row.oom_score_adj) == (None,) * 5


@pytest.mark.parametrize(
    ("data", "cpus"),
    [
        (b"0", [0]),
        (b"0-3", [0, 1, 2, 3]),
        (b"0,2-3,9\n", [0, 2, 3, 9]),
        (b"", None),
        (b"3-1", []),
        (b"1-", None),
        (b"-1", None),
        (b"0-99999999", None),
        (b"a", None),
    ],
)
def test_lists_of_cpus(data: bytes, cpus: list[int] | None) -> None:
    assert parse_cpus(data) == cpus


@pytest.mark.parametrize(
    ("device", "name"),
    [
        (0, None),
        (-1, None),
        (136 << 8 | 3, "/dev/pts/3"),
        (137 << 8 | 0, "/dev/pts/256"),
        (136 << 8 | 5 | 1 << 20, "/dev/pts/261"),
        (4 << 8 | 1, "/dev/tty1"),
        (4 << 8 | 64, "/dev/ttyS0"),
        (4094 << 8 | 77, None),
    ],
)
@linux
def test_names_of_terminals(device: int, name: str | None) -> None:
    assert terminal_name(device) == name


@linux
def test_a_terminal_known_to_sysfs() -> None:
    if not Path("/sys/dev/char/5:1").exists():
        pytest.skip("no console here")
    assert terminal_name(5 << 8 | 1) == "/dev/console"


@linux
def test_priority_of_no_process() -> None:
    assert ioprio_getter()(1 << 22 | 5) is None


@given(st.binary(max_size=200))
def test_parsers_take_any_bytes(data: bytes) -> None:
    parse_cpus(data)
    assert parse_tty(data) >= 0
    assert all(value >= 0 for value in parse_memory(data))


@given(st.sets(st.integers(0, 300), min_size=1))
def test_a_list_of_cpus_as_the_kernel_writes_it_reads_back(cpus: set[int]) -> None:
    ordered, parts = sorted(cpus), []
    start = previous = ordered[0]
    for cpu in [*ordered[1:], -1]:
        if cpu != previous + 1:
            parts.append(str(start) if start == previous else f"{start}-{previous}")
            start = cpu
        previous = cpu
    assert parse_cpus(",".join(parts).encode()) == ordered
