"""Reads from git the facts about a folder of sources.

A folder outside of a checkout has no facts; that is not an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TIMEOUT = 30


def facts_of_checkout(folder: Path) -> dict[str, str]:
    """Return the commit, its branch, date and user; empty where git tracks no file of the folder.

    A checkout may hold folders that git does not track, such as an environment's packages. `-dirty` follows
    the commit if a tracked file has been changed since.
    """
    if not _git(folder, "ls-files", "."):
        return {}
    # The name may be empty. It is not the last line: the output is stripped at its ends.
    head = _git(folder, "log", "-1", "--no-show-signature", "--format=%H%n%cn%n%cI").split("\n")
    if len(head) != 3:
        return {}
    commit, user, date = head
    changed = "-dirty" if _git(folder, "status", "--porcelain", "--untracked-files=no") else ""
    branch = _git(folder, "rev-parse", "--abbrev-ref", "HEAD")
    facts = {"commit": commit + changed, "branch": branch, "date": date, "user": user}
    return {key: value for key, value in facts.items() if value}


def git_identity(folder: Path) -> str:
    """Return the person who commits there, as `Name <mail address>`; empty if git does not know it."""
    name, mail = _git(folder, "config", "user.name"), _git(folder, "config", "user.email")
    return f"{name} <{mail}>" if name and mail else ""


def _git(folder: Path, *arguments: str) -> str:
    import shutil
    import subprocess

    from .processes import run_process

    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "-C", str(folder), *arguments]
    try:
        completed = run_process(command, timeout=_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return completed.stdout.decode("utf-8", "replace").strip() if completed.returncode == 0 else ""
