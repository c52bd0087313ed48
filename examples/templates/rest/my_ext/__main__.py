"""Serves the table to osqueryd, or runs one of the commands that every extension has; see --help."""

from osquery_sdk import Extension

from . import __version__
from .api import Api
from .devices import devices_table
from .settings import read_settings


def main() -> int:
    """Run the program; returns its exit code."""
    # Each query reads the settings: a new token counts at once, and building the program needs none.
    plugins = [devices_table(Api(read_settings))]
    return Extension("my-ext", version=__version__, plugins=plugins).run()


if __name__ == "__main__":
    raise SystemExit(main())
