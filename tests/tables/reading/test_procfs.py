"""Read processes' files: real children of every unpleasant kind, and hand-made proc roots."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_kit.text import shown
from kolide_tables.reading import procfs
from kolide_tables.reading.procfs import Cgroup, Process, ProcessGone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")

ID = "0123456789abcdef" * 4
OTHER = "f" * 64


def wait_until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "the child did not get there in time"
        time.sleep(0.005)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(["cat", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(b"x")
    assert child.stdout.read(1) == b"x"  # it has started, and from now on it only waits
    with child:
        yield child
        child.kill()


def test_facts_of_a_process(sleeper: subprocess.Popen[bytes]) -> None:
    with Process(sleeper.pid) as process:
        assert procfs.comm(process) == "cat"
        assert procfs.arguments(process) == ["cat", "-"]
        assert procfs.executable(process) == (os.path.realpath(shutil.which("cat") or ""), False)
        assert sorted(process.names("fd") or ()) == sorted(
            path.name for path in Path(f"/proc/{sleeper.pid}/fd").iterdir()
        )
        status = process.read("status")
    assert status is not None
    assert procfs.number(status, b"PPid") == os.getpid()
    assert procfs.field(status, b"Name") == b"cat"
    assert procfs.field(status, b"name") is None
    assert procfs.number(status, b"VmRSS") == int(
        subprocess.check_output(["grep", "VmRSS", f"/proc/{sleeper.pid}/status"]).split()[1]
    )


def test_what_is_read_after_the_end_is_an_end_and_not_another_process(
    sleeper: subprocess.Popen[bytes],
) -> None:
    with Process(sleeper.pid) as process:
        assert process.read("status")
        sleeper.kill()
        sleeper.wait()
        for read in (process.read, process.link, process.stat, process.names):
            for name in ("status", "io", "exe", "fd", "no-such-file"):
                with pytest.raises(ProcessGone):
                    read(name)
        with pytest.raises(ProcessGone):
            list(process.fd_links())
    with pytest.raises(ProcessGone):
        Process(sleeper.pid)


def test_a_zombie_is_a_process_with_little_left() -> None:
    child = subprocess.Popen(["true"])
    try:
        wait_until(lambda: b"\nState:\tZ" in Path(f"/proc/{child.pid}/status").read_bytes())
        with Process(child.pid) as process:
            assert procfs.comm(process) == "true"
            assert procfs.arguments(process) == []
            assert procfs.executable(process) == (None, None)
            assert process.read("smaps_rollup") is None
            assert list(process.fd_links()) == []
            assert process.read("status")
    finally:
        child.wait()


def test_a_kernel_thread() -> None:
    if Path("/proc/2/comm").is_file() and Path("/proc/2/comm").read_text() == "kthreadd\n":
        with Process(2) as process:
            assert procfs.comm(process) == "kthreadd"
            assert procfs.arguments(process) == []
            assert procfs.executable(process) == (None, None)
            assert list(process.fd_links()) == []
    else:
        pytest.skip("the kernel's threads are hidden in this pid namespace")


def test_a_file_that_is_missing_or_closed_to_us_is_none(sleeper: subprocess.Popen[bytes]) -> None:
    with Process(sleeper.pid) as process:
        assert process.read("no-such-file") is None
        assert process.link("no-such-file") is None
        assert process.stat("no-such-file") is None
        assert process.names("no-such-file") is None
    code = (
        "import sys; from kolide_tables.reading import procfs\n"
        "with procfs.Process(int(sys.argv[1])) as p:\n"
        "    print(p.read('io'), p.link('exe'), p.names('fd'), list(p.fd_links()), "
        "p.read('smaps_rollup'), procfs.comm(p))"
    )
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    shown = as_nobody(code, sleeper.pid)
    assert shown == "None None None [] None cat"


def as_nobody(code: str, *arguments: object) -> str:
    """Return the output of Python code that runs without any right over other users' processes."""
    # Import before dropping the rights: another user may not be able to read the sources.
    prelude = (
        "import os, kolide_tables.reading.procfs; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", prelude + code, *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


NAMES = [b"a b) (c", b"x\ny", b"\xff\xfe\\", "é\u20ac".encode(), b"t\tr\x01"]


@pytest.mark.parametrize("name", NAMES)
def test_names_and_arguments_of_any_bytes(name: bytes, tmp_path: Path) -> None:
    program = os.fsencode(tmp_path) + b"/" + name
    shutil.copy(os.fsencode(shutil.which("sleep") or ""), program)
    child = subprocess.Popen([program, b"60"])
    try:
        # A program that is being started has its name before it has its arguments.
        wait_until(lambda: Path(f"/proc/{child.pid}/cmdline").read_bytes() == program + b"\0" + b"60\0")
        with Process(child.pid) as process:
            shown = name.decode("utf-8", "backslashreplace")
            assert procfs.comm(process) == shown
            assert procfs.arguments(process) == [f"{tmp_path}/{shown}", "60"]
            assert procfs.executable(process) == (f"{tmp_path}/{shown}", False)
            status = process.read("status")
            assert status is not None
            assert procfs.number(status, b"Pid") == child.pid
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("program", None, ("program", False)),
        ("program", "unlink", ("program", True)),
        ("program", "replace", ("program", True)),
        ("program", "rename", ("renamed", False)),
        ("program", "other-link", ("program", True)),
        ("living (deleted)", None, ("living (deleted)", False)),
        ("living (deleted)", "unlink", ("living (deleted)", True)),
    ],
)
def test_a_deleted_executable(
    name: str, change: str | None, expected: tuple[str, bool], tmp_path: Path
) -> None:
    program = tmp_path / name
    shutil.copy(shutil.which("sleep") or "", program)
    child = subprocess.Popen([program, "60"])
    try:
        wait_until(lambda: Path(f"/proc/{child.pid}/cmdline").read_bytes().startswith(os.fsencode(program)))
        if change == "other-link":
            (tmp_path / "other").hardlink_to(program)
        if change in ("unlink", "other-link"):
            program.unlink()
        elif change == "replace":
            shutil.copy(shutil.which("sleep") or "", tmp_path / "new")
            (tmp_path / "new").rename(program)
        elif change == "rename":
            program.rename(tmp_path / "renamed")
        with Process(child.pid) as process:
            assert procfs.executable(process) == (str(tmp_path / expected[0]), expected[1])
    finally:
        child.kill()
        child.wait()


