"""Where the system's own programs are that tables ask."""

import os

from osquery_sdk import TableError

__all__ = ["find_tool", "need_tool"]

# Not PATH, which somebody else may have set. Only folders that the system's owner alone can write to.
_FOLDERS = ("/usr/bin", "/usr/sbin", "/bin", "/sbin", "/run/current-system/sw/bin")


def find_tool(name: str) -> str | None:
    """The absolute path of a program of the system; None where it is not installed."""
    return next(
        (path for folder in _FOLDERS if os.access(path := f"{folder}/{name}", os.X_OK)),
        None,
    )


def need_tool(name: str, package: str) -> str:
    """The same; raises TableError, which says what to install, where it is not installed."""
    path = find_tool(name)
    if path is None:
        raise TableError(f"{name} is not installed: it is part of the package {package}")
    return path
