"""Serves the table to osqueryd, or runs one of the commands that every extension has; see --help."""

import sys

from osquery_sdk import Extension, extension_settings

from . import __version__
from .api import Api
from .devices import devices_table
from .settings import Settings

_NAME = "my-ext"


def main() -> int:
    """Run the program; returns its exit code."""
    settings = extension_settings(Settings, "my_ext", sys.argv[1:])
    # Each query reads the settings: a new token counts at once, and building the program needs none.
    plugins = [devices_table(Api(settings.read))]
    return Extension(_NAME, version=__version__, plugins=plugins, settings=settings).run()


if __name__ == "__main__":
    raise SystemExit(main())
