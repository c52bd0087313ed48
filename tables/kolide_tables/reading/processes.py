"""Open the processes of Linux that a statement asks for by their pid, one at a time; elsewhere ask psutil."""

from collections.abc import Callable, Iterator
from types import ModuleType

from kolide_kit.redact import redact_arguments
from kolide_kit.text import shown
from osquery_sdk import Query

from . import procfs


def wanted_pids(query: Query, everything: Callable[[], list[int]]) -> list[int]:
    """Return the pids that the terms on the column `pid` allow; for = and IN those that can be a pid."""
    named = query.equals("pid")
    if named is not None:
        return list(dict.fromkeys(pid for pid in named if isinstance(pid, int) and 0 <= pid < 1 << 31))
    if query.constraints("pid"):
        return [pid for pid in everything() if query.matches("pid", pid)]
    return everything()


def each_process(query: Query, root: str = procfs.PROC) -> Iterator[procfs.Process]:
    """Yield the processes that the terms on the column `pid` allow; for = and IN only those are looked up.

    The object is closed when the next one is asked for. The caller handles ProcessGone from its methods.
    """
    open_process = procfs.Process if query.equals("pid") is None else procfs.find
    for pid in wanted_pids(query, lambda: procfs.pids(root)):
        query.check()
        try:
            process = open_process(pid, root)
        except procfs.ProcessGone:
            continue
        with process:
            yield process


def procfs_texts(process: procfs.Process, wants: Callable[[str], bool]) -> dict[str, str | None]:
    """Return the wanted ones of a process's columns name, path and cmdline, with secrets redacted."""
    arguments = procfs.arguments(process) if wants("cmdline") else None
    return {
        "name": procfs.comm(process) if wants("name") else None,
        "path": procfs.executable(process)[0] if wants("path") else None,
        "cmdline": None if arguments is None else " ".join(redact_arguments(arguments)),
    }


def psutil_asker(
    process: object, psutil: ModuleType, wants: Callable[[str], bool]
) -> Callable[[str, str], object]:
    """Return a function that calls a method of psutil's process if a column is wanted.

    Its result is None for a fact that this platform does not have, or that may not be read, or not any more.
    """

    def ask(column: str, method: str) -> object:
        call = getattr(process, method, None) if wants(column) else None
        try:
            return None if call is None else call()
        except psutil.Error:
            return None

    return ask


def psutil_texts(ask: Callable[[str, str], object]) -> dict[str, str | None]:
    """Return a process's columns name, path and cmdline, with secrets redacted; None for an unknown one."""
    name, path, arguments = ask("name", "name"), ask("path", "exe"), ask("cmdline", "cmdline")
    words = [shown(word) for word in arguments] if isinstance(arguments, list) else None
    return {
        "name": shown(name) if isinstance(name, str) else None,
        "path": shown(path) if isinstance(path, str) and path else None,
        "cmdline": None if words is None else " ".join(redact_arguments(words)),
    }
