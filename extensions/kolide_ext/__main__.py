"""Serves the bundled tables to osqueryd."""

import os
import sys

from kolide_ext.settings import read_settings
from kolide_tables import all_tables
from osquery_sdk import Extension, OsquerySdkError, __version__


def main() -> int:
    """Run the program; returns its exit code."""
    try:
        settings = read_settings(os.environ)
        tables = all_tables(
            limits=settings.limits,
            prefix=settings.prefix,
            disabled=settings.disabled,
            notes=settings.notes,
            enabled=settings.enabled,
        )
    except OsquerySdkError as error:
        print(f"kolide_ext: {error}", file=sys.stderr)
        return 1
    return Extension("kolide_ext", version=__version__, plugins=tables).run()


if __name__ == "__main__":
    raise SystemExit(main())
