"""Measure the bundled tables: each alone, beside osquery's own tables and jq, and all at once for minutes.

There are four measurements. Name some to leave out the others:

tables   for each table, the time of a full scan and of a look-up, the rows, and the growth of memory
join     a join with osquery's processes, beside its own join with process_open_files (osqueryd alone)
jq       kolide_json selecting 1,000 rows from a file of 50 MB, beside jq doing the same
clients  eight clients querying every table at once: errors, memory, open files and pings
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from bench_tables import answers, forget, host, process, until
from osquery_sdk.wire.client import ExtensionConnection, ManagerConnection
from scenes import Scene, Stage, stage

if TYPE_CHECKING:
    from collections.abc import Iterator

MB = 1_000_000
KINDS = ("tables", "join", "jq", "clients")
COMMAND = (sys.executable, "-m", "kolide_ext")
# Each name has the tables in the order in which SQLite reads them: the first in full, the second by look-up.
JOINS = {
    "processes with process_open_files": "select count(*), sum(length(f.path)) "
    "from processes p join process_open_files f using (pid)",
    "kolide_process_details with processes": "select count(*), sum(d.num_fds) "
    "from kolide_process_details d join processes p using (pid)",
    "the same, every column of both": "select * from kolide_process_details d join processes p using (pid)",
    "processes with kolide_process_details": "select count(*), sum(d.num_fds) "
    "from processes p join kolide_process_details d using (pid)",
}
JQ = '.items[] | select(.kind == "rare") | .name'


class Served(NamedTuple):
    """The extension's process, its socket, and a connection to the manager with which it is registered."""

    manager: ManagerConnection
    process: psutil.Process
    socket: str


@contextlib.contextmanager
def serve(socket: str, wrapper: tuple[str, ...] = (), **settings: str) -> Iterator[Served]:
    """Serve the bundle with all its tables, registered with the manager on the socket."""
    settings = {"KOLIDE_EXT_ENABLED": "file_lines", "KOLIDE_EXT_MAX_SECONDS": "120", **settings}
    command = [*wrapper, *COMMAND, "--socket", socket, "--timeout", "10", "--interval", "3"]
    with ManagerConnection(socket, timeout=600) as manager:
        with process(command, **settings) as started:
            # Not `has_table`: the tables of the extension before may still be registered.
            until(lambda: bool(manager.extensions()), "kolide_ext does not register")
            (uuid,) = manager.extensions()
            own = f"{socket}.{uuid}"
            # The manager lists an extension before its socket listens.
            until(lambda: answers(own), "kolide_ext does not answer")
            yield Served(manager, psutil.Process(started.pid), own)
        forget(manager)


def ask(manager: ManagerConnection, sql: str) -> list[dict[str, Any]]:
    """Return a statement's rows; an error ends the run."""
    answer = manager.query(sql)
    if answer.status.code:
        raise SystemExit(f"bench: {sql}: {answer.status.message}")
    assert isinstance(answer.rows, (list, tuple))
    return [dict(row) for row in answer.rows]


def statement(scene: Scene, condition: str, what: str = "*") -> str:
    return f"select {what} from {scene.table}" + (f" where {condition}" if condition else "")


def not_here(manager: ManagerConnection, scenes: list[Scene]) -> dict[str, str]:
    """Return the tables whose program is not installed on this machine, each with its error."""
    errors = {}
    for scene in scenes:
        status = manager.query(statement(scene, scene.lookup or scene.scan)).status
        if status.code and " is not installed: " in status.message:
            errors[scene.table] = status.message.removeprefix(f"{scene.table}: ")
    return errors


def all_columns(manager: ManagerConnection, table: str) -> str:
    """Return the expressions of a statement that uses each column of a table.

    The statement gives one row, with their number, so that the time is that of the table, not of the client.
    """
    columns = ask(manager, f"select name from pragma_table_info('{table}')")
    lengths = " + ".join(f"ifnull(length({column['name']}), 0)" for column in columns)
    return f"count(*) as n, sum({lengths})"


def timed(manager: ManagerConnection, sql: str, rounds: int) -> tuple[float, float, int]:
    """Return the milliseconds of the first run and the median of later ones, and the answer's number `n`."""
    times = []
    for _ in range(1 + rounds):
        began = time.perf_counter()
        (row,) = ask(manager, sql)
        times.append((time.perf_counter() - began) * 1e3)
    return times[0], statistics.median(times[1:]), int(row["n"])


