"""Settings of an extension: their file lies beside osquery's own files."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TypeVar

from kolide_kit.settings import Configuration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

T = TypeVar("T")

# The flags of every extension's program.
_RESERVED = ("socket", "timeout", "interval", "verbose", "version", "help")


def extension_settings(
    kind: type[T],
    name: str,
    arguments: Sequence[str] = (),
    *,
    environment: Mapping[str, str] | None = None,
    file: str = "",
) -> Configuration[T]:
    """Return the settings that a class declares; nothing is read yet.

    Args:
        kind: the class, a frozen dataclass or a NamedTuple.
        name: name of the extension's file, variables and credentials, such as my_ext.
        arguments: the command line without the program's name, as `sys.argv[1:]`.
        environment: the variables; the process's unless given.
        file: the file to read if neither flag nor variable names one; for my_ext it is
            /etc/osquery/my_ext.toml unless given.

    Raises:
        SettingsError: the class declares something that cannot be a setting.
    """
    return Configuration(
        kind, name, arguments, file=file or _usual_file(name), environment=environment, reserved=_RESERVED
    )


def _usual_file(name: str) -> str:
    platform: str = sys.platform
    if platform == "win32":
        return os.environ.get("PROGRAMFILES", r"C:\Program Files") + rf"\osquery\{name}.toml"
    return f"/var/osquery/{name}.toml" if platform == "darwin" else f"/etc/osquery/{name}.toml"
