"""kolide_exposed_ports against ss, real sockets of every kind, and hand-made proc roots."""

import contextlib
import ipaddress
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.exposure.exposed_ports import (
    ExposedPort,
    Socket,
    address_text,
    exposed_ports,
    linux_rows,
    parse_sockets,
    portable_rows,
    scope,
)
from osquery_sdk import Query

from ...support.compare import Compare
from ...support.tools import tool

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")
root_only = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can become another user"
)

ID = "0123456789abcdef" * 4
COLUMNS = [
    "pid",
    "protocol",
    "address",
    "port",
    "scope",
    "name",
    "path",
    "cmdline",
    "uid",
    "unit",
    "container_id",
]
Place = tuple[int | None, str, str, int]


def place(row: ExposedPort) -> Place:
    return row.pid, row.protocol, row.address, row.port


def of_port(port: int) -> list[ExposedPort]:
    rows = exposed_ports.rows(port=port)
    assert all(isinstance(row, ExposedPort) for row in rows)
    return [row for row in rows if isinstance(row, ExposedPort) and row.port == port]


def said_by_ss() -> set[Place]:
    places: set[Place] = set()
    for line in subprocess.check_output([tool("ss"), "-tulpnH"], text=True, errors="replace").splitlines():
        protocol, _state, _receive, _send, local, _peer, *users = line.split(None, 6)
        address, _, port = local.rpartition(":")
        address = address.strip("[]").partition("%")[0].strip("[]").replace("*", "::")
        pids = {int(pid) for pid in re.findall(r",pid=(\d+),fd=", users[0])} if users else {None}
        places.update((pid, protocol, address, int(port)) for pid in pids)
    return places


@contextlib.contextmanager
def bound(family: int, kind: int, address: str, *, only6: bool = False) -> Iterator[socket.socket]:
    try:
        made = socket.socket(family, kind)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only6)
        made.bind((address, 0))
    except OSError as error:
        pytest.skip(f"no such address on this machine: {error}")
    with made:
        if kind == socket.SOCK_STREAM:
            made.listen()
        yield made


def test_the_columns_are_those_of_the_specification() -> None:
    assert list(ExposedPort.__annotations__) == COLUMNS