def test_a_program_in_memory_alone_counts_as_deleted() -> None:
    fd = os.memfd_create("hidden", 0)
    os.write(fd, Path(shutil.which("sleep") or "").read_bytes())
    child = subprocess.Popen(["sleep", "60"], executable=f"/proc/self/fd/{fd}", pass_fds=(fd,))
    os.close(fd)
    try:
        wait_until(lambda: Path(f"/proc/{child.pid}/cmdline").read_bytes() == b"sleep\x0060\x00")
        with Process(child.pid) as process:
            assert procfs.executable(process) == ("/memfd:hidden", True)
    finally:
        child.kill()
        child.wait()


def test_a_thread_is_found_by_no_pid() -> None:
    import threading

    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert thread.native_id is not None
        assert Path(f"/proc/{thread.native_id}/status").is_file()  # the kernel finds it
        assert thread.native_id not in procfs.pids()
        with pytest.raises(ProcessGone):
            procfs.find(thread.native_id)
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("pid", [0, -1, 1 << 30, 1 << 31, 10**30])
def test_pids_that_cannot_be(pid: int) -> None:
    with pytest.raises(ProcessGone):
        procfs.find(pid)


def test_find_leaves_no_descriptor_behind() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for pid in (1 << 30, 0):
        with pytest.raises(ProcessGone):
            procfs.find(pid)
    procfs.find(os.getpid()).close()
    with procfs.find(os.getpid()) as process:
        for name in ("status", "cmdline", "no-such-file", "io"):
            process.read(name)
        list(process.fd_links())
        process.names("fd")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_running_out_of_descriptors_is_an_error_and_no_empty_answer() -> None:
    code = (
        "import resource, os, errno; from kolide_tables.reading import procfs\n"
        "p = procfs.find(os.getpid())\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))\n"
        "for read in (lambda: p.read('io'), lambda: procfs.Process(1), lambda: p.names('fd'), lambda: "
        "list(p.fd_links())):\n"
        "    try: read()\n"
        "    except OSError as e: print(errno.errorcode[e.errno], end=' ')\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert shown.stdout.split() == ["EMFILE"] * 4, shown.stderr


def test_long_files_come_whole() -> None:
    words = ["x" * 1000] * 100  # 100 kB: several pages, several blocks
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *words])
    try:
        wait_until(lambda: len(Path(f"/proc/{child.pid}/cmdline").read_bytes()) > 100_000)
        with Process(child.pid) as process:
            assert (procfs.arguments(process) or [])[3:] == words
            assert process.read("smaps", pieces=True) is not None
    finally:
        child.kill()
        child.wait()


def test_a_title_s_tail_of_zeros_is_no_argument(tmp_path: Path) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "status").write_bytes(b"Tgid:\t7\n")
    (folder / "cmdline").write_bytes(b"nginx: worker process\0\0\0\0\0")
    with Process(7, str(tmp_path)) as process:
        assert procfs.arguments(process) == ["nginx: worker process"]


def test_only_numbers_are_pids(tmp_path: Path) -> None:
    for name in ("1", "22", "self", "3x", "\u0663", "net", "-1"):
        (tmp_path / name).mkdir()
    assert sorted(procfs.pids(str(tmp_path))) == [1, 22]


