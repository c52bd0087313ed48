"""Say which Python library a table lacks.

A table that cannot do without a missing library is not served. A table that needs one for some files alone is
served, and a statement that comes to such a file fails with what to install.
"""

import sys

_EXTRA = "tables"
_NEEDED = {
    "disk_io": "psutil",
    "net_rates": "psutil",
    "toml": "tomli",
}
# Tables that read /proc on Linux.
_NEEDED_ELSEWHERE = dict.fromkeys(("exposed_ports", "process_ancestry", "process_details"), "psutil")


def missing_library(name: str, platform: str = sys.platform) -> str:
    """Return the module that a table needs and that is not installed; "" if it lacks none.

    Args:
        name: the table's name, without its prefix.
        platform: a platform as `sys.platform` writes it.
    """
    needed = _NEEDED | ({} if platform == "linux" else _NEEDED_ELSEWHERE)
    module = needed.get(name, "")
    return module if module and not _is_installed(module) else ""


def how_to_install(module: str) -> str:
    """Return a line that says which library is missing, and the command that installs it."""
    from osquery_sdk import install_hint

    return f"{module} is not installed; {install_hint(module, _EXTRA)}"


def _is_installed(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None
    # Not importlib.util: it takes time to load, and every start of a program comes through here.
    finders = (getattr(finder, "find_spec", None) for finder in sys.meta_path)
    return any(find is not None and find(module, None) is not None for find in finders)