@linux
@pytest.mark.parametrize(
    ("family", "kind", "bind", "only6", "protocol", "shown", "scope_"),
    [
        (socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1", False, "tcp", "127.0.0.1", "loopback"),
        (socket.AF_INET, socket.SOCK_STREAM, "127.1.2.3", False, "tcp", "127.1.2.3", "loopback"),
        (socket.AF_INET, socket.SOCK_STREAM, "0.0.0.0", False, "tcp", "0.0.0.0", "any"),
        (socket.AF_INET6, socket.SOCK_STREAM, "::1", True, "tcp", "::1", "loopback"),
        (socket.AF_INET6, socket.SOCK_STREAM, "::", False, "tcp", "::", "any"),
        (socket.AF_INET6, socket.SOCK_STREAM, "::", True, "tcp", "::", "any"),
        (
            socket.AF_INET6,
            socket.SOCK_STREAM,
            "::ffff:127.0.0.1",
            False,
            "tcp",
            "::ffff:127.0.0.1",
            "loopback",
        ),
        (socket.AF_INET6, socket.SOCK_STREAM, "::ffff:0.0.0.0", False, "tcp", "::ffff:0.0.0.0", "any"),
        (socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1", False, "udp", "127.0.0.1", "loopback"),
        (socket.AF_INET, socket.SOCK_DGRAM, "0.0.0.0", False, "udp", "0.0.0.0", "any"),
        (socket.AF_INET, socket.SOCK_DGRAM, "224.0.0.251", False, "udp", "224.0.0.251", "private"),
        (socket.AF_INET6, socket.SOCK_DGRAM, "::1", True, "udp", "::1", "loopback"),
        (socket.AF_INET6, socket.SOCK_DGRAM, "::", False, "udp", "::", "any"),
    ],
)
def test_a_socket_of_ours(
    family: int, kind: int, bind: str, only6: bool, protocol: str, shown: str, scope_: str
) -> None:
    with bound(family, kind, bind, only6=only6) as made:
        port = made.getsockname()[1]
        (row,) = [row for row in of_port(port) if row.protocol == protocol]
        said = {place for place in said_by_ss() if place[3] == port}
    assert place(row) == (os.getpid(), protocol, shown, port)
    assert place(row) in said
    assert row.scope == scope_
    assert row.uid == os.geteuid()
    assert row.name == Path("/proc/self/comm").read_text().removesuffix("\n")
    assert row.path == str(Path("/proc/self/exe").readlink())
    assert of_port(port) == []


def owners_said_by_ss() -> dict[tuple[str, str, int], int]:
    owners: dict[tuple[str, str, int], int] = {}
    for line in subprocess.check_output([tool("ss"), "-tulneH"], text=True, errors="replace").splitlines():
        protocol, _state, _receive, _send, local, *rest = line.split()
        address, _, port = local.rpartition(":")
        address = address.strip("[]").partition("%")[0].strip("[]").replace("*", "::")
        uid = re.search(r"\buid:(\d+)", " ".join(rest))
        owners[protocol, address, int(port)] = int(uid[1]) if uid else 0  # root's are not named
    return owners


@root_only
def test_owners_of_all_sockets_are_those_of_ss(compare: Compare) -> None:
    with (
        listener(AS_NOBODY),
        bound(socket.AF_INET6, socket.SOCK_DGRAM, "::1", only6=True),
    ):
        before = owners_said_by_ss()
        ours = {(row.protocol, row.address, row.port): row.uid for row in linux_rows(Query.of(exposed_ports))}
        after = owners_said_by_ss()
    said = {where: uid for where, uid in before.items() if after.get(where) == uid}
    assert NOBODY in said.values()
    compare("exposed_ports", "ss -tulneH", {where: ours.get(where) for where in said}, said)


@linux
def test_all_sockets_are_those_of_ss(compare: Compare) -> None:
    with (
        bound(socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1"),
        bound(socket.AF_INET, socket.SOCK_DGRAM, "0.0.0.0"),
        bound(socket.AF_INET6, socket.SOCK_STREAM, "::"),
    ):
        # Others come and go on a machine in use.
        before = said_by_ss()
        places = [place(row) for row in exposed_ports.rows() if isinstance(row, ExposedPort)]
        after = said_by_ss()
    assert len(places) == len(set(places)) >= 3
    compare("exposed_ports", "ss -tulpnH", set(places) - (before ^ after), before & after)


@linux
def test_what_is_connected_is_not_exposed() -> None:
    with bound(socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1") as server:
        with socket.create_connection(server.getsockname()) as client, server.accept()[0] as accepted:
            assert of_port(client.getsockname()[1]) == []
            assert [row.port for row in of_port(accepted.getsockname()[1])] == [server.getsockname()[1]]
        with bound(socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1") as udp:
            assert len(of_port(udp.getsockname()[1])) == 1
            udp.connect(("127.0.0.1", 9))
            assert of_port(udp.getsockname()[1]) == []
    unbound = socket.socket()
    with unbound:
        unbound.bind(("127.0.0.1", 0))  # bound, but it does not listen
        assert of_port(unbound.getsockname()[1]) == []


@linux
def test_every_holder_of_a_socket_has_a_row() -> None:
    with bound(socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1") as made:
        holders = [subprocess.Popen(["sleep", "60"], pass_fds=(made.fileno(),)) for _ in range(3)]
        try:
            port = made.getsockname()[1]
            rows = of_port(port)
            assert {row.pid for row in rows} == {os.getpid(), *(holder.pid for holder in holders)}
            assert {place(row) for row in rows} == {place for place in said_by_ss() if place[3] == port}
            (row,) = exposed_ports.rows(pid=holders[1].pid)
            assert isinstance(row, ExposedPort)
            assert (row.pid, row.port) == (holders[1].pid, port)
            assert exposed_ports.rows(pid=holders[1].pid, port=port + 1) == []
            both = exposed_ports.rows(pid=[holders[0].pid, holders[2].pid, holders[0].pid])
            assert sorted(row[0] for row in both) == sorted((holders[0].pid, holders[2].pid))
        finally:
            for holder in holders:
                holder.kill()
                holder.wait()


@linux
def test_one_place_is_one_row_however_many_sockets_and_descriptors_serve_it() -> None:
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(socket.socket())
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        first.bind(("127.0.0.1", 0))
        first.listen()
        stack.enter_context(first.dup())
        second = stack.enter_context(socket.socket())
        second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        second.bind(first.getsockname())
        second.listen()
        assert [row.pid for row in of_port(first.getsockname()[1])] == [os.getpid()]


NOBODY = 65534
# The program drops its rights itself: another user may not be able to start this Python, or to import from
# it.
AS_NOBODY = f"import os,socket; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
LISTEN = (
    "import socket,sys,os\n"
    "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); print(s.getsockname()[1], flush=True); "
    "sys.stdin.read()"
)


@contextlib.contextmanager
def listener(
    before: str = "", *, arguments: tuple[str | bytes, ...] = (), **options: Any
) -> Iterator[tuple[int, int]]:
    """Start a child that listens, after it has done something else; return its pid and port."""
    command = [sys.executable, "-S", "-c", before + LISTEN, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, "the child could not listen"
            yield process.pid, int(line)
        finally:
            process.kill()


@linux
def test_secrets_in_arguments_do_not_show() -> None:
    secrets = ("--password=hunter2", "--token", "s3cret", "API_KEY=abc", "https://u:pw@h/x", "--port", "80")
    with listener(arguments=secrets) as (pid, port):
        (row,) = of_port(port)
    assert row.pid == pid
    assert row.cmdline is not None
    hidden = "--password=[redacted] --token [redacted] API_KEY=[redacted] https://[redacted]@h/x --port 80"
    assert row.cmdline.endswith(hidden)
    assert not re.search("hunter2|s3cret|abc|u:pw", repr(row))


@root_only
def test_the_user_is_the_socket_s_owner() -> None:
    # Bound by one user, held by another: the user who opened it counts.
    with listener(AS_NOBODY) as (pid, port):
        (row,) = of_port(port)
        assert (row.pid, row.uid) == (pid, NOBODY)


@contextlib.contextmanager
def in_control_group(pid: int, path: str) -> Iterator[None]:
    """Put a process into a new control group of the kernel."""
    root = next(
        (
            one
            for one in map(Path, ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"))
            if (one / "cgroup.procs").exists()
        ),
        None,
    )
    if root is None:
        pytest.skip("no control groups of version 2 here")
    made: list[Path] = []
    try:
        for part in Path(path).parts:
            made.append((made[-1] if made else root) / part)
            made[-1].mkdir()
        (made[-1] / "cgroup.procs").write_text(str(pid))
        yield
        (root / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        pytest.skip(f"no control group may be made here: {error}")
    finally:
        for folder in reversed(made):
            with contextlib.suppress(OSError):
                folder.rmdir()


@root_only
@pytest.mark.parametrize(
    ("path", "unit", "container"),
    [
        (f"docker-{ID}.scope", f"docker-{ID}.scope", ID),
        (f"libpod-{ID}.scope/container", f"libpod-{ID}.scope", ID),
        (f"kubepods-pod1.slice/cri-containerd-{ID}.scope", f"cri-containerd-{ID}.scope", ID),
        (f"libpod-conmon-{ID}.scope", f"libpod-conmon-{ID}.scope", None),
        ("nginx.service/worker", "nginx.service", None),
        ("session-3.scope", "session-3.scope", None),
        (f"docker/{ID}", None, ID),
    ],
)
def test_units_and_containers_of_the_kernel_s_own_control_groups(
    path: str, unit: str | None, container: str | None, compare: Compare
) -> None:
    """The control groups have the names that systemd and the engines give theirs."""
    with listener() as (pid, port), in_control_group(pid, f"t{os.getpid()}.slice/{path}"):
        (row,) = of_port(port)
    compare(
        "exposed_ports",
        "control groups as engines name them",
        {row.pid: (row.unit, row.container_id)},
        {pid: (unit, container)},
    )


@linux
def test_names_and_arguments_of_any_bytes(tmp_path: Path) -> None:
    arguments = (b"a\nb", b"\xff\xfe", "é)".encode(), b"")
    rename = "import ctypes; ctypes.CDLL(None).prctl(15, b'x) (\\xff\\n')\n"
    command: list[str | bytes] = [sys.executable, "-S", "-c", rename + LISTEN, *arguments, b"end"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            (row,) = of_port(int(process.stdout.readline()))
        finally:
            process.kill()
    assert row.name == "x) (\\xff\n"
    assert row.cmdline is not None
    assert row.cmdline.endswith("a\nb \\xff\\xfe é)  end")


@root_only
def test_sockets_of_processes_that_may_not_be_read_have_no_pid() -> None:
    code = (
        "import json,os,sys,socket; from kolide_tables.exposure.exposed_ports import exposed_ports\n"
        "exposed_ports.rows(); os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "print(json.dumps(exposed_ports.rows(port=int(sys.argv[1])) + "
        "exposed_ports.rows(pid=int(sys.argv[2]))))"
    )
    with listener() as (pid, port):
        output = subprocess.check_output([sys.executable, "-c", code, str(port), str(pid)], text=True)
        (full,) = of_port(port)
    (row,) = json.loads(output)
    shown = dict(zip(COLUMNS, row, strict=True))
    assert shown == dict.fromkeys(COLUMNS) | {
        "protocol": "tcp",
        "address": "127.0.0.1",
        "port": port,
        "scope": "loopback",
        "uid": 0,
    }
    assert full.pid == pid


@root_only
def test_another_network_namespace_is_another_world() -> None:
    unshare = tool("unshare")
    if subprocess.run([unshare, "-n", "true"], capture_output=True).returncode:
        pytest.skip("no right to make a network namespace")
    up = (
        "import socket,fcntl,struct; s=socket.socket(); fcntl.ioctl(s, 0x8914, struct.pack('16sH22x', "
        "b'lo', 1))\n"
    )
    command = [unshare, "-n", sys.executable, "-S", "-c", up + LISTEN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            int(process.stdout.readline())
            assert exposed_ports.rows(pid=process.pid) == []
        finally:
            process.kill()


@linux
def test_no_process_no_rows() -> None:
    assert exposed_ports.rows(pid=[0, -1, 1 << 30, 1 << 40]) == []
    assert exposed_ports.rows(port=[-1, 65536, 1 << 40]) == []


@linux
def test_a_lookup_by_pid_touches_that_process_alone() -> None:
    strace = tool("strace")
    code = (
        "import os,sys; from kolide_tables.exposure.exposed_ports import exposed_ports\n"
        "exposed_ports.rows(pid=os.getpid()); os.write(1, b'go\\n'); exposed_ports.rows(pid=int(sys.argv[1]))"
    )
    with listener() as (pid, _port):
        traced = subprocess.run(
            [strace, "-f", "-y", "-e", "trace=openat,readlinkat,write", sys.executable, "-c", code, str(pid)],
            capture_output=True,
            text=True,
        )
    if "ptrace" in traced.stderr and "not permitted" in traced.stderr:
        pytest.skip("no right to trace")
    assert traced.returncode == 0, traced.stderr[-2000:]
    calls = re.findall(
        r'^(?:\[pid +\d+\] )?(openat|readlinkat)\((?:AT_FDCWD|\d+)(?:<([^>]*)>)?, "([^"]*)"',
        traced.stderr.partition('"go\\n"')[2],
        re.MULTILINE,
    )
    paths = {(name if name.startswith("/") else f"{folder}/{name}") for _call, folder, name in calls}
    proc = {path for path in paths if path.startswith("/proc/")}
    nets = {f"/proc/net/{name}" for name in ("tcp", "tcp6", "udp", "udp6")}
    assert proc - nets
    assert {
        path for path in proc - nets if not path.startswith(f"/proc/{pid}/") and path != f"/proc/{pid}"
    } == set()


@linux
def test_psutil_finds_the_same() -> None:
    with (
        listener(arguments=("--password=x",)) as (pid, _port),
        bound(socket.AF_INET6, socket.SOCK_DGRAM, "::1", only6=True),
    ):
        for who in (pid, os.getpid()):
            query = Query.of(exposed_ports, equals={"pid": who})
            theirs, ours = list(portable_rows(query, psutil)), list(linux_rows(query))
            assert theirs
            assert {(*place(row), row.scope, row.name, row.path, row.cmdline, row.uid) for row in theirs} == {
                (*place(row), row.scope, row.name, row.path, row.cmdline, row.uid) for row in ours
            }


HEADER = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def line(number: int, address: str, port: int, state: int, uid: int, inode: int) -> bytes:
    """Return a line in the kernel's format, for this machine's byte order."""
    packed = ipaddress.ip_address(address).packed
    words_ = struct.unpack(f"={len(packed) // 4}I", packed)
    shown = "".join(f"{word:08X}" for word in words_)
    remote = "0" * len(shown)
    return (
        f"{number:4d}: {shown}:{port:04X} {remote}:0000 {state:02X} 00000000:00000000 00:00000000 00000000 "
        f"{uid:5d}        0 {inode} 1 0000000000000000 100 0 0 10 0\n"
    ).encode()


class Machine:
    """Make a proc root with sockets and processes by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "net").mkdir()
        self.write("tcp")

    def write(self, file: str, *lines: bytes) -> None:
        (self.root / "net" / file).write_bytes(HEADER + b"".join(lines))

    def process(self, pid: int, *inodes: int, cgroup: str = "0::/\n", comm: str = "x") -> Path:
        folder = self.root / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "status").write_text(f"Name:\t{comm}\nTgid:\t{pid}\n")
        (folder / "cgroup").write_text(cgroup)
        (folder / "comm").write_text(comm + "\n")
        (folder / "cmdline").write_bytes(comm.encode() + b"\0--secret\0X\0")
        (folder / "exe").symlink_to(f"/usr/bin/{comm}")
        (folder / "fd" / "0").symlink_to("/dev/null")
        for number, inode in enumerate(inodes, 3):
            (folder / "fd" / str(number)).symlink_to(f"socket:[{inode}]")
        return folder

    def rows(self, **equals: Any) -> list[ExposedPort]:
        return list(linux_rows(Query.of(exposed_ports, equals=equals), str(self.root)))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@linux
def test_units_and_containers(machine: Machine) -> None:
    machine.write("tcp", line(0, "10.0.0.5", 80, 10, 33, 100), line(1, "127.0.0.1", 5432, 10, 999, 101))
    machine.write("udp6", line(0, "2001:4860::8", 53, 7, 101, 102))
    machine.process(10, 100, cgroup="0::/system.slice/nginx.service\n", comm="nginx")
    machine.process(11, 100, cgroup="0::/system.slice/nginx.service\n", comm="nginx")
    machine.process(12, 101, cgroup=f"1:name=systemd:/docker/{ID}\n", comm="postgres")
    rows = machine.rows()
    assert sorted(
        (row.pid, row.protocol, row.port, row.scope, row.uid, row.unit, row.container_id) for row in rows[:-1]
    ) == [
        (10, "tcp", 80, "private", 33, "nginx.service", None),
        (11, "tcp", 80, "private", 33, "nginx.service", None),
        (12, "tcp", 5432, "loopback", 999, None, ID),
    ]
    assert rows[-1] == ExposedPort(
        pid=None, protocol="udp", address="2001:4860::8", port=53, scope="public", uid=101
    )
    assert {row.cmdline for row in rows if row.pid == 12} == {"postgres --secret [redacted]"}
    assert {row.path for row in rows if row.pid == 12} == {"/usr/bin/postgres"}
    assert [row.pid for row in machine.rows(pid=11)] == [11]
    assert [row.pid for row in machine.rows(port=53)] == [None]
    assert machine.rows(port=81) == []


@linux
def test_other_states_and_broken_lines_are_passed_over(machine: Machine) -> None:
    machine.write(
        "tcp",
        *(line(state, "1.2.3.4", 1000 + state, state, 0, state) for state in range(1, 13)),
        b"\n",
        b"garbage\n",
        line(99, "1.2.3.4", 99, 10, 0, 99)[:60],
    )
    machine.write("udp", *(line(state, "1.2.3.4", 2000 + state, state, 0, state) for state in range(1, 13)))
    assert [(row.protocol, row.port) for row in machine.rows()] == [("tcp", 1010), ("udp", 2007)]


@linux
def test_sockets_without_an_inode_belong_to_nobody(machine: Machine) -> None:
    machine.write("tcp", line(0, "0.0.0.0", 2049, 10, 0, 0))
    machine.process(5, 0)
    assert [row.pid for row in machine.rows()] == [None]


@linux
def test_a_holder_that_ends_while_it_is_read_leaves_no_row(machine: Machine) -> None:
    machine.write("tcp", line(0, "0.0.0.0", 80, 10, 0, 100), line(1, "0.0.0.0", 81, 10, 0, 101))
    gone, stays = machine.process(5, 100), machine.process(6, 101)
    (
        gone / "status"
    ).unlink()  # with it the reader tells whether a process that has no such file is still there
    (gone / "comm").unlink()
    (stays / "comm").unlink()
    assert [(row.pid, row.port, row.name) for row in machine.rows()] == [(6, 81, None)]


@linux
def test_a_socket_that_is_closed_meanwhile_is_not_laid_at_nobody_s_door(machine: Machine) -> None:
    machine.write("tcp", line(0, "0.0.0.0", 80, 10, 0, 100), line(1, "0.0.0.0", 81, 10, 0, 101))
    machine.process(5, 101)
    rows = linux_rows(Query.of(exposed_ports), str(machine.root))
    assert next(rows).port == 81
    machine.write("tcp", line(1, "0.0.0.0", 81, 10, 0, 101))
    assert list(rows) == []


@linux
def test_a_lookup_of_a_port_that_nobody_has_touches_no_process(machine: Machine, opened: list[str]) -> None:
    machine.write("tcp", line(0, "0.0.0.0", 80, 10, 0, 100), line(1, "0.0.0.0", 81, 10, 0, 101))
    machine.process(5, 100)
    machine.process(6, 101)
    opened.clear()
    assert [row.pid for row in machine.rows(port=81)] == [6]
    # Any process may hold it; what else there is to say is read of those that do.
    assert opened.count("fd") == 2
    assert opened.count("cmdline") == opened.count("comm") == 1
    opened.clear()
    assert machine.rows(port=8080) == []
    assert opened == []


@linux
def test_ten_thousand_sockets_among_a_hundred_thousand_connections(machine: Machine) -> None:
    machine.write(
        "tcp",
        *(line(number, "10.1.2.3", number % 60000, 10, 0, 1_000_000 + number) for number in range(10_000)),
        line(5, "10.1.2.3", 443, 1, 0, 6) * 90_000,
    )
    machine.process(7, *range(1_000_000, 1_005_000))
    started = time.process_time()
    rows = machine.rows()
    assert time.process_time() - started < 5
    assert len(rows) == 10_000
    assert sum(row.pid == 7 for row in rows) == 5_000
    assert len(machine.rows(pid=7)) == 5_000


@linux
def test_a_file_that_cannot_be_read_does_not_hide_the_others(machine: Machine) -> None:
    machine.write("udp", line(0, "0.0.0.0", 53, 7, 0, 1))
    (machine.root / "net" / "tcp6").mkdir()
    assert [row.port for row in machine.rows()] == [53]


LITTLE = "0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1"
BIG = LITTLE.replace("0100007F", "7F000001")
LITTLE6 = LITTLE.replace("0100007F", "B80D01200000000000000000" + "01000000")
BIG6 = LITTLE.replace("0100007F", "20010DB80000000000000000" + "00000001")


@pytest.mark.parametrize(
    ("data", "byteorder", "address"),
    [
        (LITTLE, "little", "127.0.0.1"),
        (BIG, "big", "127.0.0.1"),
        (LITTLE6, "little", "2001:db8::1"),
        (BIG6, "big", "2001:db8::1"),
    ],
)
def test_either_byte_order(data: str, byteorder: str, address: str) -> None:
    (found,) = parse_sockets([b"   0: " + data.encode()], "tcp", b"0A", byteorder)
    assert found == Socket("tcp", address, 8080, 1000, 4711)


@given(st.lists(st.binary(max_size=120)))
def test_garbage_is_no_socket_and_no_error(lines: list[bytes]) -> None:
    assert all(isinstance(found, Socket) for found in parse_sockets(lines, "tcp", b"0A"))


_FIELD = st.sampled_from(
    [
        b"0A",
        b"0:",
        b"+100007F:1F90",
        b"0100007F:-001",
        b"0100007F:1F90",
        b"01 0 07F:1F90",
        b"\xb2",
        b"1",
        b"_1",
        b"x",
    ]
)


@given(
    st.lists(_FIELD, min_size=8, max_size=12),
    st.sampled_from([b"0100007F:1F90", b"+100007F:1F90", b"0100007F:+F90", b"0_00007F:1F90"]),
)
def test_lines_that_are_nearly_right(fields: list[bytes], local: bytes) -> None:
    nearly = b" ".join([b"0:", local, b"0:0", b"0A", *fields[4:]])
    for found in parse_sockets([nearly], "tcp", b"0A"):
        assert 0 <= found.port <= 65535
        assert ipaddress.ip_address(found.address)


@given(
    address=st.ip_addresses(),
    port=st.integers(0, 65535),
    uid=st.integers(0, 2**32 - 1),
    inode=st.integers(0, 2**63),
)
def test_what_the_kernel_writes_reads_back(
    address: ipaddress.IPv4Address, port: int, uid: int, inode: int
) -> None:
    (found,) = parse_sockets([HEADER, line(3, str(address), port, 10, uid, inode)], "tcp", b"0A")
    assert (found.port, found.uid, found.inode) == (port, uid, inode)
    assert ipaddress.ip_address(found.address) == address
    assert found.address == address_text(address.packed)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.0.9", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("0.0.0.0", "any"),
        ("::", "any"),
        ("::ffff:0.0.0.0", "any"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("169.254.1.1", "private"),
        ("100.64.0.1", "private"),
        ("::ffff:192.168.1.1", "private"),
        ("fe80::1", "private"),
        ("fe80::1%eth0", "private"),
        ("fd00::1", "private"),
        ("224.0.0.251", "private"),
        ("239.255.255.250", "private"),
        ("255.255.255.255", "private"),
        ("ff02::fb", "private"),
        ("ff08::1", "private"),
        ("172.32.0.1", "public"),
        ("8.8.8.8", "public"),
        ("100.128.0.1", "public"),
        ("::ffff:8.8.8.8", "public"),
        ("2001:4860:4860::8888", "public"),
        ("224.1.2.3", "public"),
        ("ff0e::1", "public"),
        ("not an address", "public"),
    ],
)
def test_scopes(address: str, expected: str) -> None:
    assert scope(address) == expected


@given(st.ip_addresses() | st.text(max_size=20).map(str))
def test_every_address_has_a_scope(address: object) -> None:
    assert scope(str(address)) in ("loopback", "private", "public", "any")


class Denied(Exception):
    pass


class Error(Exception):
    pass


def answers(value: Any) -> Callable[..., Any]:
    def answer(**_options: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    return answer


def connection(
    kind: int, local: tuple[str, int] | None, status: str, remote: object = (), pid: int | None = None
) -> Any:
    laddr = () if local is None else SimpleNamespace(ip=local[0], port=local[1])
    return SimpleNamespace(type=kind, laddr=laddr, raddr=remote, status=status, pid=pid)


def recorded(everything: Any, processes: dict[int, Any]) -> ModuleType:
    """Stand in for psutil as its documentation describes it on another system."""

    class NoSuchProcess(Error):
        pass

    class AccessDenied(Error):
        pass

    def find(pid: int) -> Any:
        if pid not in processes:
            raise NoSuchProcess(pid)
        return processes[pid]

    fake = ModuleType("psutil")
    fake.__dict__.update(
        Error=Error,
        NoSuchProcess=NoSuchProcess,
        AccessDenied=AccessDenied,
        CONN_LISTEN="LISTEN",
        pids=lambda: sorted(processes),
        Process=find,
        net_connections=answers(AccessDenied() if everything is Denied else everything),
    )
    return fake


def test_windows_as_recorded() -> None:
    everything = [
        connection(1, ("0.0.0.0", 135), "LISTEN", pid=900),
        connection(1, ("192.168.1.5", 139), "LISTEN", pid=4),
        connection(1, ("192.168.1.5", 50000), "ESTABLISHED", ("8.8.8.8", 443), pid=900),
        connection(2, ("::", 5353), "NONE", pid=901),
        connection(2, ("0.0.0.0", 123), "NONE", pid=None),
        connection(1, None, "LISTEN", pid=900),
    ]
    service = SimpleNamespace(
        name=answers("svchost.exe"),
        exe=answers("C:\\Windows\\System32\\svchost.exe"),
        cmdline=answers(["svchost.exe", "/password:x", "-k"]),
    )
    system = SimpleNamespace(name=answers("System"), exe=answers(Error()), cmdline=answers(Error()))
    fake = recorded(everything, {900: service, 4: system})
    rows = {row.port: row for row in portable_rows(Query.of(exposed_ports), fake)}
    assert sorted(rows) == [123, 135, 139, 5353]
    assert dict(zip(COLUMNS, rows[135], strict=True)) == dict.fromkeys(COLUMNS) | {
        "pid": 900,
        "protocol": "tcp",
        "address": "0.0.0.0",
        "port": 135,
        "scope": "any",
        "name": "svchost.exe",
        "path": "C:\\Windows\\System32\\svchost.exe",
        "cmdline": "svchost.exe /password:[redacted] -k",
    }
    assert (rows[139].pid, rows[139].name, rows[139].path, rows[139].scope) == (4, "System", None, "private")
    assert (rows[5353].pid, rows[5353].name, rows[5353].protocol) == (901, None, "udp")
    assert (rows[123].pid, rows[123].name) == (None, None)
    one = list(portable_rows(Query.of(exposed_ports, equals={"port": 135}), fake))
    assert [row.port for row in one] == [135]


def test_macos_without_root_as_recorded() -> None:
    mine = SimpleNamespace(
        net_connections=answers(
            [connection(1, ("::1", 8000), "LISTEN"), connection(2, ("*", 0), "NONE", ("h", 1))]
        ),
        name=answers("python"),
        exe=answers("/usr/bin/python"),
        cmdline=answers(["python"]),
        uids=answers(SimpleNamespace(real=501)),
    )
    fake = recorded(Denied, {})
    fake.__dict__["pids"] = lambda: [1, 77, 501]
    denied = SimpleNamespace(net_connections=answers(fake.AccessDenied()))
    known = {1: denied, 501: mine}

    def find(pid: int) -> Any:
        if pid not in known:
            raise fake.NoSuchProcess(pid)
        return known[pid]

    fake.__dict__["Process"] = find
    (row,) = portable_rows(Query.of(exposed_ports), fake)
    assert (row.pid, row.address, row.port, row.scope, row.uid, row.cmdline) == (
        501,
        "::1",
        8000,
        "loopback",
        501,
        "python",
    )
    assert list(portable_rows(Query.of(exposed_ports, equals={"pid": 1}), fake)) == []
