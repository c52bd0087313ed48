"""Find the system's own programs that tables run."""

import os

from osquery_sdk import TableError

# Not PATH, which anybody may have set. Only the system's owner can write to these folders.
FOLDERS = ("/usr/bin", "/usr/sbin", "/bin", "/sbin", "/run/current-system/sw/bin")


def find_tool(name: str) -> str | None:
    """Return the absolute path of a program of the system; None if it is not installed."""
    return next((path for folder in FOLDERS if os.access(path := f"{folder}/{name}", os.X_OK)), None)


def need_tool(name: str, package: str) -> str:
    """Return the absolute path of a program of the system; raises TableError, with the package to install."""
    path = find_tool(name)
    if path is None:
        raise TableError(f"{name} is not installed: it is part of the package {package}")
    return path
