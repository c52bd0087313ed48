"""Serve the bundled tables to osqueryd."""

import os
import sys

from kolide_tables import all_tables, why_unable
from osquery_sdk import Extension, OsquerySdkError, Table, __version__

from .settings import Settings, read_settings, settings_path


def main() -> int:
    """Run the program; return its exit code."""
    try:
        settings = read_settings(os.environ)
        tables = all_tables(**settings._asdict())
    except OsquerySdkError as error:
        sys.exit(f"kolide_ext: {error}")
    return Extension(
        "kolide_ext", version=__version__, plugins=tables, left_out=lambda: _left_out(settings, tables)
    ).run()


def _left_out(settings: Settings, tables: list[Table]) -> list[tuple[Table, str]]:
    """Return the tables that are not served, each with what to set or to install."""
    served = {table.name for table in tables}
    # These tables are never queried, so any absolute path will do for the notes.
    notes = settings.notes or os.path.realpath(__file__)
    every = settings._replace(disabled=(), enabled=("file_lines",), notes=notes)
    enabled = {name.removeprefix(settings.prefix).removeprefix("kolide_") for name in settings.enabled}
    file = settings_path(os.environ)
    disabled = "KOLIDE_EXT_DISABLED" if "KOLIDE_EXT_DISABLED" in os.environ else f"disabled in {file}"
    left_out = []
    unwanted = {name.removeprefix(settings.prefix).removeprefix("kolide_") for name in settings.disabled}
    for table in all_tables(**every._asdict(), unable=True):
        name = table.name.removeprefix(settings.prefix)
        if table.name in served:
            continue
        if name == "file_lines" and name not in enabled:
            why = (
                f'it shows any file. To have it, set enabled = ["file_lines"] in {file}, or '
                "KOLIDE_EXT_ENABLED=file_lines"
            )
        elif name == "notes" and not settings.notes:
            why = (
                f'it has no file to be kept in. To have it, set notes = "PATH" in {file}, or '
                "KOLIDE_EXT_NOTES=PATH"
            )
        elif name not in unwanted and (unable := why_unable(name)):
            why = unable
        else:
            why = f"it is disabled. To have it, take it out of {disabled}"
        left_out.append((table, why))
    return left_out


if __name__ == "__main__":
    raise SystemExit(main())
