"""Runs other programs, with limits of time and output, and without a frozen program's library paths."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from .errors import Cancelled, DeadlineExceeded, LimitExceeded, ProgramFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from subprocess import Popen
    from typing import BinaryIO, Self

_CHUNK = 1 << 16
# Seconds after which a cancelled statement is noticed.
_LOOK = 0.1
# A process that a program leaves running may hold its pipes open for ever.
_AFTER_EXIT = 0.5
# PyInstaller's bootloader puts the bundle's folder in front, and keeps the former value under NAME_ORIG.
_LIBRARY_PATHS = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LIBPATH")
_ORIGINAL = "_ORIG"
_BOOTLOADER = ("_PYI_", "_MEIPASS")


class ProgramOutput(NamedTuple):
    """The output of a program, and its exit code."""

    stdout: bytes
    stderr: bytes
    code: int
    """Exit code; minus the number of the signal that ended the program."""

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are not UTF-8 are kept as `os.fsdecode` keeps them."""
        return self.stdout.decode("utf-8", "surrogateescape")


def run_program(
    path: str | os.PathLike[str],
    *arguments: str | os.PathLike[str],
    timeout: float = 10.0,
    is_cancelled: Callable[[], bool] | None = None,
    codes: Collection[int] | None = (0,),
    max_bytes: int = 16 << 20,
    input: bytes = b"",  # noqa: A002  as subprocess calls it
    environment: Mapping[str, str] | None = None,
    take: Callable[[bytes], object] | None = None,
) -> ProgramOutput:
    """Run a program to its end and return its output.

    No shell is used. The program runs in `/`, with LC_ALL=C, and in a process group of its own, which is
    killed when the time is over. In a frozen extension it gets the library path with which the extension was
    started.

    Args:
        path: an absolute path, so that PATH, which somebody else may have set, does not matter.
        arguments: the program's arguments.
        timeout: seconds after which the program is killed.
        is_cancelled: a function that returns True when nobody waits for the output any more; then the
            program is killed.
        codes: the exit codes that mean success; None for any code.
        max_bytes: the most bytes that it may write to standard output, and to standard error.
        input: bytes for its standard input.
        environment: variables that are added to, or replace, the inherited ones.
        take: a function that gets standard output piece by piece, in another thread; then none is returned.

    Raises:
        ProgramFailed: the program cannot be started, or ended with another code; the text has the first line
            of its standard error.
        DeadlineExceeded: the time was over.
        LimitExceeded: the program wrote more than `max_bytes`.
        Cancelled: nobody waits for the output any more.
        ValueError: the path is not absolute.
    """
    import subprocess
    import time

    from .processes import start_process

    program = os.fspath(path)
    if not os.path.isabs(program):  # noqa: PTH117  pathlib is not loaded for this
        raise ValueError(f"run_program takes an absolute path, not {program!r}")
    if timeout <= 0:
        raise DeadlineExceeded(f"no time is left to run {program}")
    end = time.monotonic() + timeout
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
        raise ProgramFailed(f"cannot run {program}: {error.strerror or error}") from error
    with _Output(process, input, max_bytes, take) as output:
        while not output.wait(min(_LOOK, end - time.monotonic())):
            if time.monotonic() >= end:
                raise DeadlineExceeded(f"{program} took longer than {timeout:.3g} s")
            if is_cancelled is not None and is_cancelled():
                raise Cancelled(f"cancelled while {program} ran")
        if output.over:
            raise LimitExceeded(f"{program} wrote more than {max_bytes:,} bytes")
    result = output.result()
    if codes is not None and result.code not in codes:
        raise ProgramFailed(f"{program} {_describe_ending(result)}")
    return result


def program_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those by which a frozen program finds its own libraries.

    Another program would load the bundle's libraries with them instead of the system's.
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
    """Reads the output of a running program; as a context manager it kills the program's group at the end."""

    def __init__(
        self, process: Popen[bytes], data: bytes, limit: int, take: Callable[[bytes], object] | None
    ) -> None:
        from threading import Thread

        self._process = process
        self._limit = limit
        self._parts: tuple[list[bytes], list[bytes]] = ([], [])
        self.over = False
        assert process.stdout is not None
        assert process.stderr is not None
        out, err = self._parts
        streams = ((process.stdout, take or out.append), (process.stderr, err.append))
        self._readers = [Thread(target=self._read, args=pair, daemon=True) for pair in streams]
        self._threads = list(self._readers)
        if process.stdin is not None:
            self._threads.append(Thread(target=_feed, args=(process.stdin, data), daemon=True))
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        from .processes import kill_group

        # Killed before it is reaped: afterwards another process may have its number.
        if self._process.returncode is None:
            kill_group(self._process)
        self._process.wait()
        # A process that has left the group may hold a pipe: then the thread reads on, and closes it later.
        for thread in self._threads:
            thread.join(_AFTER_EXIT)

    def _read(self, stream: BinaryIO, take: Callable[[bytes], object]) -> None:
        total = 0
        with stream:
            while chunk := os.read(stream.fileno(), _CHUNK):
                total += len(chunk)
                if total > self._limit:
                    self.over = True
                    return
                take(chunk)

    def wait(self, seconds: float) -> bool:
        """Wait for some seconds; return True if the program has ended or written too much.

        After its end all of its output has been read.
        """
        import time

        from .signals import has_ended

        end = time.monotonic() + seconds
        # The end of a program closes its pipes, and with them ends the readers.
        for reader in self._readers:
            reader.join(max(end - time.monotonic(), 0))
        # A program may close its pipes and go on.
        while not (ended := has_ended(self._process)) and not self.over and time.monotonic() < end:
            time.sleep(0.001)
        if ended:
            for reader in self._readers:
                reader.join(_AFTER_EXIT)
        return ended or self.over

    def result(self) -> ProgramOutput:
        """Return the output and the exit code, which is known once the context has been left."""
        out, err = (b"".join(parts) for parts in self._parts)
        return ProgramOutput(out, err, self._process.returncode)


def _feed(stream: BinaryIO, data: bytes) -> None:
    try:
        with stream:
            stream.write(data)
    except OSError:
        pass  # the program need not read all of its input


def _describe_ending(result: ProgramOutput) -> str:
    import signal

    if result.code < 0:
        how = f"was ended by {signal.Signals(-result.code).name}"
    else:
        how = f"ended with {result.code}"
    lines = map(str.strip, result.stderr.decode(errors="replace").splitlines())
    message = next(filter(None, lines), "")
    return f"{how}: {message}" if message else how
