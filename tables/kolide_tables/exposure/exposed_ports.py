"""kolide_exposed_ports: listening sockets and who can reach them, with process, unit and container.

On Linux from the kernel's socket tables and the file descriptors of the processes, elsewhere with psutil. The
sockets are those of the network namespace that the extension runs in: a container with a network of its own
shows only by the sockets on which its engine listens for it.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from types import ModuleType
from typing import Any, NamedTuple

from osquery_sdk import Column, ColumnType, Query, Row, table

from ..reading import procfs
from ..reading.processes import procfs_texts, psutil_asker, psutil_texts
from .sockdiag import inet_sockets

# Connection states in /proc/net: TCP that listens, UDP that is not connected. Source: the kernel's
# include/net/tcp_states.h.
_LISTENING = (("tcp", b"0A"), ("udp", b"07"))


class ExposedPort(Row):
    """A process that holds a listening TCP or a bound UDP socket."""

    pid: int | None = Column(
        "Process that holds the socket; NULL if it cannot be seen, or it is the kernel", index=True, key=True
    )
    protocol: str = Column("tcp or udp, over IPv4 or IPv6", key=True)
    address: str = Column(
        "Local address; :: takes IPv4 as well, unless the program asked otherwise", key=True
    )
    port: int = Column("Local port", type=ColumnType.INTEGER, index=True, key=True)
    scope: str = Column(
        "Reach of the address: loopback (this machine), private (its networks), public, any (it "
        "is bound to all)"
    )
    name: str | None = Column("Process's name", default=None)
    path: str | None = Column("Process's executable", default=None)
    cmdline: str | None = Column("Process's arguments, secrets redacted", default=None)
    uid: int | None = Column("User who owns the socket; not on Windows", key=True, default=None)
    unit: str | None = Column("systemd unit of the process; Linux only", default=None)
    container_id: str | None = Column(
        "Full id of the process's container (docker, podman, containerd, CRI-O); Linux only", default=None
    )


class Socket(NamedTuple):
    """A socket that other programs can reach."""

    protocol: str
    address: str
    port: int
    uid: int | None
    inode: int


class _Facts(NamedTuple):
    name: str | None = None
    path: str | None = None
    cmdline: str | None = None
    unit: str | None = None
    container_id: str | None = None


@table(
    "kolide_exposed_ports",
    privilege="Without root: the process of a port only where it is the user's own.",
    platforms=("linux", "darwin", "windows"),
    examples=(
        (
            "select protocol, address, port, name, path, unit from kolide_exposed_ports "
            "where scope in ('any', 'public')"
        ),
        (
            "select e.port, e.container_id, u.username from kolide_exposed_ports e "
            "left join users u using (uid) where e.port < 1024"
        ),
    ),
)
def exposed_ports(query: Query) -> Iterator[ExposedPort]:
    """Listening TCP and bound UDP sockets: who can reach them, with process, user, unit and container."""
    platform: str = sys.platform
    if platform == "linux":
        return linux_rows(query)
    import psutil

    return portable_rows(query, psutil)


def linux_rows(query: Query, root: str = procfs.PROC) -> Iterator[ExposedPort]:
    """Yield the rows from a proc file system.

    Processes are always searched, whatever columns are wanted: a socket has a row for each process that holds
    it, and a statement that only counts rows must find as many.
    """
    sockets = dict.fromkeys(
        socket for socket in _sockets(root, query.warn) if query.matches("port", socket.port)
    )
    if not sockets:
        return
    pids = query.equals("pid")
    held: set[int] = set()
    for pid, facts, mine in _holders(query, root, pids, sockets):
        held.update(socket.inode for socket in mine)
        if facts is not None:
            yield from _rows(pid, facts, mine)
    if pids is None:
        rest = [socket for socket in sockets if socket.inode not in held]
        # A socket without a holder may have been closed meanwhile. One that is still there is held by a
        # process that cannot be seen.
        still = set(_sockets(root, query.warn, frozenset(map(_file, rest))))
        yield from _rows(None, _Facts(), [socket for socket in rest if socket in still])


def _holders(
    query: Query, root: str, named: tuple[object, ...] | None, sockets: Iterable[Socket]
) -> Iterator[tuple[int, _Facts | None, list[Socket]]]:
    """Yield the processes that hold some of the sockets, with those sockets.

    Facts are None if one ended before they were read.
    """
    links: dict[str, list[Socket]] = {}
    for socket in sockets:
        if socket.inode:
            links.setdefault(f"socket:[{socket.inode}]", []).append(socket)
    pids = (
        procfs.pids(root) if named is None else [pid for pid in dict.fromkeys(named) if isinstance(pid, int)]
    )
    for pid in pids:
        query.check()
        mine: list[Socket] = []
        facts = None
        try:
            with procfs.Process(pid, root) if named is None else procfs.find(pid, root) as process:
                for link in process.fd_links():
                    mine += links.get(link, ())
                if mine:
                    facts = _facts(process, query.wants)
        except procfs.ProcessGone:
            pass
        if mine:
            yield pid, facts, mine


def _facts(process: procfs.Process, wants: Callable[[str], bool]) -> _Facts:
    group = procfs.cgroup(process) if wants("unit") or wants("container_id") else procfs.Cgroup(None, None)
    return _Facts(**procfs_texts(process, wants), unit=group.unit, container_id=group.container_id)


def _rows(pid: int | None, facts: _Facts, sockets: Iterable[Socket]) -> Iterator[ExposedPort]:
    # Once for each address and port: several descriptors of one process, or its several sockets with
    # SO_REUSEPORT, expose nothing more.
    for place in dict.fromkeys(socket._replace(inode=0) for socket in sockets):
        yield ExposedPort(
            pid=pid,
            protocol=place.protocol,
            address=place.address,
            port=place.port,
            scope=scope(place.address),
            uid=place.uid,
            **facts._asdict(),
        )


def _file(socket: Socket) -> str:
    return socket.protocol + ("6" if ":" in socket.address else "")


def _sockets(root: str, warn: Callable[[str], None], files: frozenset[str] | None = None) -> Iterator[Socket]:
    """Yield the sockets of all the kernel's tables, or of some."""
    for (protocol, state), version in product(_LISTENING, ("", "6")):
        file = protocol + version
        if files is not None and file not in files:
            continue
        answered = _asked(file, protocol, state) if root == procfs.PROC else None
        if answered is not None:
            yield from answered
            continue
        from pathlib import Path

        try:
            # A busy server has some hundred thousand lines of connections: they are never all in memory.
            with Path(f"{root}/net/{file}").open("rb") as lines:
                yield from parse_sockets(lines, protocol, state)
        except FileNotFoundError:  # no IPv6, or no such protocol
            continue
        except OSError as error:
            warn(f"net/{file} cannot be read: {error.strerror}")


