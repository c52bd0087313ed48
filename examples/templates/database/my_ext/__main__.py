"""Serves the table to osqueryd, or runs one of the commands that every extension has; see --help."""

from osquery_sdk import Extension

from . import __version__
from .database import Database, default_path
from .orders import orders_table


def main() -> int:
    """Run the program; returns its exit code."""
    plugins = [orders_table(Database(default_path()))]
    return Extension("my-ext", version=__version__, plugins=plugins).run()


if __name__ == "__main__":
    raise SystemExit(main())
