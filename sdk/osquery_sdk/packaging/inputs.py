"""The files of a full package: an osqueryd, its flags, the secret; looked at before anything is written."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path  # noqa: TC003  a NamedTuple's annotation
from typing import NamedTuple

from osquery_sdk.leftovers import run_process

from ..errors import PackagingError
from .bundle import SYSTEMS

_SAYS = re.compile(r"^osquery[di] version (\S+)", re.MULTILINE)
_KNOWN_FLAG = b"extensions_autoload"
_TIMEOUT = 30


class Osqueryd(NamedTuple):
    """An osqueryd."""

    path: Path
    platform: str
    machines: tuple[str, ...]
    version: str
    """Empty if it does not run here."""


def read_osqueryd(path: Path) -> Osqueryd:
    """Look at an osqueryd, and ask it for its version if it runs here.

    Raises:
        PackagingError: it is none.
    """
    from osquery_sdk.doctor.binary import program_of, runs_here

    real = _file(path, "--osqueryd").resolve()
    found = program_of(real)
    if found.system not in SYSTEMS:
        raise PackagingError(f"--osqueryd {path}: no program, so no osqueryd")
    if _KNOWN_FLAG not in real.read_bytes():
        raise PackagingError(f"--osqueryd {path}: a program, but no osqueryd")
    version = ""
    if runs_here(found):
        try:
            done = run_process([real, "--version"], timeout=_TIMEOUT)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PackagingError(f"--osqueryd {path}: does not run: {error}") from error
        said = _SAYS.search(done.stdout.decode(errors="replace"))
        if said is None:
            raise PackagingError(f"--osqueryd {path}: a program, but no osqueryd: it says no version")
        version = said[1]
    return Osqueryd(real, found.system, found.machines, version)


def read_flags(path: Path) -> Path:
    """Look at a flag file.

    Raises:
        PackagingError: osqueryd would not read it as such, or not load extensions with it.
    """
    lines = _text(path, "--flags").splitlines()
    for number, line in enumerate(lines, 1):
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        if not re.match(r"--?[a-z]", word):
            raise PackagingError(
                f"--flags {path}, line {number}: {word[:40]!r} is no flag; each line has one, as in --verbose"
            )
        name, _, value = word.lstrip("-").partition("=")
        if name == "disable_extensions" and value not in ("false", "0"):
            raise PackagingError(
                f"--flags {path}, line {number}: with {word} osqueryd would not load the extension"
            )
    return path.resolve()


def read_secret(path: Path) -> Path:
    """Look at an enrollment secret.

    Raises:
        PackagingError: there is none in the file.
    """
    if not _text(path, "--secret").strip():
        raise PackagingError(f"--secret {path}: the file is empty")
    return path.resolve()


def _text(path: Path, option: str) -> str:
    try:
        return _file(path, option).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PackagingError(f"{option} {path}: no text") from error
    except OSError as error:
        raise PackagingError(f"{option} {path}: {error.strerror}") from error


def _file(path: Path, option: str) -> Path:
    if not path.exists():
        raise PackagingError(f"{option} {path}: there is no such file")
    if not path.is_file():
        raise PackagingError(f"{option} {path}: is no file")
    return path