def test_a_name_cannot_pass_for_another_field() -> None:
    code = (
        "import ctypes,sys;ctypes.CDLL(None).prctl(15,b'x\\nCapEff:\\t1');print(flush=True);sys.stdin.read()"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        with Process(child.pid) as process:
            status = process.read("status")
        assert status is not None
        assert len(procfs.field(status, b"CapEff") or b"") == 16
    finally:
        child.communicate()


@pytest.mark.parametrize(
    ("data", "unit", "container"),
    [
        # systemd, cgroup v2 and v1
        ("0::/system.slice/nginx.service\n", "nginx.service", None),
        ("0::/system.slice/system-getty.slice/getty@tty1.service\n", "getty@tty1.service", None),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope", None),
        (
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope\n",
            "user@1000.service",
            None,
        ),
        ("0::/init.scope\n", "init.scope", None),
        ("0::/\n", None, None),
        ("0::/system.slice\n", None, None),
        ("0::/system.slice/_strange.service/sub\n", "strange.service", None),
        ("0::/../../system.slice/outer.service\n", "outer.service", None),
        ("0::/system.slice/gone.service (deleted)\n", "gone.service", None),
        (
            "12:pids:/system.slice/a.service\n1:name=systemd:/system.slice/a.service\n0::/\n",
            "a.service",
            None,
        ),
        ("9:name=systemd:/\n8:pids:/\n0::/system.slice/b.service\n", "b.service", None),
        ("4:memory:/system.slice/c.service\n1:name=systemd:/\n", "c.service", None),
        ("0::/system.slice/with:colon.service\n", "with:colon.service", None),
        # docker
        (f"0::/system.slice/docker-{ID}.scope\n", f"docker-{ID}.scope", ID),
        (f"12:memory:/docker/{ID}\n1:name=systemd:/docker/{ID}\n", None, ID),
        (f"0::/docker/{OTHER}/docker/{ID}\n", None, ID),
        (f"0::/system.slice/docker-{OTHER}.scope/docker/{ID}/init\n", f"docker-{OTHER}.scope", ID),
        # podman
        (f"0::/machine.slice/libpod-{ID}.scope/container\n", f"libpod-{ID}.scope", ID),
        (f"0::/machine.slice/libpod-conmon-{ID}.scope\n", f"libpod-conmon-{ID}.scope", None),
        (f"0::/libpod_parent/libpod-{ID}\n", None, ID),
        (
            f"0::/user.slice/user-1.slice/user@1.service/user.slice/libpod-{ID}.scope/container\n",
            "user@1.service",
            ID,
        ),
        # kubelet: cgroupfs and systemd drivers, containerd and CRI-O
        (f"11:cpu:/kubepods/besteffort/pod12-34/{ID}\n", None, ID),
        (
            (
                "0::/kubepods.slice/kubepods-burstable.slice/"
                f"kubepods-burstable-pod1_2.slice/cri-containerd-{ID}.scope\n"
            ),
            f"cri-containerd-{ID}.scope",
            ID,
        ),
        (f"0::/kubepods.slice/kubepods-pod1.slice/crio-{ID}.scope\n", f"crio-{ID}.scope", ID),
        (f"0::/kubepods.slice/crio-conmon-{ID}.scope\n", f"crio-conmon-{ID}.scope", None),
        (
            f"0::/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{ID}\n",
            "containerd.service",
            ID,
        ),
        # no ids
        (f"0::/docker/{ID[:-1]}\n", None, None),
        (f"0::/docker/{ID.upper()}\n", None, None),
        (f"0::/a/x{ID}\n", None, None),
        (f"0::/docker/{ID}0\n", None, None),
        ("", None, None),
        ("0::\n:::\n::\n0:\n\n", None, None),
    ],
)
def test_unit_and_container_of_a_cgroup(data: str, unit: str | None, container: str | None) -> None:
    assert procfs.parse_cgroup(data.encode()) == Cgroup(unit, container)


@given(st.binary(max_size=300))
def test_garbage_is_no_cgroup_and_no_error(data: bytes) -> None:
    assert isinstance(procfs.parse_cgroup(data), Cgroup)


@given(
    st.lists(
        st.sampled_from(
            ["0::", "1:name=systemd:", "/", ID, ".slice", ".scope", ":", "\n", "a.service", "-", "\xff"]
        )
    )
)
def test_shuffled_cgroups_name_only_what_is_in_them(parts: list[str]) -> None:
    data = "".join(parts)
    found = procfs.parse_cgroup(data.encode())
    assert found.unit is None or (found.unit in data and "/" not in found.unit)
    assert found.container_id in (None, ID)


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=5))
def test_any_bytes_can_be_asked_for_a_field(data: bytes, name: bytes) -> None:
    procfs.field(data, name)
    value = procfs.number(data, name)
    assert value is None or value >= 0


@given(st.binary(max_size=50))
def test_text_is_utf_8_and_keeps_every_byte(data: bytes) -> None:
    text = shown(data)
    text.encode("utf-8")
    assert text == shown(data.decode("utf-8", "surrogateescape"))
