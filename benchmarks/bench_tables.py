"""Measure a table of this SDK beside other extensions and beside the floor, through one osquery in one run.

Every peer serves the same table. Statements over them are run in turn, so that other load on the machine
slows all of them alike. Compare the ratios, not the milliseconds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from osquery_sdk.errors import WireError
from osquery_sdk.wire.client import ManagerConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PEERS = Path(__file__).parent / "peers"
SCAN = "select sum(length(a)), sum(length(b)), sum(c), sum(i) from {}"
JOIN = (
    "with recursive n(i) as (values(0) union all select i + 1 from n where i < 499) "
    "select count(*), sum(t.c) from n join {} t on t.i = n.i"
)
IMPORTS = "import thrift.protocol.TBinaryProtocol, socket, argparse"


class Peer(NamedTuple):
    """An extension, and the table of it that is measured."""

    name: str
    table: str
    command: tuple[str, ...]


class Result(NamedTuple):
    """One line of the report; seconds are medians."""

    measure: str
    peer: str
    seconds: float
    rounds: int
    ratio: float
    to: str
    target: float | None = None
    at_least: bool = False

    @property
    def missed(self) -> bool:
        """True if the target was not met."""
        if self.target is None:
            return False
        return self.ratio < self.target if self.at_least else self.ratio > self.target


def peers_of(paths: Sequence[str]) -> list[Peer]:
    """Return the project's own peers, and those given as PATH:TABLE."""
    python = sys.executable
    peers = [
        Peer("floor", "bench_floor", (python, str(PEERS / "floor.py"))),
        Peer("floor without rowid", "bench_floor_bare", (python, str(PEERS / "floor.py"))),
        Peer("osquery_sdk", "bench_sdk", (python, str(PEERS / "sdk.py"))),
        Peer("osquery_sdk, Rows", "bench_sdk_rows", (python, str(PEERS / "sdk.py"))),
        Peer("osquery-python", "bench_python", (python, str(PEERS / "osquery_python.py"))),
    ]
    for path in paths:
        program, _, table = path.rpartition(":")
        if not program or not Path(program).is_file():
            raise SystemExit(f"bench: --peer {path}: give PATH:TABLE of an extension that reads BENCH_ROWS")
        peers.append(Peer(Path(program).name, table, (str(Path(program).resolve()),)))
    return peers


