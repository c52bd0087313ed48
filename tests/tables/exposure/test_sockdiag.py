"""Sockets from the kernel over netlink, against /proc/net and sockets of the test's own."""

import contextlib
import os
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kolide_tables.exposure.exposed_ports import address_text, parse_sockets
from kolide_tables.exposure.sockdiag import InetSocket, inet_sockets

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="netlink is Linux's")

LISTEN, UNCONNECTED = 10, 7
KINDS = [
    ("tcp", socket.AF_INET, socket.IPPROTO_TCP, LISTEN, "127.0.0.1"),
    ("tcp6", socket.AF_INET6, socket.IPPROTO_TCP, LISTEN, "::1"),
    ("udp", socket.AF_INET, socket.IPPROTO_UDP, UNCONNECTED, "127.0.0.1"),
    ("udp6", socket.AF_INET6, socket.IPPROTO_UDP, UNCONNECTED, "::1"),
]


@contextlib.contextmanager
def bound(family: int, protocol: int, address: str) -> Iterator[socket.socket]:
    kind = socket.SOCK_STREAM if protocol == socket.IPPROTO_TCP else socket.SOCK_DGRAM
    try:
        made = socket.socket(family, kind)
        made.bind((address, 0))
    except OSError as error:
        pytest.skip(f"no such address on this machine: {error}")
    with made:
        if kind == socket.SOCK_STREAM:
            made.listen()
        yield made


def listed(file: str, state: int) -> set[tuple[str, int, int | None, int]]:
    """Return the sockets from the kernel's text form of its table."""
    with Path(f"/proc/net/{file}").open("rb") as lines:
        return {
            (one.address, one.port, one.uid, one.inode) for one in parse_sockets(lines, "", b"%02X" % state)
        }


@pytest.mark.parametrize(("file", "family", "protocol", "state", "address"), KINDS)
def test_they_are_those_of_proc(file: str, family: int, protocol: int, state: int, address: str) -> None:
    with bound(family, protocol, address) as made:
        before = listed(file, state)
        asked = inet_sockets(family, protocol, state)
        after = listed(file, state)
        ours = InetSocket(
            socket.inet_pton(family, address),
            made.getsockname()[1],
            os.geteuid(),
            os.fstat(made.fileno()).st_ino,
        )
    assert ours in asked
    found = {(address_text(one.address), one.port, one.uid, one.inode) for one in asked}
    assert before & after <= found <= before | after
    assert len(found) == len(asked)
    assert ours not in inet_sockets(family, protocol, state)


def test_only_sockets_in_that_state() -> None:
    with (
        bound(socket.AF_INET, socket.IPPROTO_TCP, "127.0.0.1") as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as accepted,
    ):
        asked = {one.inode for one in inet_sockets(socket.AF_INET, socket.IPPROTO_TCP, LISTEN)}
        listens, *others = (os.fstat(made.fileno()).st_ino for made in (server, client, accepted))
    assert listens in asked
    assert asked.isdisjoint(others)


def test_an_answer_of_many_messages() -> None:
    count = 1500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + 200:
        pytest.skip("too few descriptors allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 200), hard))
    try:
        with contextlib.ExitStack() as stack:
            made = [
                stack.enter_context(bound(socket.AF_INET, socket.IPPROTO_UDP, "127.0.0.1"))
                for _ in range(count)
            ]
            ours = {(one.getsockname()[1], os.fstat(one.fileno()).st_ino) for one in made}
            asked = inet_sockets(socket.AF_INET, socket.IPPROTO_UDP, UNCONNECTED)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert ours <= {(one.port, one.inode) for one in asked}
    assert len(asked) == len(set(asked))


def test_a_protocol_that_the_kernel_does_not_know() -> None:
    with pytest.raises(FileNotFoundError):
        inet_sockets(socket.AF_INET, 250, LISTEN)


TRACED = (
    "from kolide_tables.exposure.exposed_ports import exposed_ports; print(*(row.port for row in "
    "exposed_ports.rows()))"
)


def trace(*options: str, ports: set[int]) -> list[str]:
    """Run the table in a traced process, which has to find these ports; return the lines of the trace."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace")
    command = [strace, "-f", *options, sys.executable, "-c", TRACED]
    done = subprocess.run(command, capture_output=True, text=True)
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("no right to trace")
    assert done.returncode == 0, done.stderr
    assert ports <= set(map(int, done.stdout.split()))
    return done.stderr.splitlines()


def test_the_kernel_s_text_is_not_asked_for() -> None:
    with bound(socket.AF_INET, socket.IPPROTO_TCP, "127.0.0.1") as made:
        lines = trace("-e", "trace=socket,openat", ports={made.getsockname()[1]})
    assert any("NETLINK_SOCK_DIAG" in line for line in lines)
    assert [line for line in lines if "/net/" in line] == []


@pytest.mark.parametrize("error", ["EACCES", "EPROTONOSUPPORT", "EAFNOSUPPORT"])
def test_where_netlink_may_not_be_asked_the_text_is_read(error: str) -> None:
    """With a security policy, or a kernel without netlink, every socket() of the traced process fails."""
    with bound(socket.AF_INET, socket.IPPROTO_TCP, "127.0.0.1") as made:
        lines = trace(
            "-e", "trace=socket,openat", "-e", f"inject=socket:error={error}", ports={made.getsockname()[1]}
        )
    assert any(error in line and "INJECTED" in line for line in lines)
    assert any("/proc/net/tcp6" in line for line in lines)


@pytest.mark.parametrize("call", ["sendto", "recvmsg"])
def test_where_netlink_fails_the_text_is_read(call: str) -> None:
    with bound(socket.AF_INET, socket.IPPROTO_TCP, "127.0.0.1") as made:
        lines = trace(
            "-e", f"trace={call},openat", "-e", f"inject={call}:error=EPERM", ports={made.getsockname()[1]}
        )
    assert any("INJECTED" in line for line in lines)
    assert any("/proc/net/tcp" in line for line in lines)
