"""Run a frozen program: it has to start, register, answer, stop on SIGTERM and leave no files."""

from __future__ import annotations

import os
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from kolide_kit.processes import TemporaryFolder, kill_group, run_process, start_process, wait_for_end

from ..engine import Host
from ..engine.folder import short_folder
from ..errors import FreezeError, SqlError
from ..sql.tokens import tables_of
from .lacks import lacking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import IO, Self

_STARTS = 5
_REGISTERS_WITHIN = 30.0
_STATEMENT_TIMEOUT = 70.0
_ENDS_WITHIN = 10.0
# An error that no code raised on purpose is reported with its type. In a bundle its likeliest cause is a
# missing module.
_UNMEANT = re.compile(r"\b[A-Z]\w*(?:Error|Exception): ")


class Smoke(NamedTuple):
    """The results of running the program."""

    start: float
    """Seconds from its start to its registration, the median of some."""
    idle: int | None
    """Bytes of memory (RSS) before the first statement; None if the system does not tell."""
    queried: int | None
    """Bytes of memory after a statement over every table; None if the system does not tell."""
    tables: Mapping[str, str]
    """The result of reading each table: "12 rows", or the error that it raised on purpose."""


def smoke(
    program: Path,
    tables: Sequence[Mapping[str, Any]],
    *,
    folders: Sequence[Path],
    tmpdir: str | None,
    say: Callable[[str], None],
) -> Smoke:
    """Run the program on the embedded engine.

    Args:
        program: its file.
        tables: its tables, see `probe.py`.
        folders: the folders that its sources import from.
        tmpdir: the folder to which it unpacks itself; None for the temporary folder.
        say: is told of each step.

    Raises:
        FreezeError: the program fails at one of the steps; the text says what it did instead.
    """
    with (
        TemporaryFolder("osq-", short_folder()) as folder,
        Host() as host,
        _Run(program, host, Path(folder), folders) as run,
    ):
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
            answers[table["name"]] = run.ask(table)
        queried = run.memory()
        run.stop()
        say("query")
        run.query()
        left = sorted({path.name for path in Path(folder).iterdir()} | _unpacked(tmpdir) - before)
        if left:
            raise FreezeError(f"{program.name} left behind in the temporary folder: {', '.join(left)}")
    return Smoke(statistics.median(starts), idle, queried, answers)


def _unpacked(tmpdir: str | None) -> set[str]:
    """Return the names of the folders to which one-file programs have unpacked themselves."""
    return set() if tmpdir is None else {path.name for path in Path(tmpdir).glob("_MEI*")}