def _asked(file: str, protocol: str, state: bytes) -> list[Socket] | None:
    """Return a table's sockets by netlink.

    Return None if the kernel, or a container's security policy, does not answer that.
    """
    import socket

    family = socket.AF_INET6 if file.endswith("6") else socket.AF_INET
    number = socket.IPPROTO_TCP if protocol == "tcp" else socket.IPPROTO_UDP
    try:
        sockets = inet_sockets(family, number, int(state, 16))
    except OSError:
        return None
    return [Socket(protocol, address_text(each.address), each.port, each.uid, each.inode) for each in sockets]


def parse_sockets(
    lines: Iterable[bytes], protocol: str, state: bytes, byteorder: str = sys.byteorder
) -> Iterator[Socket]:
    """Yield the sockets in one state from the lines of /proc/net/{tcp,tcp6,udp,udp6}.

    Other lines are skipped.

    The kernel writes addresses as 32-bit words in the machine's byte order.
    """
    for line in lines:
        words = line.split(None, 10)
        if len(words) < 10 or words[3] != state:
            continue
        address, _, port = words[1].partition(b":")
        if len(address) not in (8, 32) or len(port) != 4 or not (words[7].isdigit() and words[9].isdigit()):
            continue
        try:
            packed, number = bytes.fromhex(address.decode("ascii")), int(port, 16)
        except ValueError:
            continue
        if len(packed) * 2 != len(address) or number < 0:
            continue
        if byteorder == "little":
            packed = b"".join(packed[at : at + 4][::-1] for at in range(0, len(packed), 4))
        yield Socket(protocol, address_text(packed), number, int(words[7]), int(words[9]))


