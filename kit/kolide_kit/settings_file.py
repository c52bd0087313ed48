"""Read files of settings and of secrets, which only their owner can have written."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from .errors import SettingsError
from .files import Unreadable, open_file
from .text import line_and_column

_MAX_FILE_BYTES = 1 << 20
# Bits of a mode that let the group, or anyone, use a file.
_OTHERS = 0o077
# systemd gives a service's user access to a credential by an ACL, which shows as a mode of 0440.
_ALL_BUT_GROUP_READ = 0o037


def read_toml(path: str, *, shows: bool) -> tuple[dict[str, Any], int]:
    """Return the content and the mode of a TOML file.

    Args:
        path: the file.
        shows: whether errors may show a piece of the file; False where it may hold a secret.

    Raises:
        SettingsError: the file cannot be trusted, or is not TOML.
    """
    data, mode = _contents(path)
    try:
        return tomllib.loads(data.decode()), mode
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, or arrays in arrays without end
        # Neither the parser's words nor the error itself: both may hold a piece of a secret.
        problem = _problem(data, error) if shows else _place(error)
        raise SettingsError(f"settings: {path} is not TOML: {problem}") from (error if shows else None)


def read_credential(path: str) -> str:
    """Return the text of a systemd credential, without the line break at its end.

    Raises:
        SettingsError: the file cannot be trusted, or is not UTF-8.
    """
    data, mode = _contents(path)
    require_closed(path, mode, _ALL_BUT_GROUP_READ)
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise SettingsError(f"settings: {path} is not UTF-8") from None


def require_closed(path: str, mode: int, closed: int = _OTHERS) -> None:
    """Refuse a file with a secret whose mode has one of the closed bits."""
    if os.name == "posix" and mode & closed:
        raise SettingsError(f"settings: {path} is open to others, and a secret is in it: chmod 600 it")


def _contents(path: str) -> tuple[bytes, int]:
    """Return the content and the mode of a file that nobody else can have written."""
    try:
        # A link that an administrator made is followed: what counts is who may write at its target.
        with open_file(os.path.realpath(path) if Path(path).is_symlink() else path) as file:
            facts = os.fstat(file.fileno())
            _require_trusted(path, facts)
            data = file.read(_MAX_FILE_BYTES + 1) or b""
    except (Unreadable, OSError) as error:
        raise SettingsError(f"settings: {error}") from error
    if len(data) > _MAX_FILE_BYTES:
        raise SettingsError(
            f"settings: {path} has more than {_MAX_FILE_BYTES:,} bytes: it is not a settings file"
        )
    return data, facts.st_mode


def _require_trusted(path: str, facts: os.stat_result) -> None:
    """Refuse a file that another user could have written, who could turn off what would have seen him."""
    if os.name != "posix":  # elsewhere mode and owner say nothing
        return
    if facts.st_uid not in (0, os.geteuid()):
        raise SettingsError(
            f"settings: {path} belongs to user {facts.st_uid}: it has to be root's, or of the user who "
            "runs this"
        )
    if facts.st_mode & 0o002:
        raise SettingsError(f"settings: {path} can be written by everybody: chmod o-w it")


def _problem(data: bytes, error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 (at {line_and_column(error.object, error.start)})"
    return str(error).replace("end of document", line_and_column(data, len(data))) or "nested too deep"


def _place(error: Exception) -> str:
    """Return the place of an error in a file, without the parser's words."""
    if isinstance(error, UnicodeDecodeError):
        return f"see {line_and_column(error.object, error.start)}"
    place = re.search(r"\(at (line \d+, column \d+|end of document)\)$", str(error))
    return f"see {place[1]}" if place else "nested too deep"
