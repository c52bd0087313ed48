"""Libraries that a table cannot do without. One whose library is not installed is not served: it could only fail.

A table that needs a library for some files alone is served, and a statement that comes to such a file says what to install.
"""

import sys

__all__ = ["how_to_install", "missing_library"]

_EXTRA = "tables"
_NEEDED = {
    "disk_io": "psutil",
    "net_rates": "psutil",
    "plist": "defusedxml",
    "xml": "defusedxml",
    "yaml": "yaml",
}
# Where there is no /proc.
_NEEDED_ELSEWHERE = dict.fromkeys(("exposed_ports", "process_ancestry", "process_details"), "psutil")


def missing_library(name: str, platform: str = sys.platform) -> str:
    """Return the library that a table lacks on this machine, a module's name; "" if it lacks none.

    Args:
        name: of the table, without its prefix.
        platform: as `sys.platform`.
    """
    needed = _NEEDED | ({} if platform == "linux" else _NEEDED_ELSEWHERE)
    module = needed.get(name, "")
    return module if module and not _is_installed(module) else ""


def how_to_install(module: str) -> str:
    """Return a line that says that a library is missing, and the command that installs it."""
    from osquery_sdk import install_hint

    return f"{module} is not installed; {install_hint(module, _EXTRA)}"


def _is_installed(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None
    # Not importlib.util, which takes time to load, and every start has to come by here.
    finders = (getattr(finder, "find_spec", None) for finder in sys.meta_path)
    return any(find is not None and find(module, None) is not None for find in finders)