def address_text(packed: bytes) -> str:
    """Return an address of 4 or 16 bytes in its usual spelling; an IPv4 address in IPv6 is ::ffff:1.2.3.4."""
    import socket

    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def scope(address: str) -> str:
    """Return who can reach a local address: loopback, private, public or any.

    Private is what no router passes on to the internet: RFC 1918, shared (100.64/10), link-local and unique
    local addresses, addresses reserved for documentation and the like, and multicast up to an organisation's
    borders.
    """
    import ipaddress

    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "public"  # it is not known to be closed
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_loopback:
        return "loopback"
    if ip.is_unspecified:
        return "any"
    if ip.is_multicast:
        return "private" if _local_multicast(ip.packed) else "public"
    return "public" if ip.is_global else "private"


def _local_multicast(packed: bytes) -> bool:
    if len(packed) == 4:
        return packed[0] == 239 or packed[:3] == b"\xe0\x00\x00"
    return packed[1] & 0x0F <= 8  # RFC 4291: interface, link, admin, site, organisation


def portable_rows(query: Query, psutil: ModuleType) -> Iterator[ExposedPort]:
    """Yield the rows from psutil."""
    # Written from psutil's documentation and tested with its Linux form and with recorded values; not run on
    # macOS and Windows.
    pids = query.equals("pid")
    places: dict[int | None, list[Socket]] = {}
    for pid, connection in _connections(query, psutil, pids):
        if pids is not None and pid not in pids:
            continue
        tcp = int(connection.type) == 1  # SOCK_STREAM
        listens = connection.status == psutil.CONN_LISTEN if tcp else not connection.raddr
        if not listens or not connection.laddr or not query.matches("port", connection.laddr.port):
            continue
        socket = Socket("tcp" if tcp else "udp", connection.laddr.ip, connection.laddr.port, None, 0)
        places.setdefault(pid, []).append(socket)
    for pid, sockets in places.items():
        query.check()
        facts, uid = _portable_facts(pid, psutil, query.wants)
        yield from _rows(pid, facts, [socket._replace(uid=uid) for socket in sockets])


def _connections(
    query: Query, psutil: ModuleType, pids: tuple[object, ...] | None
) -> Iterator[tuple[int | None, Any]]:
    if pids is None:
        try:
            everything = psutil.net_connections(kind="inet")
        except psutil.AccessDenied:  # on macOS only root may: then take the processes that may be read
            pids = tuple(psutil.pids())
        else:
            for connection in everything:
                yield connection.pid, connection
            return
    for pid in pids:
        query.check()
        try:
            own = psutil.Process(pid).net_connections(kind="inet")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        for connection in own:
            yield pid, connection  # type: ignore[misc]


def _portable_facts(
    pid: int | None, psutil: ModuleType, wants: Callable[[str], bool]
) -> tuple[_Facts, int | None]:
    try:
        process = None if pid is None else psutil.Process(pid)
    except psutil.Error:
        process = None
    if process is None:
        return _Facts(), None
    ask = psutil_asker(process, psutil, wants)
    return _Facts(**psutil_texts(ask)), getattr(ask("uid", "uids"), "real", None)
