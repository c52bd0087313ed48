"""Serves the plugin to osqueryd, or runs one of the commands that every extension has; see --help."""

from osquery_sdk import Extension

from . import __version__
from .batches import Batches, default_folder


def main() -> int:
    """Run the program; returns its exit code."""
    plugins = [Batches("my_ext", default_folder())]
    return Extension("my-ext", version=__version__, plugins=plugins).run()


if __name__ == "__main__":
    raise SystemExit(main())
