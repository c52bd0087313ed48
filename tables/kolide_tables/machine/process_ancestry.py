"""kolide_process_ancestry: the parents of a process, up to the first process.

On Linux from /proc; elsewhere with psutil. A parent's number may have been given to another process since: a
process that is younger than its child is not its parent.
"""

import os
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import NamedTuple

from osquery_sdk import Column, ColumnType, Query, Row, table

from ..reading import procfs
from ..reading.processes import each_process, procfs_texts, psutil_asker, psutil_texts, wanted_pids

_PPID, _START = 1, 19  # words of /proc/PID/stat behind the name: proc(5) counts them as 4 and 22
_TRIES = 3


class Ancestor(Row):
    """A process that another one descends from."""

    pid: int = Column("Process whose ancestors are wanted", index=True, required=True, key=True)
    depth: int = Column("1 is its parent, 2 the parent's parent", type=ColumnType.INTEGER, key=True)
    ancestor_pid: int = Column("Process id of the ancestor", key=True)
    name: str | None = Column("Ancestor's name", default=None)
    path: str | None = Column("Ancestor's executable; empty if it may not be read", default=None)
    cmdline: str | None = Column("Ancestor's arguments, secrets redacted", default=None)
    start_time: int | None = Column("Time at which the ancestor was started, Unix seconds", default=None)


@table(
    "kolide_process_ancestry",
    privilege="Without root: path only of the user's own processes.",
    platforms=("linux", "darwin", "windows"),
    examples=(
        (
            "select p.pid, p.name, a.depth, a.ancestor_pid, a.name as ancestor from processes p "
            "join kolide_process_ancestry a using (pid) where p.name = 'bash' order by p.pid, a.depth"
        ),
        (
            "select p.pid, p.name, group_concat(a.name, ' < ') as started_by from (select distinct pid "
            "from listening_ports where port > 0) join processes p using (pid) "
            "join kolide_process_ancestry a using (pid) group by p.pid"
        ),
    ),
)
def process_ancestry(query: Query) -> Iterator[Ancestor]:
    """Parents of a process, their parents and so on, with names, programs and arguments."""
    # osqueryd refuses a statement without a term on pid. It does not pass on a term that compares with NULL,
    # as a join with sockets that no process holds has: that asks for nothing, and not for everything.
    if not query.constraints("pid"):
        return iter(())
    platform: str = sys.platform
    if platform == "linux":
        return linux_rows(query)
    import psutil

    return portable_rows(query, psutil)


def linux_rows(query: Query, root: str = procfs.PROC) -> Iterator[Ancestor]:
    """Yield the rows from a proc file system."""
    boot = _boot_time(root) if query.wants("start_time") else None
    ticks = os.sysconf("SC_CLK_TCK")
    reader = _Reader(root, query.wants)
    for process in each_process(query, root):
        try:
            first = parse_stat(process.read("stat"))
        except procfs.ProcessGone:
            continue
        for depth, ancestor in enumerate(_ancestors(process.pid, first, reader, query), start=1):
            yield Ancestor(
                pid=process.pid,
                depth=depth,
                ancestor_pid=ancestor.pid,
                start_time=None if boot is None else boot + ancestor.born.start // ticks,
                **ancestor.texts,
            )


class Born(NamedTuple):
    """The parent of a process, and when the process was started, in ticks since the machine's start."""

    parent: int
    start: int


class _Process(NamedTuple):
    pid: int
    born: Born
    texts: dict[str, str | None]


def parse_stat(data: bytes | None) -> Born | None:
    """Return parent and start from the content of /proc/PID/stat; None if the content is of another form."""
    if data is None:
        return None
    # The name before these words, in parentheses, may hold anything; no word behind it has a parenthesis.
    words = data[data.rfind(b")") + 1 :].split()
    if len(words) <= _START or not (words[_PPID].isdigit() and words[_START].isdigit()):
        return None
    return Born(int(words[_PPID]), int(words[_START]))


def _ancestors(pid: int, born: Born | None, reader: "_Reader", query: Query) -> Iterator[_Process]:
    # When a parent has ended, or another process has its number by now, the child has an older ancestor as
    # its parent: its stat then names it. Each step leads to an older process, or to one of the same tick that
    # has not been met yet.
    met = {pid}
    tries = 0
    while born is not None and born.parent > 0 and tries < _TRIES:
        query.check()
        parent = reader.read(born.parent)
        if parent is None or parent.born.start > born.start:
            tries += 1
            now = reader.born(pid)
            if now is None or now.start != born.start:
                return
            born = now
            continue
        if parent.pid in met:
            return
        met.add(parent.pid)
        yield parent
        pid, born, tries = parent.pid, parent.born, 0


class _Reader:
    """Reads ancestors, and keeps them for this answer: most processes share theirs."""

    def __init__(self, root: str, wants: Callable[[str], bool]) -> None:
        self._root = root
        self._wants = wants
        # Keyed by pid and birth: another process may have the pid by now.
        self._known: dict[tuple[int, Born], _Process] = {}

    def born(self, pid: int) -> Born | None:
        """Return the parent and start of a process now; None if it has gone."""
        try:
            with procfs.Process(pid, self._root) as process:
                return parse_stat(process.read("stat"))
        except procfs.ProcessGone:
            return None

    def read(self, pid: int) -> _Process | None:
        """Return the wanted facts of a process; None if it has gone."""
        try:
            with procfs.Process(pid, self._root) as process:
                born = parse_stat(process.read("stat"))
                if born is None:
                    return None
                known = self._known.get((pid, born))
                if known is None:
                    known = _Process(pid, born, procfs_texts(process, self._wants))
                    self._known[pid, born] = known
                return known
        except procfs.ProcessGone:
            return None


def _boot_time(root: str) -> int | None:
    """Return when the machine was started, in Unix seconds."""
    from pathlib import Path

    try:
        data = Path(f"{root}/stat").read_bytes()
    except OSError:
        return None
    return next((int(line[6:]) for line in data.split(b"\n") if line.startswith(b"btime ")), None)


def portable_rows(query: Query, psutil: ModuleType) -> Iterator[Ancestor]:
    """Yield the rows from psutil, which compares the ages itself."""
    # Written from psutil's documentation and tested with its Linux form and with recorded values; not run on
    # macOS and Windows.
    for pid in wanted_pids(query, psutil.pids):
        query.check()
        try:
            parents = psutil.Process(pid).parents()
        except psutil.Error:
            continue
        for depth, parent in enumerate(parents, start=1):
            yield _portable(pid, depth, parent, psutil, query.wants)


def _portable(
    pid: int, depth: int, process: object, psutil: ModuleType, wants: Callable[[str], bool]
) -> Ancestor:
    ask = psutil_asker(process, psutil, wants)
    start = ask("start_time", "create_time")
    return Ancestor(
        pid=pid,
        depth=depth,
        ancestor_pid=process.pid,  # type: ignore[attr-defined]
        start_time=int(start) if isinstance(start, float) else None,
        **psutil_texts(ask),
    )