@contextlib.contextmanager
def process(command: Sequence[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program, and stop it at the end."""
    with subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        try:
            yield running
        finally:
            running.terminate()
            try:
                running.wait(5)
            except subprocess.TimeoutExpired:
                running.kill()


@contextlib.contextmanager
def host(engine: bool) -> Iterator[tuple[str, str]]:
    """Run an extension manager; yield its name and socket.

    That is osqueryd if it is on PATH, else the embedded engine.
    """
    osqueryd = None if engine else shutil.which("osqueryd")
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        socket = f"{folder}/em"
        if osqueryd is None:
            name = "embedded engine"
            command = [sys.executable, "-m", "osquery_sdk.cli.main", "engine", "--socket", socket]
        else:
            version = subprocess.run(
                [osqueryd, "--version"], capture_output=True, text=True, check=True
            ).stdout
            name = version.strip()
            Path(folder, "conf").write_text("{}")
            command = [osqueryd, "--ephemeral", "--disable_database", "--disable_watchdog", "--force"]
            command += [f"--config_path={folder}/conf", f"--extensions_socket={socket}"]
            command += [f"--pidfile={folder}/pid", f"--logger_path={folder}", "--extensions_timeout=10"]
        with process(command, HOME=folder):
            until(lambda: answers(socket), f"{name} does not answer")
            yield name, socket


def until(condition: Callable[[], bool], complaint: str, seconds: float = 60) -> None:
    """Wait until the condition is true; after `seconds` the complaint ends the run."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"bench: {complaint}")
        time.sleep(0.02)


def answers(socket: str) -> bool:
    """Return whether a manager answers on the socket."""
    try:
        with ManagerConnection(socket, timeout=1) as manager:
            return manager.ping().code == 0
    except WireError:
        return False


def has_table(manager: ManagerConnection, table: str) -> bool:
    """Return whether an extension has registered the table."""
    return bool(manager.query(f"select 1 from pragma_table_info('{table}')").rows)


def forget(manager: ManagerConnection) -> None:
    """Deregister stopped extensions, since not all do so themselves."""
    for uuid in manager.extensions():
        manager.deregister_extension(uuid)
    until(lambda: not manager.extensions(), "an extension does not leave")


def timed(manager: ManagerConnection, sql: str) -> tuple[float, list[str]]:
    """Return the seconds of a statement and the values of its rows; an error ends the run."""
    start = time.perf_counter()
    answer = manager.query(sql)
    took = time.perf_counter() - start
    if answer.status.code:
        raise SystemExit(f"bench: {sql}: {answer.status.message}")
    assert isinstance(answer.rows, (list, tuple))
    return took, [value for row in answer.rows for value in row.values()]


def side_by_side(
    socket: str, peers: Sequence[Peer], rows: int, statement: str, rounds: int
) -> dict[str, float]:
    """Return the median seconds of a statement over each peer's table, with the peers taking turns."""
    times: dict[str, list[float]] = {peer.name: [] for peer in peers}
    with ManagerConnection(socket, timeout=600) as manager, contextlib.ExitStack() as stack:
        stack.callback(forget, manager)
        for command in dict.fromkeys(peer.command for peer in peers):
            started = process(
                [*command, "--socket", socket, "--timeout", "10", "--interval", "3"], BENCH_ROWS=str(rows)
            )
            stack.enter_context(started)
        for peer in peers:
            until(partial(has_table, manager, peer.table), f"{peer.name} does not register")
        # The first statement of each peer warms it up, and shows whether all serve the same rows.
        answers_by_peer = {peer.name: timed(manager, statement.format(peer.table))[1] for peer in peers}
        for name, values in answers_by_peer.items():
            expected = answers_by_peer[peers[0].name]
            if values != expected:
                raise SystemExit(f"bench: {name} gives {values}, {peers[0].name} gives {expected}")
        for _ in range(rounds):
            for peer in peers:
                times[peer.name].append(timed(manager, statement.format(peer.table))[0])
    return {name: statistics.median(taken) for name, taken in times.items()}


def start(socket: str, rounds: int) -> tuple[float, float]:
    """Return the median seconds from a start to a registration, and of an interpreter that imports Thrift."""
    registered, imported = [], []
    command = [sys.executable, str(PEERS / "sdk.py"), "--socket", socket]
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", IMPORTS], check=True)
        imported.append(time.perf_counter() - began)
        with ManagerConnection(socket, timeout=10) as manager:
            began = time.perf_counter()
            with process(command):
                while not manager.extensions():
                    time.sleep(0.0005)
                registered.append(time.perf_counter() - began)
            forget(manager)
    return statistics.median(registered), statistics.median(imported)


def measure(socket: str, options: argparse.Namespace) -> Iterator[Result]:
    """Yield all results as they come."""
    peers = peers_of(options.peer)
    targets = {1: 1.2, 1000: 1.6, 100_000: 1.5}
    for rows in options.rows:
        rounds = options.rounds or (301 if rows <= 10 else 41 if rows <= 1000 else 15)
        medians = side_by_side(socket, peers, rows, SCAN, rounds)
        for name, seconds in medians.items():
            target = targets.get(rows) if name == "osquery_sdk" else None
            yield Result(
                f"scan of {rows:,} rows", name, seconds, rounds, seconds / medians["floor"], "floor", target
            )
    joined = [
        peer._replace(table="bench_sdk_snapshot") if peer.name == "osquery_sdk" else peer
        for peer in peers
        if "floor" not in peer.name and "Rows" not in peer.name
    ]
    rounds = min(options.rounds or 15, 15)
    medians = side_by_side(socket, joined, options.join_rows, JOIN, rounds)
    for name, seconds in medians.items():
        target = 20.0 if name == "osquery_sdk" else None
        ratio = medians["osquery-python"] / seconds
        yield Result(
            "join: 500 look-ups",
            name,
            seconds,
            rounds,
            ratio,
            "times faster than osquery-python",
            target,
            True,
        )
    rounds = options.rounds or 20
    registered, imported = start(socket, rounds)
    yield Result("start", f'python -c "{IMPORTS}"', imported, rounds, 1.0, "itself")
    yield Result(
        "start to registered",
        "osquery_sdk",
        registered,
        rounds,
        registered / imported,
        "importing Thrift",
        2.5,
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: bench_tables.py --peer ./bench_cpp.ext:bench_cpp"
    )
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="PATH:TABLE",
        help="another extension to measure, and its table of BENCH_ROWS rows (i, a, b, c); may be repeated",
    )
    parser.add_argument(
        "--rows", type=lambda text: [int(n) for n in text.split(",")], default=[1, 1000, 100_000]
    )
    parser.add_argument("--join-rows", type=int, default=1000)
    parser.add_argument(
        "--rounds",
        type=int,
        help="runs of each statement, at most 15 for the join; by default 15 to 301, by size",
    )
    parser.add_argument(
        "--engine", action="store_true", help="use the embedded engine even if osqueryd is there"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with host(options.engine) as (name, socket):
        if not options.json:
            print(f"through {name}; medians")
        results = []
        measured = ""
        for result in measure(socket, options):
            results.append(result)
            if options.json:
                continue
            if result.measure != measured:
                measured = result.measure
                print(f"\n{measured}, {result.rounds} rounds")
            verdict = ""
            if result.target is not None:
                bound = "at least" if result.at_least else "at most"
                verdict = f"  ({bound} {result.target:g}: {'MISSED' if result.missed else 'met'})"
            print(
                f"  {result.peer:<22} {result.seconds * 1e3:>10.2f} ms "
                f"{result.ratio:>8.2f} {result.to}{verdict}",
                flush=True,
            )
    if options.json:
        print(
            json.dumps(
                {"host": name, "results": [r._asdict() | {"missed": r.missed} for r in results]}, indent=1
            )
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
