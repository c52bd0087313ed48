"""The API's URL and token, from a file that only its owner may read, or from the environment.

The file is TOML, /etc/osquery/my_ext.toml on Linux. Variables override it::

    url = "https://inventory.example.com/v1"    # MY_EXT_URL
    token = "..."                               # MY_EXT_TOKEN

MY_EXT_SETTINGS names another file. No error and no log shows the token, because its class hides it.
"""

import os
import re
import stat
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from osquery_sdk import TableError

FILE = "my_ext.toml"
PREFIX = "MY_EXT_"
MAX_BYTES = 65_536
HERE = ("localhost", "127.0.0.1", "::1")


class SettingsError(TableError):
    """The settings cannot be used: a line that names the file or variable, and what to do."""


class Secret:
    """A text that does not show itself: print, logs and tracebacks have `[hidden]` instead."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Keep the text."""
        self._text = text

    def __repr__(self) -> str:
        return "[hidden]"

    def reveal(self) -> str:
        """Return the text."""
        return self._text


class Settings(NamedTuple):
    """The API's URL and the token."""

    url: str
    token: Secret


def default_path() -> Path:
    """Return the file where an administrator keeps the settings, beside osquery's own files."""
    if sys.platform == "win32":
        return Path(os.environ.get("PROGRAMFILES", r"C:\Program Files"), "osquery", FILE)
    return Path("/var/osquery" if sys.platform == "darwin" else "/etc/osquery", FILE)


def read_settings(environment: Mapping[str, str] | None = None, usual: Path | None = None) -> Settings:
    """Return the settings of the file and the environment.

    Args:
        environment: variables; the process's unless given.
        usual: the file that is read where they name none; `default_path()` unless given.

    Raises:
        SettingsError: one is missing, or cannot be used, or others may read the file with the token.
    """
    variables = os.environ if environment is None else environment
    named = variables.get(f"{PREFIX}SETTINGS")
    path = Path(named) if named else usual or default_path()
    found = _read(path) if named or os.path.lexists(path) else {}
    for key in ("url", "token"):
        value = variables.get(f"{PREFIX}{key.upper()}", found.get(key))
        if not isinstance(value, str) or not value:
            raise SettingsError(f"there is no {key}: set it in {path}, or {PREFIX}{key.upper()}")
        found[key] = value
    # A value that does not fit is not shown: it may be a token that was put in the wrong place.
    if not re.fullmatch(r"[\x21-\x7e]+", found["token"]):
        raise SettingsError("the token has a space, a line break or a letter that is not ASCII")
    return Settings(_checked_url(found["url"]), Secret(found["token"]))


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("https", "http") or re.search(r"[@?#\s]", url):
        raise SettingsError("the url has to be https://HOST/PATH, with no user, password or query")
    if parts.scheme == "http" and host not in HERE:
        raise SettingsError("the url has to begin with https://, so that nobody sees the token")
    return url.rstrip("/")


def _read(path: Path) -> dict[str, str]:
    """Return what is in the file, once it is certain that nobody else can read it."""
    try:
        # Do not wait for the other end of a pipe or device.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise SettingsError(f"{path} is no file")
            if os.name == "posix":
                if facts.st_uid not in (0, os.geteuid()):
                    raise SettingsError(f"{path} belongs to another user: chown it")
                if facts.st_mode & 0o077:
                    raise SettingsError(f"{path} is open to others, and a token is in it: chmod 600 it")
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise SettingsError(f"{path} is too large for a file of settings")
    try:
        content = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        # Give the place, not the text: the line may hold the token.
        where = re.search(r"at line \d+", str(error))
        raise SettingsError(f"{path} is no TOML{f' {where[0]}' if where else ''}") from None
    unknown = sorted(content.keys() - {"url", "token"})
    if unknown:
        raise SettingsError(f"{path}: there is no setting {unknown[0]}, but url and token")
    return content
