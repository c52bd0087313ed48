"""Serves the bundled tables to osqueryd."""

from kolide_tables import all_tables
from osquery_sdk import Extension, __version__


def main() -> int:
    """Run the program."""
    return Extension("kolide_ext", version=__version__, plugins=all_tables()).run()


if __name__ == "__main__":
    raise SystemExit(main())
