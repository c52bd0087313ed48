"""Measure a frozen extension's memory, size and start, beside a frozen "hello world" of the same Python.

The hello worlds are frozen for the run, with PyInstaller's defaults. Starts are taken in turn, so that other
load on the machine slows all of them alike. Compare the ratios, not the milliseconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench_tables import forget, host, process
from osquery_sdk.freeze.report import size_of
from osquery_sdk.freeze.smoke import statements
from osquery_sdk.wire.client import ManagerConnection

if TYPE_CHECKING:
    from collections.abc import Sequence

MB = 1_000_000
ROOT = Path(__file__).parents[1]


class Result(NamedTuple):
    """One line of the report."""

    measure: str
    what: str
    value: float
    unit: str
    target: float | None = None

    @property
    def missed(self) -> bool:
        """True if the target was not met."""
        return self.target is not None and self.value > self.target


def hello(folder: Path, *options: str) -> Path:
    """Freeze a program that prints hello; return its path."""
    name = "hello" + "".join(options).replace("-", "_")
    script = folder / "hello.py"
    script.write_text('print("hello world")\n')
    command = [
        sys.executable,
        "-m",
        "PyInstaller",
        "--log-level",
        "ERROR",
        "--strip",
        "--name",
        name,
        *options,
    ]
    places = ["--distpath", f"{folder}/dist", "--workpath", f"{folder}/work", "--specpath", str(folder)]
    subprocess.run([*command, *places, str(script)], check=True, stderr=subprocess.DEVNULL)
    program = folder / "dist" / name
    return program if program.is_file() else program / name


def run_time(command: Sequence[str]) -> float:
    """Return the seconds from a program's start to its end."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def registration_time(command: Sequence[str], socket: str) -> float:
    """Return the seconds from an extension's start to its registration."""
    with ManagerConnection(socket, timeout=60) as manager:
        began = time.perf_counter()
        with process([*command, "--socket", socket, "--timeout", "30"]):
            while not manager.extensions():
                time.sleep(0.0005)
            took = time.perf_counter() - began
        forget(manager)
    return took


def memory(pid: int) -> float:
    """Return the resident megabytes of the process, or of its child for a one-file program."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    if children:
        return memory(int(children[0]))
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024 / MB


def memories(program: Path, socket: str) -> tuple[float, float]:
    """Return the megabytes at rest, and after a statement over every table."""
    listed = subprocess.run([program, "schema"], check=True, capture_output=True, text=True).stdout
    tables = [
        {**table, "required": [column["name"] for column in table["columns"] if column["required"]]}
        for table in json.loads(listed)
    ]
    with (
        ManagerConnection(socket, timeout=120) as manager,
        process([str(program), "--socket", socket, "--timeout", "30"]) as running,
    ):
        while not manager.extensions():
            time.sleep(0.01)
        time.sleep(2)
        idle = memory(running.pid)
        for table in tables:
            for sql in statements(table):
                manager.query(sql)
        after = memory(running.pid)
    with ManagerConnection(socket, timeout=60) as manager:
        forget(manager)
    return idle, after


def measure(options: argparse.Namespace, socket: str, folder: Path) -> list[Result]:
    """Yield every figure."""
    programs = {"one-folder": options.folder, "one-file": options.onefile}
    programs = {form: path for form, path in programs.items() if path.exists()}
    if not programs:
        raise SystemExit("bench: build/kolide_ext is missing; run make build, and make build ARGS=--onefile")
    hellos = {form: hello(folder, *(["--onefile"] if form == "one-file" else [])) for form in programs}
    times: dict[str, list[float]] = {}
    for number in range(-1, options.rounds):
        for form, program in programs.items():
            taken = {
                f"hello world, {form}": run_time([str(hellos[form])]),
                f"kolide_ext, {form}": registration_time([str(program)], socket),
            }
            for name, seconds in taken.items() if number >= 0 else ():
                times.setdefault(name, []).append(seconds)
        for peer in options.peer:
            seconds = registration_time([str(peer)], socket)
            if number >= 0:
                times.setdefault(peer.name, []).append(seconds)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    results = [Result("start", name, seconds * 1000, "ms") for name, seconds in medians.items()]
    for form, target in (("one-folder", 2.2), ("one-file", 1.4)):
        if form in programs:
            ratio = medians[f"kolide_ext, {form}"] / medians[f"hello world, {form}"]
            results.append(Result("start, to hello world", f"kolide_ext, {form}", ratio, "times", target))
    for form, program in programs.items():
        idle, after = memories(program, socket)
        results.append(Result("memory at rest", f"kolide_ext, {form}", idle, "MB", 24))
        results.append(Result("memory, every table asked", f"kolide_ext, {form}", after, "MB", 60))
        whole = program.resolve().parent if form == "one-folder" else program
        size = size_of(whole) / MB
        results.append(Result("size", f"kolide_ext, {form}", size, "MB", 35 if form == "one-folder" else 15))
        hello_size = size_of(hellos[form].parent if form == "one-folder" else hellos[form]) / MB
        results.append(Result("size", f"hello world, {form}", hello_size, "MB"))
    return results


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: bench_frozen.py --peer ./bench_cpp.ext"
    )
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "build/kolide_ext", help="the one-folder program"
    )
    parser.add_argument(
        "--onefile", type=Path, default=ROOT / "build/kolide_ext.ext", help="the one-file program"
    )
    parser.add_argument(
        "--peer", type=Path, action="append", default=[], help="another extension, for its start"
    )
    parser.add_argument("--rounds", type=int, default=20, help="starts of each")
    parser.add_argument(
        "--engine", action="store_true", help="use the embedded engine even if osqueryd is there"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with host(options.engine) as (name, socket), tempfile.TemporaryDirectory(prefix="bench") as folder:
        results = measure(options, socket, Path(folder))
    if options.json:
        print(
            json.dumps(
                {"host": name, "results": [r._asdict() | {"missed": r.missed} for r in results]}, indent=1
            )
        )
        return 0
    print(f"through {name}; medians of {options.rounds}")
    for result in results:
        target = (
            ""
            if result.target is None
            else f"  (at most {result.target:g}: {'MISSED' if result.missed else 'met'})"
        )
        print(f"  {result.measure:<26} {result.what:<26} {result.value:>9.2f} {result.unit}{target}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
