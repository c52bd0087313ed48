"""Open the processes of Linux that a statement asks for by their pid, one at a time."""

from collections.abc import Iterator

from osquery_sdk import Query

from . import procfs

__all__ = ["each_process"]


def each_process(query: Query, root: str = procfs.PROC) -> Iterator[procfs.Process]:
    """Yield the processes that the terms on the column `pid` allow; for = and IN only those are looked up.

    The object is closed when the next one is asked for. The caller handles ProcessGone from its methods.
    """
    named = query.equals("pid")
    if named is None:
        pids = [pid for pid in procfs.pids(root) if query.matches("pid", pid)]
    else:
        pids = list(dict.fromkeys(pid for pid in named if isinstance(pid, int) and 0 < pid < 1 << 31))
    for pid in pids:
        query.check()
        try:
            process = procfs.Process(pid, root) if named is None else procfs.find(pid, root)
        except procfs.ProcessGone:
            continue
        with process:
            yield process
