"""Which build of a program this is: the file that the command `version --full` reads."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .errors import FreezeError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

UNKNOWN = "unknown"


def make_stamp(version: str, home: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The facts of a build: version, commit, branch, date, user and Python version; "unknown" where there is none.

    Args:
        version: of the extension.
        home: a folder of the extension's sources.
        environment: SOURCE_DATE_EPOCH is taken for the date, where it is set.
    """
    commit, branch = _git(home)
    return {
        "version": version,
        "commit": commit,
        "branch": branch,
        "date": build_date(environment).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "user": _user(),
        "python": platform.python_version(),
    }


def build_date(environment: Mapping[str, str]) -> datetime:
    """The date of the build, as reproducible-builds.org has it told.

    Raises:
        FreezeError: SOURCE_DATE_EPOCH is no number of seconds.
    """
    given = environment.get("SOURCE_DATE_EPOCH")
    if not given:
        return datetime.now(UTC)
    try:
        return datetime.fromtimestamp(int(given), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise FreezeError(f"SOURCE_DATE_EPOCH={given}: has to be a number of seconds since 1970") from error


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in a container
        return str(os.getuid()) if hasattr(os, "getuid") else UNKNOWN


def _git(folder: Path) -> tuple[str, str]:
    """Commit and branch, where git tracks files of the folder."""
    if not _ask_git(folder, "ls-files", "."):
        return UNKNOWN, UNKNOWN
    commit = _ask_git(folder, "rev-parse", "HEAD")
    if not commit:
        return UNKNOWN, UNKNOWN
    changed = "-dirty" if _ask_git(folder, "status", "--porcelain", "--untracked-files=no") else ""
    return commit + changed, _ask_git(folder, "rev-parse", "--abbrev-ref", "HEAD") or UNKNOWN


def _ask_git(folder: Path, *arguments: str) -> str:
    import shutil

    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
