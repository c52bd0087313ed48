"""What git says of a folder of sources; no error if it says nothing, for a program need not be in a checkout."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["facts_of_checkout", "git_identity"]

_TIMEOUT = 30


def facts_of_checkout(folder: Path) -> dict[str, str]:
    """commit, branch, and the commit's date and user; empty where git tracks no file of the folder.

    A checkout may hold folders that are not its own, such as an environment's packages. A commit whose files have been
    changed since ends in `-dirty`.
    """
    if not _git(folder, "ls-files", "."):
        return {}
    # The name, which may be empty, is not last: what git says is stripped.
    head = _git(folder, "log", "-1", "--no-show-signature", "--format=%H%n%cn%n%cI").split("\n")
    if len(head) != 3:
        return {}
    commit, user, date = head
    changed = "-dirty" if _git(folder, "status", "--porcelain", "--untracked-files=no") else ""
    facts = {
        "commit": commit + changed,
        "branch": _git(folder, "rev-parse", "--abbrev-ref", "HEAD"),
        "date": date,
        "user": user,
    }
    return {key: value for key, value in facts.items() if value}


def git_identity(folder: Path) -> str:
    """Who commits there, as `Name <mail address>`; empty if git has not been told."""
    name, mail = _git(folder, "config", "user.name"), _git(folder, "config", "user.email")
    return f"{name} <{mail}>" if name and mail else ""


def _git(folder: Path, *arguments: str) -> str:
    import shutil
    import subprocess

    from .leftovers import run_process

    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "-C", str(folder), *arguments]
    try:
        done = run_process(command, timeout=_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""