class _Run:
    """The program as a process."""

    def __init__(self, program: Path, host: Host, folder: Path, sources: Sequence[Path]) -> None:
        self._program = program
        self._host = host
        self._folder = folder
        self._sources = sources
        self._lines: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        # The program gets none of this process's variables, as osqueryd passes on very few.
        self._environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(folder)}
        if os.name == "nt":
            self._environment = {**os.environ, "TEMP": str(folder), "TMP": str(folder)}

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(self, *error: object) -> None:
        """End it, if it has not ended as it should."""
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            wait_for_end(process, _ENDS_WITHIN)
            kill_group(process)
            process.wait()

    def start(self) -> float:
        """Start the program, and return the seconds until it was registered."""
        command = [str(self._program), "--socket", self._host.socket, "--timeout", str(_REGISTERS_WITHIN)]
        began = time.monotonic()
        try:
            streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
            process = start_process(command, env=self._environment, cwd=self._folder.anchor, **streams)
            self._process = process
        except OSError as error:
            raise FreezeError(f"{self._program} does not start: {error.strerror or error}") from error
        self._reader = Thread(target=self._read, args=(process.stderr,), daemon=True)
        self._reader.start()
        while not self._host.manager.extensions():
            if process.poll() is not None:
                raise FreezeError(
                    f"{self._program.name} ended with {process.returncode} and did not register: "
                    f"{self._explanation()}"
                )
            if time.monotonic() - began > _REGISTERS_WITHIN:
                process.kill()
                raise FreezeError(f"{self._program.name} did not register within {_REGISTERS_WITHIN:g} s")
            time.sleep(0.0005)
        seconds = time.monotonic() - began
        self._host.wait_for_extensions(1)
        return seconds

    def stop(self) -> None:
        """Stop the program as osqueryd does; it has to deregister and end with exit code 0."""
        process = self._process
        assert process is not None
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
                f"{self._program.name} ended with {process.returncode} on SIGTERM: {self._explanation()}"
            )
        self._reader.join(_ENDS_WITHIN)
        if os.name != "nt" and self._host.manager.extensions():
            raise FreezeError(f"{self._program.name} ended on SIGTERM and did not deregister")

    def query(self) -> None:
        """Check that the program's command `query` works, which runs SQL on the engine in the bundle."""
        command = [str(self._program), "query", "--json", "select 6 * 7 as answer"]
        done = run_process(command, env=self._environment, timeout=_REGISTERS_WITHIN)
        if done.returncode != 0 or b'"42"' not in done.stdout:
            output = (done.stderr.strip() or done.stdout).decode(errors="replace")
            raise FreezeError(f"{self._program.name} query ended with {done.returncode}: {output}")

    def memory(self) -> int | None:
        """Return the serving process's resident memory in bytes; None if the system does not tell."""
        assert self._process is not None
        if sys.platform != "linux":
            return None
        serving = self._process.pid
        while child := next(_children(serving), 0):  # a one-file program serves in a child process
            serving = child
        for line in Path(f"/proc/{serving}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return None

    def ask(self, table: Mapping[str, Any]) -> str:
        """Read a table, and return the result for `Smoke.tables`."""
        name = table["name"]
        rows = 0
        refused = ""
        for sql in statements(table):
            try:
                rows = max(rows, len(self._host.query(sql, timeout=_STATEMENT_TIMEOUT).rows))
            except SqlError as error:
                refused = str(error)
            # Standard error may show an error that the table caught, or one of a process that the extension
            # started.
            if missing := lacking("\n".join([refused, *self._lines]), self._sources):
                raise FreezeError(f"the table {name} fails in the bundle: {missing}")
            if _UNMEANT.search(refused):
                raise FreezeError(f"the table {name} fails in the bundle: {refused}")
        assert self._process is not None
        if (status := self._process.poll()) is not None:
            when = f"after a statement over {name}"
            raise FreezeError(f"{self._program.name} ended with {status} {when}: {self._explanation()}")
        return refused or f"{rows} row" + ("" if rows == 1 else "s")

    def _read(self, stream: IO[bytes]) -> None:
        """Collect the program's standard error; a full pipe would stop the program."""
        with stream:
            for line in stream:
                self._lines.append(line.decode(errors="replace").strip())

    def _explanation(self) -> str:
        """Return the thing that the bundle lacks, or the program's last line before the bootloader's."""
        # The program's children may keep standard error open after it has ended, so this waits for a limited
        # time.
        self._reader.join(_ENDS_WITHIN)
        lines = [line for line in self._lines if line]
        own = [line for line in lines if not line.startswith("[PYI-")]
        return lacking("\n".join(lines), self._sources) or (own or lines or ["it said nothing"])[-1]


def _children(pid: int) -> Iterator[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return
    yield from (int(child) for child in text.split())


def statements(table: Mapping[str, Any]) -> list[str]:
    """Return a statement that reads the whole table, and the table's examples that need no other table.

    Required columns are compared with the empty string.
    """
    name = table["name"]
    where = " and ".join(f"\"{column}\" = ''" for column in table["required"])
    sql = f'select * from "{name}"' + (f" where {where}" if where else "")  # noqa: S608  its own name
    return [sql, *(example for example in table["examples"] if set(tables_of(example).values()) == {name})]
