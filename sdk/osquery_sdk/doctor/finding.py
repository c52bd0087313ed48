"""What a check answers, and the commands that it gives for a cure."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Literal, NamedTuple

from .looking import real

if TYPE_CHECKING:
    from pathlib import Path

State = Literal["ok", "warning", "failed", "skipped"]


class Finding(NamedTuple):
    """What one check found."""

    status: State
    """`failed`: osqueryd does not load the extension like that. `skipped`: it could not be looked at."""
    message: str
    """One line."""
    cure: str = ""
    """A command to paste; empty if there is nothing to cure, or no command for it."""


def ok(message: str) -> Finding:
    """All is well."""
    return Finding("ok", message)


def warning(message: str, cure: str = "") -> Finding:
    """It is loaded, but something may surprise."""
    return Finding("warning", message, cure)


def failure(message: str, cure: str = "") -> Finding:
    """It is not loaded."""
    return Finding("failed", message, cure)


def skipped(reason: str, cure: str = "") -> Finding:
    """It could not be looked at."""
    return Finding("skipped", reason, cure)


def quoted(path: str | os.PathLike[str]) -> str:
    """A path as this system's shell takes it."""
    text = os.fspath(path)
    if sys.platform == "win32":
        return "'" + text.replace("'", "''") + "'"
    if text.isprintable():
        return shlex.quote(text)
    # So that it can be shown on a terminal and pasted: the shell makes it of its octal escapes.
    plain = b"".join(
        byte if byte.isalnum() or byte in b"/._- " else f"\\{ord(byte):03o}".encode()
        for byte in (bytes([number]) for number in os.fsencode(text))
    )
    return f"\"$(printf '{plain.decode()}')\""


def as_root(command: str) -> str:
    """A command for a shell; by way of sudo where this user is not root. On Windows for an elevated PowerShell."""
    if sys.platform == "win32" or os.geteuid() == 0:
        return command
    return f"sudo {command}"


def by_root() -> str:
    """The command that looks again as root; empty for root, and on Windows."""
    if sys.platform == "win32" or os.geteuid() == 0:
        return ""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if getattr(sys, "frozen", False):
        program = [sys.executable]
    elif spec is not None:  # python -m
        program = [sys.executable, "-m", spec.name]
    else:
        program = [sys.executable, sys.argv[0]]
    return shlex.join(["sudo", *program, *sys.argv[1:]])


def in_turn(*commands: str) -> str:
    """Commands of which each is run if the one before has worked."""
    return " && ".join(command for command in commands if command)


def replace_line(number: int, line: str, file: Path) -> str:
    """The command that puts a line in place of another one in a file, of which a copy is kept."""
    if sys.platform == "win32":
        lines = f"$lines = @(Get-Content {quoted(file)}); $lines[{number - 1}] = {quoted(line)}"
        return f"{lines}; $lines | Set-Content {quoted(file)}"
    escaped = "".join(f"\\{c}" if c in "\\&|" else c for c in line)
    return as_root(f"sed -i.bak {quoted(f'{number}s|.*|{escaped}|')} {quoted(real(file))}")


def append(line: str, file: Path) -> str:
    """The command that adds a line to a file, whose last line may lack its end."""
    if sys.platform == "win32":
        return f"Add-Content {quoted(file)} {quoted(line)}"
    return f"printf '\\n%s\\n' {quoted(line)} | {as_root(f'tee -a {quoted(file)}')}"


def without(pattern: str, file: Path) -> str:
    """The command that removes the lines of a file that match a basic regular expression, and keeps a copy."""
    if sys.platform == "win32":
        lines = f"(Get-Content {quoted(file)}) -notmatch {quoted(pattern)}"
        return f"{lines} | Set-Content {quoted(file)}"
    return as_root(f"sed -i.bak {shlex.quote(f'/{pattern}/d')} {quoted(real(file))}")


def restart() -> str:
    """The command that restarts osqueryd as osquery's own packages install it."""
    if sys.platform == "win32":
        return "Restart-Service osqueryd"
    if sys.platform == "darwin":
        return as_root("launchctl kickstart -k system/io.osquery.agent")
    return as_root("systemctl restart osqueryd")
