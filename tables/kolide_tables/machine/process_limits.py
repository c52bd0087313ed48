"""kolide_process_limits: the resource limits of each process.

From /proc/PID/limits, one small file a process that everybody may read; prlimit(2) would be sixteen system
calls, and refused for other users' processes.
"""

from collections.abc import Iterator

from osquery_sdk import Column, Query, Row, table

from ..reading import procfs
from ..reading.processes import each_process

# The kernel's words for the limits, and their names in getrlimit(2), limits.conf(5) and prlimit(1). Source:
# the kernel's fs/proc/base.c.
_NAMES = {
    b"Max cpu time": "cpu",
    b"Max file size": "fsize",
    b"Max data size": "data",
    b"Max stack size": "stack",
    b"Max core file size": "core",
    b"Max resident set": "rss",
    b"Max processes": "nproc",
    b"Max open files": "nofile",
    b"Max locked memory": "memlock",
    b"Max address space": "as",
    b"Max file locks": "locks",
    b"Max pending signals": "sigpending",
    b"Max msgqueue size": "msgqueue",
    b"Max nice priority": "nice",
    b"Max realtime priority": "rtprio",
    b"Max realtime timeout": "rttime",
}
_NAME_WIDTH = 25
_UNLIMITED = -1
_MOST = (1 << 63) - 1


class ProcessLimit(Row):
    """The soft and the hard limit of a process for one resource."""

    pid: int = Column("Process id", index=True, key=True)
    resource: str = Column(
        "as, core, data, fsize, memlock, msgqueue, rss, stack (bytes), cpu (s), rttime (us), locks, "
        "nofile, nproc, sigpending (numbers), nice, rtprio (priorities)",
        key=True,
    )
    soft: int | None = Column("Limit in force, in the resource's unit; -1 is unlimited")
    hard: int | None = Column("Most to which the process may raise it itself; -1 is unlimited")


@table(
    "kolide_process_limits",
    platforms=("linux",),
    elsewhere="there alone a process is told the limits of another, by prlimit(2)",
    examples=(
        (
            "select p.pid, p.name, count(*) as files, l.soft from kolide_process_limits l "
            "join processes p using (pid) join process_open_files f using (pid) where l.resource = 'nofile' "
            "group by p.pid having files > 0.5 * l.soft"
        ),
        (
            "select p.pid, p.name, p.path from kolide_process_limits l join processes p using (pid) "
            "where l.resource = 'core' and l.soft <> 0 and p.path <> ''"
        ),
    ),
)
def process_limits(query: Query) -> Iterator[ProcessLimit]:
    """Resource limits of processes: open files, processes, memory, core dumps and the rest of getrlimit."""
    return limit_rows(query)


def limit_rows(query: Query, root: str = procfs.PROC) -> Iterator[ProcessLimit]:
    """Yield the rows from a proc file system."""
    for process in each_process(query, root):
        try:
            data = process.read("limits")
        except procfs.ProcessGone:
            continue
        for resource, soft, hard in parse_limits(data or b""):
            yield ProcessLimit(pid=process.pid, resource=resource, soft=soft, hard=hard)


def parse_limits(data: bytes) -> Iterator[tuple[str, int | None, int | None]]:
    """Yield resource, soft and hard limit of each line of /proc/PID/limits; other lines are skipped."""
    for line in data.split(b"\n"):
        resource = _NAMES.get(line[:_NAME_WIDTH].rstrip())
        words = line[_NAME_WIDTH:].split()
        if resource is not None and len(words) >= 2:
            yield resource, _amount(words[0]), _amount(words[1])


def _amount(word: bytes) -> int | None:
    if word == b"unlimited":
        return _UNLIMITED
    # Limits are unsigned in the kernel, but osquery has no number over 2**63-1, and nothing reaches that
    # limit.
    return min(int(word), _MOST) if word.isdigit() else None
