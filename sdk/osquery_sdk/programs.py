"""Running another program from a table: bounded in time and in output, and as if the extension were not frozen."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from .errors import DeadlineExceeded, LimitExceeded, QueryCancelled, TableError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from subprocess import Popen
    from typing import BinaryIO, Self

    from .query import Query

__all__ = ["ProgramOutput", "program_environment", "run_program"]

_CHUNK = 1 << 16
# How soon a cancelled statement is noticed.
_LOOK = 0.1
# What a program leaves running behind it may hold its pipes open for ever.
_AFTER_EXIT = 0.5
# PyInstaller's bootloader puts the bundle's folder in front, and keeps what was there under the second name.
_LIBRARY_PATHS = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LIBPATH")
_ORIGINAL = "_ORIG"
_BOOTLOADER = ("_PYI_", "_MEIPASS")


class ProgramOutput(NamedTuple):
    """What a program wrote, and how it ended."""

    stdout: bytes
    stderr: bytes
    code: int
    """Its exit code; negative for the signal that ended it."""

    @property
    def text(self) -> str:
        """Standard output as text; what is not UTF-8 is kept as `os.fsdecode` does."""
        return self.stdout.decode("utf-8", "surrogateescape")


def run_program(
    path: str | os.PathLike[str],
    *arguments: str | os.PathLike[str],
    timeout: float = 10.0,
    query: Query | None = None,
    codes: Collection[int] | None = (0,),
    max_bytes: int = 16 << 20,
    input: bytes = b"",  # noqa: A002  as subprocess calls it
    environment: Mapping[str, str] | None = None,
) -> ProgramOutput:
    """Run a program to its end and return what it wrote.

    No shell takes part. It runs in `/`, in a process group of its own which is killed when its time is over, with LC_ALL=C
    and, in a frozen extension, with the library path that the extension itself was started with.

    Args:
        path: absolute, so that PATH, which somebody else may have set, decides nothing.
        arguments: what follows its name.
        timeout: seconds that it has; less if `query` has less.
        query: whose deadline and cancellation end the program too.
        codes: exit codes that are no failure; None for all of them.
        max_bytes: as much as it may write, to standard output and to standard error each.
        input: its standard input.
        environment: variables beside, or instead of, those that it inherits.

    Raises:
        TableError: it cannot be started, or ended with another code; the text has the first line of its standard error.
        DeadlineExceeded: its time was over.
        LimitExceeded: it wrote more than `max_bytes`.
        QueryCancelled: the statement was given up.
        ValueError: the path is not absolute.
    """
    import subprocess
    import time

    from .leftovers import start_process

    program = os.fspath(path)
    if not os.path.isabs(program):  # noqa: PTH117  pathlib is not loaded for this
        raise ValueError(f"run_program takes an absolute path, not {program!r}")
    seconds = timeout if query is None else min(timeout, query.remaining())
    if seconds <= 0:
        raise DeadlineExceeded(f"no time is left to run {program}")
    end = time.monotonic() + seconds
    try:
        process = start_process(
            [program, *arguments],
            stdin=subprocess.PIPE if input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/" if os.name == "posix" else None,
            env=program_environment(os.environ) | {"LC_ALL": "C"} | dict(environment or {}),
        )
    except OSError as error:
        raise TableError(f"cannot run {program}: {error.strerror or error}") from error
    with _Output(process, input, max_bytes) as output:
        while not output.wait(min(_LOOK, end - time.monotonic())):
            if time.monotonic() >= end:
                raise DeadlineExceeded(f"{program} took longer than {seconds:.3g} s")
            if query is not None and query.cancelled:
                raise QueryCancelled(f"cancelled while {program} ran")
        if output.over:
            raise LimitExceeded(f"{program} wrote more than {max_bytes:,} bytes")
    result = output.result()
    if codes is not None and result.code not in codes:
        raise TableError(f"{program} {_ending(result)}")
    return result


def program_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables without those by which a frozen program finds its own libraries.

    With them another program would load the bundle's libraries in place of the system's.
    """
    import sys

    if not getattr(sys, "frozen", False):
        return dict(environment)
    kept = {name: value for name, value in environment.items() if not name.startswith(_BOOTLOADER)}
    for name in _LIBRARY_PATHS:
        original = kept.pop(name + _ORIGINAL, None)
        kept.pop(name, None)
        if original is not None:
            kept[name] = original
    return kept


class _Output:
    """Takes what a running program writes; kills all of it on the way out."""

    def __init__(self, process: Popen[bytes], given: bytes, limit: int) -> None:
        from threading import Thread

        self._process = process
        self._limit = limit
        self._parts: tuple[list[bytes], list[bytes]] = ([], [])
        self.over = False
        assert process.stdout is not None
        assert process.stderr is not None
        streams = zip((process.stdout, process.stderr), self._parts, strict=True)
        self._readers = [Thread(target=self._read, args=one, daemon=True) for one in streams]
        self._threads = list(self._readers)
        if process.stdin is not None:
            self._threads.append(Thread(target=_feed, args=(process.stdin, given), daemon=True))
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        from .leftovers import kill_group

        # Before its end is taken note of: until then no other process can get its number.
        if self._process.returncode is None:  # else its number may be another's by now
            kill_group(self._process)
        self._process.wait()
        # Something that has left the group may hold a pipe: its thread then reads on, and closes it in the end.
        for thread in self._threads:
            thread.join(_AFTER_EXIT)

    def _read(self, stream: BinaryIO, parts: list[bytes]) -> None:
        total = 0
        with stream:
            while chunk := os.read(stream.fileno(), _CHUNK):
                total += len(chunk)
                if total > self._limit:
                    self.over = True
                    return
                parts.append(chunk)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended or written too much, after at most so long; what it wrote has been read then."""
        import time

        from .signals import has_ended

        end = time.monotonic() + seconds
        # Its pipes are closed when it ends: as a rule that is what is waited for.
        for reader in self._readers:
            reader.join(max(end - time.monotonic(), 0))
        # It may close them and go on.
        while not (ended := has_ended(self._process)) and not self.over and time.monotonic() < end:
            time.sleep(0.001)
        if ended:
            for reader in self._readers:
                reader.join(_AFTER_EXIT)
        return ended or self.over

    def result(self) -> ProgramOutput:
        """What it wrote; its exit code is known once this object has been left."""
        out, err = (b"".join(parts) for parts in self._parts)
        return ProgramOutput(out, err, self._process.returncode)


def _feed(stream: BinaryIO, given: bytes) -> None:
    try:
        with stream:
            stream.write(given)
    except OSError:
        pass  # it did not read all of it, as it may


def _ending(result: ProgramOutput) -> str:
    import signal

    if result.code < 0:
        how = f"was ended by {signal.Signals(-result.code).name}"
    else:
        how = f"ended with {result.code}"
    lines: Sequence[str] = [line.strip() for line in result.stderr.decode(errors="replace").splitlines()]
    said = next((line for line in lines if line), "")
    return f"{how}: {said}" if said else how
