"""Run commands of `osquery-sdk` in forks of one process: it has imported them, so a start takes milliseconds.

Each command is a process of its own, with its own user and files. What a start reads, such as the environment
and the encoding of the streams, is that of the first process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self


class Done(NamedTuple):
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


class Forks:
    """A process that forks for each command."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env=environment,
            text=True,
        )

    def run(self, *arguments: str, user: int = 0) -> Done:
        """Run `osquery-sdk` with these arguments as a user, in the root folder, with empty standard input."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([arguments, user]), file=self._process.stdin, flush=True)
        return Done(*json.loads(self._process.stdout.readline()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=30)


def _serve() -> None:
    import io
    import tempfile
    from contextlib import redirect_stderr, redirect_stdout

    from osquery_sdk.cli.main import main

    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        main(["doctor", "--no-start", "/dev/null"])  # imports what the children need
    for line in sys.stdin:
        arguments, user = json.loads(line)
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            child = os.fork()
            if child == 0:
                nothing = os.open(os.devnull, os.O_RDONLY)
                for descriptor, file in enumerate((nothing, output.fileno(), errors.fileno())):
                    os.dup2(file, descriptor)
                if user:
                    os.setgroups([])
                    os.setresgid(user, user, user)
                    os.setresuid(user, user, user)
                raise SystemExit(main(arguments))
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            texts = [
                os.pread(file.fileno(), 1 << 24, 0).decode(errors="surrogateescape")
                for file in (output, errors)
            ]
        print(json.dumps([status, *texts]), file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    _serve()
