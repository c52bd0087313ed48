"""Serves the table to osqueryd, or runs one of the commands that every extension has; see --help."""

from osquery_sdk import Extension

from . import __version__
from .ports import ports


def main() -> int:
    """Run the program; returns its exit code."""
    return Extension("my-ext", version=__version__, plugins=[ports]).run()


if __name__ == "__main__":
    raise SystemExit(main())
