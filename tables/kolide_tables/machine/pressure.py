"""kolide_pressure: the time that work waits for CPU, memory and I/O, for the machine and each control group.

Source: the kernel's Documentation/accounting/psi.rst and Documentation/admin-guide/cgroup-v2.rst.
"""

import os
from collections.abc import Iterator
from typing import NamedTuple

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable, read_file
from kolide_kit.text import shown
from osquery_sdk import Column, Query, Row, table

_PSI = "/proc/pressure"
_GROUPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
_RESOURCES = ("cpu", "memory", "io", "irq")
_PAGE = 4096


class Pressure(Row):
    """The time that tasks of a control group, or of the whole machine, have waited for a resource."""

    cgroup: str = Column(
        "Control group's path, as cgroup_path in core's processes; / is the whole machine",
        index=True,
        key=True,
    )
    resource: str = Column("cpu, memory, io or irq", key=True)
    kind: str = Column("some: at least one task waited; full: all of them at once", key=True)
    avg10: float = Column("Percent of the last 10 seconds that were lost to waiting")
    avg60: float = Column("Percent of the last 60 seconds")
    avg300: float = Column("Percent of the last 300 seconds")
    total_us: int = Column("Microseconds lost since the machine was started, or the group was made")


class Line(NamedTuple):
    """A line of a pressure file."""

    kind: str
    avg10: float
    avg60: float
    avg300: float
    total_us: int


@table(
    "kolide_pressure",
    platforms=("linux",),
    elsewhere="its kernel alone measures it, in /proc/pressure",
    examples=(
        "select resource, kind, avg10, avg60, avg300 from kolide_pressure where cgroup = '/'",
        (
            "select p.pid, p.name, k.avg60 from processes p "
            "join kolide_pressure k on k.cgroup = p.cgroup_path where k.resource = 'memory' "
            "and k.kind = 'full' and k.avg60 > 1"
        ),
    ),
)
def pressure(query: Query) -> Iterator[Pressure]:
    """Pressure stall information: share of time that work waited for CPU, memory or I/O, by control group."""
    return pressure_rows(query)


def pressure_rows(query: Query, psi: str = _PSI, groups: tuple[str, ...] = _GROUPS) -> Iterator[Pressure]:
    """Yield the rows from the kernel's files: `psi` for the machine, and the first of `groups` that holds
    control groups.
    """
    wanted = query.equals("cgroup")
    if query.matches("cgroup", "/"):
        yield from _rows(query, "/", psi, "")
    root = next((folder for folder in groups if os.path.lexists(f"{folder}/cgroup.controllers")), None)
    if root is None:
        return
    for path in _all_groups(query, root) if wanted is None else filter(_is_group, dict.fromkeys(wanted)):
        query.check()
        if query.matches("cgroup", shown(path)):
            yield from _rows(query, path, root + path, ".pressure")


def _rows(query: Query, group: str, folder: str, ending: str) -> Iterator[Pressure]:
    for resource in _RESOURCES:
        try:
            data = read_file(f"{folder}/{resource}{ending}", max_bytes=_PAGE)
        except Unreadable as error:
            # The file does not exist in a kernel without it, or in a group that has gone. In a kernel that
            # was started without it the file exists and cannot be read.
            if not isinstance(error.__cause__, (FileNotFoundError, NotADirectoryError)):
                query.warn(str(error))
            continue
        for line in parse_pressure(data):
            yield Pressure(
                cgroup=shown(group),
                resource=resource,
                **line._asdict(),
            )


def _is_group(path: str) -> bool:
    # Only paths as the kernel writes them: no other spelling may lead to another folder.
    return path.startswith("/") and all(
        part not in ("", ".", "..") and "\0" not in part for part in path[1:].split("/")
    )


def _all_groups(query: Query, root: str) -> Iterator[str]:
    most = query.limits.max_folders
    listed = 0
    waiting = [""]
    while waiting:
        path = waiting.pop()
        listed += 1
        if listed > most:
            raise LimitExceeded(
                f"there are more than {most:,} control groups: ask for some, or raise max_folders"
            )
        query.check()
        try:
            with os.scandir(root + path) as entries:
                folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:  # it has gone
            continue
        waiting += [f"{path}/{name}" for name in sorted(folders, reverse=True)]
        if path:
            yield path


def parse_pressure(data: bytes) -> Iterator[Line]:
    """Yield the lines of a pressure file; lines of another form are skipped."""
    for line in data.split(b"\n"):
        kind, *pairs = line.decode("ascii", "replace").split() or [""]
        values = dict(pair.partition("=")[::2] for pair in pairs)
        try:
            yield Line(
                kind,
                float(values["avg10"]),
                float(values["avg60"]),
                float(values["avg300"]),
                int(values["total"]),
            )
        except (KeyError, ValueError):
            continue
