"""Running what was built: it has to start, register, answer for every table, stop on SIGTERM and leave nothing behind."""

from __future__ import annotations

import os
import re
import signal
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from osquery_sdk.engine import Host
from osquery_sdk.engine.database import SqlError
from osquery_sdk.engine.folder import short_folder
from osquery_sdk.leftovers import TemporaryFolder, kill_group, run_process, start_process
from osquery_sdk.sqltext import tables_of

from .errors import FreezeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_STARTS = 5
_REGISTERS_WITHIN = 30.0
_STATEMENT_TIMEOUT = 70.0
_ENDS_WITHIN = 10.0
# An error that nobody raised on purpose comes with its type; of these, one that a module is missing is the likeliest.
_UNMEANT = re.compile(r"\b[A-Z]\w*(?:Error|Exception): ")


class Smoke(NamedTuple):
    """What was seen."""

    start: float
    """Seconds from its start to its registration, the median of some."""
    idle: int | None
    """Bytes of memory (RSS) before the first statement; None where the system does not tell."""
    queried: int | None
    """The same after a statement over every table."""
    tables: Mapping[str, str]
    """What became of each table: "12 rows", or the error that it gave on purpose."""


def smoke(
    program: Path, tables: Sequence[Mapping[str, Any]], *, tmpdir: str | None, say: Callable[[str], None]
) -> Smoke:
    """Run the program on the embedded engine.

    Args:
        program: its file.
        tables: those that it has, see `probe.py`.
        tmpdir: where it unpacks itself, if that is not the temporary folder.
        say: gets what is being done.

    Raises:
        FreezeError: it does not do what it has to; the text says what it did instead.
    """
    with TemporaryFolder("osq-", short_folder()) as folder, Host() as host, ExitStack() as stack:
        run = _Run(program, host, Path(folder))
        stack.callback(run.end)
        before = _unpacked(tmpdir)
        starts = []
        for number in range(_STARTS):
            say(f"start {number + 1} of {_STARTS}")
            starts.append(run.start())
            if number < _STARTS - 1:
                run.stop()
        idle = run.memory()
        answers = {}
        for table in tables:
            say(table["name"])
            answers[table["name"]] = _ask(host, table)
            run.require_alive(f"after a statement over {table['name']}")
        queried = run.memory()
        run.stop()
        say("query")
        run.query()
        left = sorted({path.name for path in Path(folder).iterdir()} | _unpacked(tmpdir) - before)
        if left:
            raise FreezeError(f"{program.name} left behind in the temporary folder: {', '.join(left)}")
    return Smoke(statistics.median(starts), idle, queried, answers)


def _unpacked(tmpdir: str | None) -> set[str]:
    """What programs have unpacked in a folder."""
    return set() if tmpdir is None else {path.name for path in Path(tmpdir).glob("_MEI*")}


class _Run:
    """The program as a process."""

    def __init__(self, program: Path, host: Host, folder: Path) -> None:
        self._program = program
        self._host = host
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        # Nothing of the environment that it was built in: osqueryd starts it with next to nothing.
        self._environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(folder)}
        if os.name == "nt":
            self._environment = {**os.environ, "TEMP": str(folder), "TMP": str(folder)}

    def start(self) -> float:
        """Start it; returns the seconds until it was registered."""
        command = [str(self._program), "--socket", self._host.socket, "--timeout", str(_REGISTERS_WITHIN)]
        began = time.monotonic()
        try:
            self._process = process = start_process(
                command,
                env=self._environment,
                cwd=self._folder.anchor,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise FreezeError(f"{self._program} does not start: {error.strerror or error}") from error
        while not self._host.manager.extensions():
            if process.poll() is not None:
                raise FreezeError(
                    f"{self._program.name} ended with {process.returncode} and did not register: {self._said()}"
                )
            if time.monotonic() - began > _REGISTERS_WITHIN:
                process.kill()
                raise FreezeError(f"{self._program.name} did not register within {_REGISTERS_WITHIN:g} s")
            time.sleep(0.0005)
        took = time.monotonic() - began
        self._host.wait_for_extensions(1)
        return took

    def require_alive(self, when: str) -> None:
        assert self._process is not None
        if self._process.poll() is not None:
            raise FreezeError(
                f"{self._program.name} ended with {self._process.returncode} {when}: {self._said()}"
            )

    def stop(self) -> None:
        """Stop it as osqueryd does, and see that it goes as it should."""
        process = self._process
        assert process is not None
        assert process.stderr is not None
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            raise FreezeError(
                f"{self._program.name} was still there {_ENDS_WITHIN:g} s after SIGTERM"
            ) from None
        if process.returncode != 0 and os.name != "nt":  # there SIGTERM ends it at once
            raise FreezeError(
                f"{self._program.name} ended with {process.returncode} on SIGTERM: {self._said()}"
            )
        process.stderr.close()
        if os.name != "nt" and self._host.manager.extensions():
            raise FreezeError(f"{self._program.name} ended on SIGTERM and did not deregister")

    def end(self) -> None:
        """Kill what is left of it, as after a failure."""
        process = self._process
        if process is not None and process.poll() is None:
            kill_group(process)
            process.wait()

    def query(self) -> None:
        """Have it run SQL on the engine that it brings."""
        command = [str(self._program), "query", "--json", "select 6 * 7 as answer"]
        done = run_process(command, env=self._environment, timeout=_REGISTERS_WITHIN)
        if done.returncode != 0 or b'"42"' not in done.stdout:
            said = (done.stderr.strip() or done.stdout).decode(errors="replace")
            raise FreezeError(f"{self._program.name} query ended with {done.returncode}: {said}")

    def memory(self) -> int | None:
        """Bytes of memory that the process which serves has, without what it shares with nobody yet to be loaded."""
        assert self._process is not None
        if sys.platform != "linux":
            return None
        serving = self._process.pid
        while child := next(_children(serving), 0):  # the one-file form's
            serving = child
        for line in Path(f"/proc/{serving}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return None

    def _said(self) -> str:
        """The last line that it wrote, once it has ended; the bootloader's own word only if there is no other."""
        assert self._process is not None
        assert self._process.stderr is not None
        text = self._process.stderr.read().decode(errors="replace")
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        own = [line for line in lines if not line.startswith("[PYI-")]
        return (own or lines or ["it said nothing"])[-1]


def _children(pid: int) -> Iterator[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return
    yield from (int(child) for child in text.split())


def statements(table: Mapping[str, Any]) -> list[str]:
    """A statement that reads the whole table, with its required columns empty; and its examples that need no other table."""
    name = table["name"]
    where = " and ".join(f"\"{column}\" = ''" for column in table["required"])
    sql = f'select * from "{name}"' + (f" where {where}" if where else "")  # noqa: S608  its own name
    return [sql, *(example for example in table["examples"] if set(tables_of(example).values()) == {name})]


def _ask(host: Host, table: Mapping[str, Any]) -> str:
    rows = 0
    refused = ""
    for sql in statements(table):
        try:
            rows = max(rows, len(host.query(sql, timeout=_STATEMENT_TIMEOUT).rows))
        except SqlError as error:
            if _UNMEANT.search(str(error)):
                raise FreezeError(f"the table {table['name']} fails in the bundle: {error}") from error
            refused = str(error)
    return refused or f"{rows} row" + ("" if rows == 1 else "s")
