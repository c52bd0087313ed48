"""An extension whose tables use what Python's library imports only then, and what is installed beside it."""

import asyncio
import concurrent.futures
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module, metadata

from osquery_sdk import Column, Extension, Query, Row, table


def double(number: int) -> int:
    return 2 * number


def pool(method: str) -> list[int]:
    with multiprocessing.get_context(method).Pool(2) as workers:
        return workers.map(double, [1, 2])


def executor(method: str) -> list[int]:
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as workers:
        return list(workers.map(double, [3]))


def manager() -> list[int]:
    with multiprocessing.Manager() as manager:
        return list(manager.list([4]))


def shared_memory() -> int:
    from multiprocessing.shared_memory import SharedMemory

    shared = SharedMemory(create=True, size=8)
    shared.buf[0] = 5
    again = SharedMemory(shared.name)
    found = again.buf[0]
    again.close()
    shared.close()
    shared.unlink()
    return found


def databases() -> list[bytes]:
    import dbm
    import shelve

    with tempfile.TemporaryDirectory() as folder:
        with dbm.open(f"{folder}/dbm", "c") as database:
            database[b"key"] = b"value"
        with shelve.open(f"{folder}/shelf") as shelf:
            shelf["key"] = 6
        return [dbm.open(f"{folder}/dbm")[b"key"], bytes([shelve.open(f"{folder}/shelf")["key"]])]


def asynchronous_test() -> bool:
    import io
    import unittest

    class Case(unittest.IsolatedAsyncioTestCase):
        async def test(self) -> None:
            await asyncio.sleep(0)

    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Case)
    return unittest.TextTestRunner(stream=io.StringIO()).run(suite).wasSuccessful()


def texts() -> str:
    return (
        b"\x83\x65".decode("shift_jis") + "é.x".encode("idna").decode() + import_module("stringprep").__name__
    )


def times() -> str:
    import time
    from datetime import datetime
    from zoneinfo import ZoneInfo

    moment = datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    return f"{time.strptime('2026 7', '%Y %d').tm_mday} {moment.tzname()}"


def hashes() -> str:
    import hashlib

    return hashlib.scrypt(b"", salt=b"", n=2, r=1, p=1).hex()[:8]


USES: dict[str, Callable[[], object]] = {
    **{f"pool {method}": lambda m=method: pool(m) for method in multiprocessing.get_all_start_methods()},
    **{
        f"executor {method}": lambda m=method: executor(m)
        for method in multiprocessing.get_all_start_methods()
    },
    **{
        one.__name__: one
        for one in (manager, shared_memory, databases, asynchronous_test, texts, times, hashes)
    },
}


class Use(Row):
    name: str = Column("Of the use")
    outcome: str = Column("Its result")


@table("later_uses")
def uses(query: Query) -> Iterator[Use]:
    """Each use, and its result."""
    for name, use in USES.items():
        yield Use(name=name, outcome=repr(use()))


class Distribution(Row):
    name: str = Column("Of the distribution", required=True)
    version: str | None = Column("Its version; none if it is not there")
    scripts: str = Column("Names of its entry points")


@table("later_distributions")
def distributions(query: Query) -> Iterator[Distribution]:
    """Distributions that importlib finds."""
    for name in query.equals("name") or ():
        try:
            found = metadata.distribution(name or "nothing")
        except metadata.PackageNotFoundError:
            yield Distribution(name=name, version=None, scripts="")
        else:
            scripts = " ".join(point.name for point in found.entry_points)
            yield Distribution(name=name, version=metadata.version(name), scripts=scripts)


class Plugin(Row):
    family: str = Column("Group of entry points", required=True)
    name: str = Column("Of the entry point")
    says: str = Column("What it says when it is called")


@table("later_plugins")
def plugins(query: Query) -> Iterator[Plugin]:
    """Plugins that are installed beside the extension."""
    for family in query.equals("family") or ():
        for point in metadata.entry_points(group=family or "later.words"):
            yield Plugin(family=family, name=point.name, says=point.load()())


class Process(Row):
    pid: int = Column("Process id")


@table("later_process")
def process(query: Query) -> Iterator[Process]:
    """This process."""
    yield Process(pid=os.getpid())


if __name__ == "__main__":
    tables = [uses, distributions, plugins, process]
    raise SystemExit(Extension("later", version="1.0", plugins=tables).run())
