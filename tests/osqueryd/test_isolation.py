"""Tables that sleep or compute do not hold up others, also with osqueryd in place of the wire tests' client.

osqueryd asks every table for its `columns` within any statement that comes while another one runs, and pings
before each call; a server that is busy with one table stalls all of its SQL.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.wire.client import ExtensionConnection

from ..support.osqueryd import Manager, until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.osqueryd

ASLEEP = 8


def percentile(times: list[float], share: float) -> float:
    return sorted(times)[min(int(len(times) * share), len(times) - 1)]


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def started(directory: Path, *tables: str) -> tuple[Manager, subprocess.Popen[str], str]:
    manager = Manager.osqueryd(directory)
    process = manager.start(TABLES=",".join(("served", *tables)))
    return manager, process, f"{manager.socket}.{manager.extensions()['life']}"


def ping(address: str) -> float:
    """Ping on a new connection, as osqueryd does."""

    def connect_and_ping() -> None:
        with ExtensionConnection(address) as connection:
            assert connection.ping().code == 0

    return timed(connect_and_ping)


def columns(address: str) -> float:
    def connect_and_ask() -> None:
        with ExtensionConnection(address) as connection:
            assert connection.call("table", "asleep0", {"action": "columns"}).rows

    return timed(connect_and_ask)


def query(manager: Manager, sql: str) -> float:
    def run() -> None:
        assert manager.query(sql)

    return timed(run)


@pytest.mark.parametrize("seconds", [4, pytest.param(30, marks=pytest.mark.slow)])
def test_eight_sleeping_tables_hold_up_nothing(directory: Path, seconds: int) -> None:
    names = [f"asleep{n}" for n in range(ASLEEP)]
    manager, process, address = started(directory, *names)
    try:
        begun = time.monotonic()
        sleepers: list[threading.Thread] = []
        results: list[list[dict[str, str]]] = []

        def sleep(name: str) -> None:
            results.append(manager.query(f"select pid, seconds from {name} where seconds = {seconds}"))

        for name in names:
            sleepers.append(threading.Thread(target=sleep, args=(name,)))
            sleepers[-1].start()
        time.sleep(0.5)
        pings: list[float] = []
        asked: list[float] = []
        others: list[float] = []
        cores: list[float] = []
        while time.monotonic() < begun + seconds - 1:
            pings += [ping(address) for _ in range(20)]
            asked += [columns(address) for _ in range(5)]
            others.append(query(manager, "select pid from served"))
            cores.append(query(manager, "select unix_time from time"))
            time.sleep(0.02)
        assert results == []
        assert all(sleeper.is_alive() for sleeper in sleepers)
        for what, times in (("ping", pings), ("columns", asked), ("query", others), ("core", cores)):
            print(
                f"{what}: {len(times)}, median {percentile(times, 0.5) * 1000:.1f} ms, "
                f"p99 {percentile(times, 0.99) * 1000:.1f} ms"
            )
        assert percentile(pings, 0.99) < 0.05
        # At once: a statement that waited for a sleeper would take seconds.
        assert percentile(asked, 0.99) < 0.25
        assert max(others) < 1.5
        assert max(cores) < 1.5
        for sleeper in sleepers:
            sleeper.join(60)
        assert results == [[{"pid": str(process.pid), "seconds": str(seconds)}]] * ASLEEP
        assert manager.has("life")
    finally:
        manager.close()


@pytest.mark.parametrize("seconds", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_table_in_a_tight_loop_holds_up_no_pings(directory: Path, seconds: int) -> None:
    manager, process, address = started(directory, "spinning", "asleep0")
    try:
        begun = time.monotonic()
        spinner = manager.query_meanwhile(f"select * from spinning where seconds = {seconds}")
        time.sleep(0.3)
        pings: list[float] = []
        others: list[float] = []
        while time.monotonic() < begun + seconds - 0.7:
            pings += [ping(address) for _ in range(10)]
            others.append(query(manager, "select pid from served"))
        assert spinner.is_alive()
        slow_ping, slow_query = percentile(pings, 0.99) * 1000, max(others) * 1000
        print(f"ping: {len(pings)}, p99 {slow_ping:.1f} ms; query {slow_query:.0f} ms")
        assert percentile(pings, 0.99) < 0.25
        assert max(others) < 3
        spinner.join(60)
        # osqueryd pinged it all the while, and has not dropped it.
        until(lambda: manager.has("life"), 1)
        assert process.poll() is None
    finally:
        manager.close()
