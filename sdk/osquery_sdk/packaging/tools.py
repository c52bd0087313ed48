"""The programs that packages are made with: found, and run so that what goes wrong is one line."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from osquery_sdk.leftovers import run_process

from ..errors import PackagingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_TIMEOUT = 600


def find_tool(name: str, form: str, debian: str) -> str:
    """The path of a program.

    Args:
        name: of the program.
        form: of package that needs it.
        debian: the packages of Debian that have it.

    Raises:
        PackagingError: it is not installed.
    """
    found = shutil.which(name)
    if found is None:
        raise PackagingError(f"{form}: {name} is not installed; Debian and Ubuntu: apt-get install {debian}")
    return found


def run_tool(
    name: str,
    task: str,
    command: Sequence[str],
    *,
    makes: Path | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """Run a program and return its standard output.

    Args:
        name: of the program, for an error.
        task: what it has to do, as in "write the deb".
        command: its path and arguments.
        makes: a file that is there afterwards.
        folder: that it runs in.
        environment: variables beside, or instead of, those of this process.

    Raises:
        PackagingError: it did not; the text has the last line that it said.
    """
    try:
        done = run_process(command, cwd=folder, env={**os.environ, **(environment or {})}, timeout=_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PackagingError(f"{name} did not {task}: {error}") from error
    if done.returncode != 0 or (makes is not None and not makes.is_file()):
        said = (done.stdout + b"\n" + done.stderr).decode(errors="replace").strip().splitlines()
        why = said[-1] if said else f"it said nothing; exit code {done.returncode}"
        raise PackagingError(f"{name} did not {task}: {why}")
    return done.stdout
