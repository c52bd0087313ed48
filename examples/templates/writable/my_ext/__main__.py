"""Serves the table to osqueryd, or runs one of the commands that every extension has; see --help."""

from osquery_sdk import Extension

from . import __version__
from .tags import default_path, tags_table


def main() -> int:
    """Run the program; returns its exit code."""
    plugins = [tags_table(default_path())]
    return Extension("my-ext", version=__version__, plugins=plugins).run()


if __name__ == "__main__":
    raise SystemExit(main())
