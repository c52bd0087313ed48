"""Find and run the programs that write packages, and turn their failures into one-line errors."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from kolide_kit.processes import run_process

from ..errors import PackagingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_TIMEOUT = 600


def find_tool(name: str, form: str, debian: str) -> str:
    """Return the path of a program.

    Args:
        name: of the program.
        form: the form of package that needs it.
        debian: Debian's packages that have it.

    Raises:
        PackagingError: it is not installed.
    """
    path = shutil.which(name)
    if path is None:
        raise PackagingError(f"{form}: {name} is not installed; Debian and Ubuntu: apt-get install {debian}")
    return path


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
        task: its task, as in "write the deb", for an error.
        command: its path and arguments.
        makes: a file that has to exist afterwards.
        folder: its working folder.
        environment: variables to add to those of this process, or to replace some of them.

    Raises:
        PackagingError: it failed; the text has the last line of its output.
    """
    try:
        done = run_process(command, cwd=folder, env={**os.environ, **(environment or {})}, timeout=_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PackagingError(f"{name} did not {task}: {error}") from error
    if done.returncode != 0 or (makes is not None and not makes.is_file()):
        lines = (done.stdout + b"\n" + done.stderr).decode(errors="replace").strip().splitlines()
        why = lines[-1] if lines else f"it said nothing; exit code {done.returncode}"
        raise PackagingError(f"{name} did not {task}: {why}")
    return done.stdout
