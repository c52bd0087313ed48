"""Runs a file for PyPI's `osquery` package on this SDK: ``python -m osquery_sdk.compat FILE [ARGUMENTS]``."""

from __future__ import annotations

import runpy
import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

# The modules of that package, and the modules here that have their names.
_PLACES = {
    "osquery": "",
    "osquery.config_plugin": "plugins",
    "osquery.extension_client": "client",
    "osquery.extension_manager": "management",
    "osquery.extensions": "extensions",
    "osquery.extensions.ttypes": "extensions.ttypes",
    "osquery.logger_plugin": "plugins",
    "osquery.management": "management",
    "osquery.plugin": "plugins",
    "osquery.singleton": "plugins",
    "osquery.table_plugin": "plugins",
}


def provide() -> None:
    """Have `import osquery` import this package in this process."""
    for name, place in _PLACES.items():
        sys.modules[name] = import_module(f"osquery_sdk.compat.{place}".rstrip("."))
    package: ModuleType = sys.modules["osquery"]
    for name in _PLACES:
        parent, _, child = name.rpartition(".")
        if parent == "osquery" and not hasattr(package, child):
            setattr(package, child, sys.modules[name])


def main() -> None:
    """Run the file as a program."""
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print("usage: python -m osquery_sdk.compat FILE [--socket PATH] [options]", file=sys.stderr)
        sys.exit(2)
    provide()
    del sys.argv[0]
    from pathlib import Path

    from kolide_kit.signals import ending_cleanly

    sys.path[0] = str(Path(sys.argv[0]).absolute().parent)
    with ending_cleanly(interrupts=False):
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