def peak_mb(extension: psutil.Process) -> float:
    """Return the most memory that a process has held in MB; without /proc, the memory that it holds now."""
    status = Path(f"/proc/{extension.pid}/status")
    if status.exists():
        (peak,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024 / MB
    return extension.memory_info().rss / MB


def tables(socket: str, scene_of: Stage, rounds: int, only: list[str]) -> Iterator[dict[str, Any]]:
    """Yield a line for each table, served by a process that does nothing else."""
    for scene in scene_of.scenes:
        if only and scene.table not in only:
            continue
        with serve(socket, scene_of.wrapper) as served:
            at_rest = peak_mb(served.process)
            line: dict[str, Any] = {"table": scene.table}
            what = all_columns(served.manager, scene.table)
            sql = statement(scene, scene.scan, what)
            line["first_ms"], line["scan_ms"], line["rows"] = timed(served.manager, sql, rounds)
            line["lookup_ms"], line["lookup_rows"] = None, None
            if scene.lookup:
                sql = statement(scene, scene.lookup, what)
                _, line["lookup_ms"], line["lookup_rows"] = timed(served.manager, sql, rounds)
            line["memory_mb"] = peak_mb(served.process) - at_rest
            yield line


def join(socket: str, rounds: int) -> Iterator[dict[str, Any]]:
    """Time the joins in turn; each ratio is to the join of osquery's own tables."""
    times: dict[str, list[float]] = {name: [] for name in JOINS}
    with serve(socket) as served:
        count = int(ask(served.manager, "select count(*) as n from processes")[0]["n"])
        for turn in range(rounds + 1):
            for name, sql in JOINS.items():
                began = time.perf_counter()
                ask(served.manager, sql)
                if turn:
                    times[name].append((time.perf_counter() - began) * 1e3)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    core, ours = list(JOINS)[:2]
    for name, median in medians.items():
        target = 1.5 if name == ours else None
        yield {
            "what": name,
            "processes": count,
            "ms": median,
            "ratio": median / medians[core],
            "target": target,
        }


def jq(socket: str, folder: Path, rounds: int, megabytes: int) -> Iterator[dict[str, Any]]:
    """Run kolide_json and jq in turn on one file; different values end the run."""
    program = shutil.which("jq")
    if program is None:
        raise SystemExit("bench: jq is not installed: there is nothing to compare kolide_json with")
    path = folder / "large.json"
    size = write_large(path, megabytes * MB)
    sql = f"select value from kolide_json where path = '{path}' and query = 'items/kind=>rare/name'"
    ours, theirs, peak = [], [], 0.0
    limits = {"KOLIDE_EXT_MAX_FILE_BYTES": str(2 * size)}
    for _ in range(rounds):
        with serve(socket, (), **limits) as served:
            at_rest = peak_mb(served.process)
            began = time.perf_counter()
            rows = ask(served.manager, sql)
            ours.append(time.perf_counter() - began)
            peak = max(peak, peak_mb(served.process) - at_rest)
        began = time.perf_counter()
        output = subprocess.run([program, "-r", JQ, path], capture_output=True, text=True, check=True).stdout
        theirs.append(time.perf_counter() - began)
        if [row["value"] for row in rows] != output.splitlines():
            raise SystemExit("bench: kolide_json and jq find different values")
    mine, other = statistics.median(ours), statistics.median(theirs)
    yield {"what": "jq", "rows": len(rows), "seconds": other, "ratio": 1.0, "target": None}
    yield {"what": "kolide_json", "rows": len(rows), "seconds": mine, "ratio": mine / other, "target": 2.0}
    yield {"what": "memory by the file's size", "mb": peak, "ratio": peak * MB / size, "target": 6.0}


def write_large(path: Path, size: int) -> int:
    """Write a JSON file of about `size` bytes with 1,000 objects of the kind "rare"; return its size."""
    usual = {"id": 0, "name": "a name of some length", "kind": "usual", "tags": ["a", "b"], "at": [1.5, None]}
    count = size // (len(json.dumps(usual)) + 7)
    every = max(1, count // 1000)
    rare = 0
    with path.open("w") as file:
        file.write('{"items": [')
        for n in range(count):
            is_rare = n % every == 0 and rare < 1000
            rare += is_rare
            item = usual | {"id": n, "name": f"{usual['name']} {n}", "kind": "rare" if is_rare else "usual"}
            file.write((", " if n else "") + json.dumps(item))
        file.write("]}")
    return path.stat().st_size


class Watch(NamedTuple):
    """Measurements of the extension while clients query it.

    Attributes:
        pings: milliseconds of each ping.
        samples: seconds since the start, memory in MB, open files.
        answered: number of statements answered, by table.
        errors: number of times that each error came.
    """

    pings: list[float]
    samples: list[tuple[float, float, int]]
    answered: Counter[str]
    errors: Counter[str]


def clients(socket: str, scene_of: Stage, seconds: float, number: int, seed: int) -> dict[str, Any]:
    """Query every table from several clients at once, each in a random order of its own."""
    seen = Watch([], [], Counter(), Counter())
    with serve(socket, scene_of.wrapper) as served:
        began = time.monotonic()
        stop = threading.Event()
        threads = [
            threading.Thread(target=client, args=(socket, scene_of.scenes, stop, seen, seed + n))
            for n in range(number)
        ]
        threads += [threading.Thread(target=pinger, args=(served.socket, stop, seen))]
        for thread in threads:
            thread.start()
        while time.monotonic() - began < seconds:
            time.sleep(min(1.0, seconds / 20))
            with served.process.oneshot():
                memory = served.process.memory_info().rss / MB
                seen.samples.append((time.monotonic() - began, memory, served.process.num_fds()))
        stop.set()
        for thread in threads:
            thread.join()
    # Imports, caches, threads and the allocator's arenas grow in the first minute, once.
    warm = min(60.0, seconds / 3)
    parts: list[list[tuple[float, float, int]]] = [[] for _ in range(max(2, round(seconds / warm)))]
    for sample in seen.samples:
        parts[min(int(sample[0] / warm), len(parts) - 1)].append(sample)
    pings = sorted(seen.pings)
    return {
        "clients": number,
        "seconds": seconds,
        "seed": seed,
        "statements": seen.answered.total(),
        "tables": len(seen.answered),
        "fewest": min(seen.answered.values(), default=0),
        "errors": dict(seen.errors),
        # By minute: the median and the maximum.
        "memory_mb": [(statistics.median(s[1] for s in part), max(s[1] for s in part)) for part in parts],
        "files": [(statistics.median(s[2] for s in part), max(s[2] for s in part)) for part in parts],
        "pings": len(pings),
        "ping_p50_ms": pings[len(pings) // 2],
        "ping_p99_ms": pings[int(len(pings) * 0.99)],
        "ping_max_ms": pings[-1],
    }


def client(socket: str, scenes: list[Scene], stop: threading.Event, seen: Watch, seed: int) -> None:
    """Query the tables until `stop` is set, each of them once before any a second time."""
    order = random.Random(seed)
    with ManagerConnection(socket, timeout=300) as manager:
        while not stop.is_set():
            for scene in order.sample(scenes, len(scenes)):
                if stop.is_set():
                    return
                condition = scene.lookup if scene.lookup and order.random() < 0.8 else scene.scan
                answer = manager.query(statement(scene, condition))
                if answer.status.code:
                    seen.errors[f"{scene.table}: {answer.status.message}"] += 1
                seen.answered[scene.table] += 1


def pinger(socket: str, stop: threading.Event, seen: Watch) -> None:
    """Ping the extension as osqueryd's watcher does, but twenty times a second."""
    with ExtensionConnection(socket, timeout=30) as extension:
        while not stop.wait(0.05):
            began = time.perf_counter()
            if extension.ping().code:
                seen.errors["ping"] += 1
            seen.pings.append((time.perf_counter() - began) * 1e3)


def show_tables(lines: Iterator[dict[str, Any]], compared: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Print the lines as they come, each with the rows that tests compared with an oracle; then the worst."""
    shown = []
    print(
        f"{'table':<27}{'rows':>8}{'first ms':>10}{'scan ms':>10}{'look-up ms':>12}{'rows':>6}"
        f"{'memory MB':>11}{'compared':>10}{'differ':>8}  oracles"
    )
    for line in lines:
        comparison = compared.get(line["table"], {"rows": 0, "differences": 0, "oracles": []})
        lookup = "" if line["lookup_ms"] is None else f"{line['lookup_ms']:.1f}"
        lookup_rows = "" if line["lookup_rows"] is None else f"{line['lookup_rows']:,}"
        print(
            f"{line['table']:<27}{line['rows']:>8,}{line['first_ms']:>10.1f}{line['scan_ms']:>10.1f}"
            f"{lookup:>12}{lookup_rows:>6}{line['memory_mb']:>11.1f}"
            f"{comparison['rows']:>10,}{comparison['differences']:>8}  {', '.join(comparison['oracles'])}",
            flush=True,
        )
        shown.append(line)
        yield line | {"compared": comparison}
    for title, key, unit in (("slowest", "first_ms", "ms"), ("largest", "memory_mb", "MB")):
        worst = sorted(shown, key=lambda line: line[key], reverse=True)[:10]
        print(f"{title}:", ", ".join(f"{line['table']} {line[key]:.1f} {unit}" for line in worst))


def show_ratios(lines: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for line in lines:
        value = next(f"{line[unit] * factor:>10.1f} {name}" for unit, factor, name in UNITS if unit in line)
        target = line["target"]
        missed = target is not None and line["ratio"] > target
        verdict = "" if target is None else f"  (at most {target:g}: {'MISSED' if missed else 'met'})"
        print(f"  {line['what']:<40}{value}{line['ratio']:>8.2f}{verdict}", flush=True)
        yield line


UNITS = (("ms", 1, "ms"), ("seconds", 1e3, "ms"), ("mb", 1, "MB"))


def show_clients(result: dict[str, Any]) -> None:
    memory = ", ".join(f"{middle:.1f} ({most:.1f})" for middle, most in result["memory_mb"])
    files = ", ".join(f"{middle:.0f} ({most})" for middle, most in result["files"])
    print(
        f"  {result['clients']} clients, {result['seconds']:g} s, {result['statements']:,} statements over"
        f" {result['tables']} tables, each at least {result['fewest']} times (seed {result['seed']})\n"
        f"  errors: {result['errors'] or 'none'}\n"
        f"  memory by minute, median (most): {memory} MB\n"
        f"  open files by minute, median (most): {files}\n"
        f"  {result['pings']:,} pings: median {result['ping_p50_ms']:.2f} ms, p99 {result['ping_p99_ms']:.1f}"
        f" (at most 100: {'MISSED' if result['ping_p99_ms'] > 100 else 'met'}),"
        f" longest {result['ping_max_ms']:.1f}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Example: bench_bundle.py tables --comparisons comparisons.json",
    )
    parser.add_argument(
        "what", nargs="*", choices=[*KINDS, []], metavar="WHAT", help=f"measurements: {', '.join(KINDS)}"
    )
    parser.add_argument("--rounds", type=int, default=7, help="runs of each statement (7)")
    parser.add_argument(
        "--seconds", type=float, default=300, help="seconds for which the clients send statements (300)"
    )
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--processes", type=int, default=300, help="processes that sleep meanwhile (300)")
    parser.add_argument("--values", type=int, default=10_000, help="values in each document (10,000)")
    parser.add_argument("--megabytes", type=int, default=50, help="size of the file for jq (50)")
    parser.add_argument(
        "--table",
        action="append",
        default=[],
        metavar="NAME",
        help="measure only this table; may be repeated",
    )
    parser.add_argument(
        "--comparisons", metavar="FILE", help="file that `pytest tests/tables --comparisons FILE` wrote"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the clients' random orders (0)")
    parser.add_argument(
        "--engine", action="store_true", help="use the embedded engine even if osqueryd is there"
    )
    parser.add_argument("--json", metavar="FILE", help="write the results to this file as well")
    options = parser.parse_args()
    compared = json.loads(Path(options.comparisons).read_text()) if options.comparisons else {}
    what = options.what or KINDS
    results: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        name, socket = stack.enter_context(host(options.engine))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bundle")))
        folder.chmod(0o755)
        scenes = stage(folder, stack, processes=options.processes, values=options.values)
        with serve(socket) as served:
            served_now = {row["name"] for row in ask(served.manager, "select name from kolide_ext_tables")}
            left_out = not_here(served.manager, scenes.scenes)
        if served_now != {scene.table for scene in scenes.scenes}:
            raise SystemExit(
                "bench: the tables of scenes.py are not those of the bundle: add or remove scenes"
            )
        print(f"through {name}; medians")
        for table, why in left_out.items():
            print(f"left out {table}: {why}")
        results["left_out"] = left_out
        scenes = scenes._replace(scenes=[scene for scene in scenes.scenes if scene.table not in left_out])
        results["host"] = name
        if "tables" in what:
            lines = tables(socket, scenes, options.rounds, options.table)
            results["tables"] = list(show_tables(lines, compared))
        if "join" in what and not name.startswith("osqueryd"):
            print("no join: there is no osqueryd on PATH, and nothing else has its tables")
        elif "join" in what:
            print("join of so many processes, beside osquery's own")
            results["join"] = list(show_ratios(join(socket, options.rounds)))
        if "jq" in what:
            print("kolide_json beside jq")
            results["jq"] = list(show_ratios(jq(socket, folder, options.rounds, options.megabytes)))
        if "clients" in what:
            print("all tables at once")
            results["clients"] = clients(socket, scenes, options.seconds, options.clients, options.seed)
            show_clients(results["clients"])
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
