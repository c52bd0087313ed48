"""Compose the shell commands that the doctor offers as cures."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from .looking import real

if TYPE_CHECKING:
    from pathlib import Path


def quoted(path: str | os.PathLike[str]) -> str:
    """Quote a path for this system's shell: sh, or PowerShell on Windows."""
    text = os.fspath(path)
    if sys.platform == "win32":
        return "'" + text.replace("'", "''") + "'"
    if text.isprintable():
        return shlex.quote(text)
    # Control characters are written as octal escapes, so that the command can be shown on a terminal and
    # pasted.
    plain = b"".join(
        byte if byte.isalnum() or byte in b"/._- " else f"\\{ord(byte):03o}".encode()
        for byte in (bytes([number]) for number in os.fsencode(text))
    )
    return f"\"$(printf '{plain.decode()}')\""


def as_root(command: str) -> str:
    """Put sudo before a command unless this user is root; on Windows, leave it for an elevated PowerShell."""
    if sys.platform == "win32" or os.geteuid() == 0:
        return command
    return f"sudo {command}"


def by_root() -> str:
    """Return the command that runs this program again as root; empty for root, and on Windows."""
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
    """Join commands so that each runs only if the one before it worked. Empty ones are left out."""
    return " && ".join(command for command in commands if command)


def replace_line(number: int, line: str, file: Path) -> str:
    """Return the command that replaces a line of a file (numbers begin with 1) and keeps a copy."""
    if sys.platform == "win32":
        lines = f"$lines = @(Get-Content {quoted(file)}); $lines[{number - 1}] = {quoted(line)}"
        return f"{lines}; $lines | Set-Content {quoted(file)}"
    edit = f"{number}s|.*|{sed_replacement(line)}|"
    return as_root(f"sed -i.bak {quoted(edit)} {quoted(real(file))}")


def sed_replacement(text: str) -> str:
    """Escape a text for the right side of sed's `s|...|...|`."""
    return "".join(f"\\{c}" if c in "\\&|" else c for c in text)


def append(line: str, file: Path) -> str:
    """Return the command that adds a line to a file, even if the file's last line has no line end."""
    if sys.platform == "win32":
        return f"Add-Content {quoted(file)} {quoted(line)}"
    return f"printf '\\n%s\\n' {quoted(line)} | {as_root(f'tee -a {quoted(file)}')}"


def without(pattern: str, file: Path) -> str:
    """Return the command that removes lines by a basic regular expression, and keeps a copy of the file."""
    if sys.platform == "win32":
        lines = f"(Get-Content {quoted(file)}) -notmatch {quoted(pattern)}"
        return f"{lines} | Set-Content {quoted(file)}"
    return as_root(f"sed -i.bak {shlex.quote(f'/{pattern}/d')} {quoted(real(file))}")


def restart() -> str:
    """Return the command that restarts osqueryd as osquery's own packages install it."""
    if sys.platform == "win32":
        return "Restart-Service osqueryd"
    if sys.platform == "darwin":
        return as_root("launchctl kickstart -k system/io.osquery.agent")
    return as_root("systemctl restart osqueryd")
