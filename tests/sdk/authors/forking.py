"""An extension whose tables and plugins fork in each possible way, and let the child return.

The file FORKED gets the number of each child and its exit status, as its parent sees them.
"""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import multiprocessing
import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osquery_sdk import (
    Column,
    ConfigPlugin,
    Extension,
    LogBatch,
    LoggerPlugin,
    Query,
    Row,
    SpooledLogger,
    SpoolOptions,
    Table,
    WritableTable,
    table,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping


class Child(Row):
    how: str = Column("how the process is made, and what it does then", index=True, key=True, required=True)
    status: int | None = Column("with what it ended, as the shell says it", default=None)


def act(how: str) -> None:
    """Do what a child is told to."""
    match how:
        case "exits":
            sys.exit(7)
        case "exits_without":
            sys.exit()
        case "exits_with_text":
            sys.exit("no room")
        case "raises":
            raise ValueError("in the child")
        case "interrupts":
            raise KeyboardInterrupt
        case "leaves":
            os._exit(5)
        case "becomes":
            os.execv("/bin/sh", ["sh", "-c", "exit 6"])
        case "comes_back":
            return


FORKS: dict[str, Callable[[], int]] = {
    "fork": os.fork,
    "pty": lambda: pty.fork()[0],
    "forkpty": lambda: os.forkpty()[0],
    # Forked in C, so that Python does not notice.
    "libc": lambda: int(ctypes.PyDLL(None).fork()),
}


def fork(how: str, by: str = "fork") -> int | None:
    """Fork a child that does something; the parent gets its exit status."""
    pid = FORKS[by]()
    if not pid:
        act(how)
        return None
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    with Path(os.environ["FORKED"]).open("a", encoding="ascii") as file:
        file.write(f"{pid} {code}\n")
    return code


@table("forks", rows=Child, deadline=10)
def forks(query: Query) -> list[Child]:
    """A process for each way that a statement names, such as `fork raises`."""
    rows = []
    for how in query.equals("how") or ():
        by, does = how.split()
        rows.append(Child(how=how, status=fork(does, by)))
    return rows


@table("fork_generators", rows=Child, deadline=10)
def generators(query: Query) -> Iterator[Child]:
    """Five processes, and many rows."""
    for how in query.equals("how") or ():
        by, does = how.split()
        if does == "late":
            yield from (Child(how=f"{n} before") for n in range(1500))
        for _ in range(5):
            if does == "late":
                pid = os.fork()
                if not pid:
                    for n in itertools.count():
                        yield Child(how=str(n))
                _, status = os.waitpid(pid, 0)
                yield Child(how=how, status=os.waitstatus_to_exitcode(status))
            elif does == "yields":
                pid = os.fork()
                if not pid:
                    for _ in range(1000):
                        yield Child(how="child")
                        time.sleep(0.05)
                _, status = os.waitpid(pid, 0)
                yield Child(how=how, status=os.waitstatus_to_exitcode(status))
            else:
                yield Child(how=how, status=fork(does, by))


@table("fork_loops", rows=Child, deadline=10)
async def loops(query: Query) -> AsyncIterator[Child]:
    """A process in an event loop, which has descriptors of its own."""
    for how in query.equals("how") or ():
        by, does = how.split()
        status = fork(does, by)
        # What a child does to the loop's descriptors would keep this from coming about.
        await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.01)
        yield Child(how=how, status=status)


@table("fork_cached", rows=Child, deadline=10, cache=1.0)
def cached(query: Query) -> list[Child]:
    """A process of a table whose rows are kept."""
    return [Child(how=how, status=fork(how.split()[1])) for how in query.equals("how") or ()]


class Written(WritableTable[Child]):
    """Forks when it is written to."""

    def rows(self, query: Query) -> list[Child]:
        return [Child(how="row")]

    def insert(self, row: Child) -> None:
        fork(row.how)

    def update(self, old: Child, new: Child) -> None:
        fork(new.how)

    def delete(self, row: Child) -> None:
        fork("raises")


class Square(Row):
    n: int = Column("a number", key=True)
    square: int = Column("its square")


def square(n: int) -> int:
    return n * n


@table("pools", rows=Square, deadline=30)
def pools(query: Query) -> list[Square]:
    """Squares from Python's own processes: they leave by themselves, and must be let go on."""
    context = multiprocessing.get_context("fork")
    pool = context.Pool(2)
    squares = pool.map(square, range(10))
    # Not `with`, which kills the workers: one that holds the lock of a queue leaves the others waiting.
    pool.close()
    pool.join()
    queue = context.Queue()
    process = context.Process(target=lambda: queue.put(square(10)))
    process.start()
    squares.append(queue.get(timeout=20))
    process.join(20)
    told = subprocess.run(["sh", "-c", "echo 121"], capture_output=True, check=True)
    squares.append(int(told.stdout))
    return [Square(n=n, square=value) for n, value in enumerate(squares)]


@table("stubborn", rows=Square, deadline=30)
def stubborn(query: Query) -> list[Square]:
    """A process that is told to end by SIGTERM: n is how many tenths of a second that took."""
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start()
    time.sleep(0.2)
    started = time.monotonic()
    process.terminate()
    process.join()
    return [Square(n=int(10 * (time.monotonic() - started)), square=process.exitcode or 0)]


@table("workers", rows=Square)
def workers(query: Query) -> list[Square]:
    """A process that outlives the statement, and would outlive the extension: n is its number."""
    pid = os.fork()
    if not pid:
        time.sleep(60)
        os._exit(0)
    return [Square(n=pid, square=0)]


@table("quiet", rows=Square)
def quiet(query: Query) -> list[Square]:
    """One row."""
    return [Square(n=3, square=9)]


class Configured(ConfigPlugin):
    def gen_config(self) -> Mapping[str, Any]:
        fork(os.environ.get("HOW", "comes_back"))
        return {"main": "{}"}

    def start(self, link: Any, log: Any) -> None:
        super().start(link, log)
        fork(os.environ.get("HOW", "comes_back"))

    def stop(self) -> None:
        fork(os.environ.get("HOW", "comes_back"))


class Logged(LoggerPlugin):
    def log_string(self, line: str, category: str) -> None:
        fork(line)


class Shipped(SpooledLogger):
    def deliver(self, batch: LogBatch) -> None:
        for record in batch.records:
            fork(record.text)

    def finish(self) -> None:
        fork("exits")


def left_out() -> list[tuple[Table, str]]:
    fork("exits")
    return [(quiet, "for a reason")]


def log(line: str) -> None:
    fork("exits")
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    plugins: list[Any] = [forks, generators, loops, cached, pools, stubborn, workers, quiet]
    plugins.append(table("fork_written")(Written()))
    if "SPOOL" in os.environ:
        options = SpoolOptions(batch_seconds=0.0)
        plugins += [
            Configured("conf"),
            Logged("logged"),
            Shipped("shipped", spool=os.environ["SPOOL"], options=options),
        ]
    return Extension("forking", version="1", plugins=plugins, left_out=left_out, log=log).run()


if __name__ == "__main__":
    raise SystemExit(main())
