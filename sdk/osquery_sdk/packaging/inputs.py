"""Check the files that a full package adds: an osqueryd, its flags, the secret."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path  # noqa: TC003  a NamedTuple's annotation
from typing import NamedTuple

from kolide_kit.binaries import read_program, runs_here
from kolide_kit.processes import run_process

from ..errors import PackagingError
from .bundle import SYSTEMS

_VERSION = re.compile(r"^osquery[di] version (\S+)", re.MULTILINE)
_KNOWN_FLAG = b"extensions_autoload"
_TIMEOUT = 30


class Osqueryd(NamedTuple):
    """An osqueryd for a full package."""

    path: Path
    platform: str
    machines: tuple[str, ...]
    version: str
    """The version that it prints; empty if it does not run on this machine."""


def read_osqueryd(path: Path) -> Osqueryd:
    """Check an osqueryd, and ask it for its version if it runs on this machine.

    Raises:
        PackagingError: the file is not an osqueryd.
    """
    real = _file(path, "--osqueryd").resolve()
    program = read_program(real)
    if program.system not in SYSTEMS:
        raise PackagingError(f"--osqueryd {path}: not a program, so not an osqueryd")
    if _KNOWN_FLAG not in real.read_bytes():
        raise PackagingError(f"--osqueryd {path}: a program, but not an osqueryd")
    version = ""
    if runs_here(program):
        try:
            done = run_process([real, "--version"], timeout=_TIMEOUT)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PackagingError(f"--osqueryd {path}: does not run: {error}") from error
        match = _VERSION.search(done.stdout.decode(errors="replace"))
        if match is None:
            raise PackagingError(f"--osqueryd {path}: a program, but not an osqueryd: it prints no version")
        version = match[1]
    return Osqueryd(real, program.system, program.machines, version)


def read_flags(path: Path) -> Path:
    """Check a flag file, and return its absolute path.

    Raises:
        PackagingError: a line is not a flag, or keeps osqueryd from loading extensions.
    """
    lines = _text(path, "--flags").splitlines()
    for number, line in enumerate(lines, 1):
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        if not re.match(r"--?[a-z]", word):
            raise PackagingError(
                f"--flags {path}, line {number}: {word[:40]!r} is not a flag; write lines like --verbose"
            )
        name, _, value = word.lstrip("-").partition("=")
        if name == "disable_extensions" and value not in ("false", "0"):
            raise PackagingError(
                f"--flags {path}, line {number}: with {word} osqueryd would not load the extension"
            )
    return path.resolve()


def read_secret(path: Path) -> Path:
    """Check the file of an enrollment secret, and return its absolute path.

    Raises:
        PackagingError: the file is empty or cannot be read.
    """
    if not _text(path, "--secret").strip():
        raise PackagingError(f"--secret {path}: the file is empty")
    return path.resolve()


def _text(path: Path, option: str) -> str:
    try:
        return _file(path, option).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PackagingError(f"{option} {path}: not a text in UTF-8") from error
    except OSError as error:
        raise PackagingError(f"{option} {path}: {error.strerror}") from error


def _file(path: Path, option: str) -> Path:
    if not path.exists():
        raise PackagingError(f"{option} {path}: there is no such file")
    if not path.is_file():
        raise PackagingError(f"{option} {path}: is not a file")
    return path
