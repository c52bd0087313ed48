"""Serve the bundled tables to osqueryd."""

import os
import sys

from kolide_ext.settings import Settings
from kolide_kit.errors import KolideError
from kolide_tables import all_tables, why_unable
from osquery_sdk import Configuration, Extension, Table, __version__, extension_settings


def main() -> int:
    """Run the program; return its exit code."""
    configuration = extension_settings(Settings, "kolide_ext", sys.argv[1:])
    try:
        settings = configuration.read()
        tables = all_tables(
            limits=settings.limits,
            prefix=settings.prefix,
            disabled=settings.disabled,
            notes=settings.notes,
            enabled=settings.enabled,
        )
    except KolideError as error:
        sys.exit(f"kolide_ext: {error}")
    return Extension(
        "kolide_ext",
        version=__version__,
        plugins=tables,
        left_out=lambda: _left_out(configuration, settings, tables),
        settings=configuration,
    ).run()


def _left_out(
    configuration: Configuration[Settings], settings: Settings, tables: list[Table]
) -> list[tuple[Table, str]]:
    """Return the tables that are not served, each with what to set or to install."""
    served = {table.name for table in tables}
    file, origin = configuration.file, configuration.origin("disabled")
    disabled = f"disabled in {file}" if origin in (file, "default") else origin
    left_out = []
    # These tables are never queried, so any absolute path will do for the notes.
    notes = settings.notes or os.path.realpath(__file__)
    for table in all_tables(prefix=settings.prefix, notes=notes, enabled=("file_lines",), unable=True):
        name = table.name.removeprefix(settings.prefix)
        if table.name in served:
            continue
        is_disabled = not {name, table.name, f"kolide_{name}"}.isdisjoint(settings.disabled)
        if name == "file_lines" and not settings.enabled:
            why = (
                f'it shows any file. To have it, set enabled = ["file_lines"] in {file}, or '
                "KOLIDE_EXT_ENABLED=file_lines"
            )
        elif name == "notes" and not settings.notes:
            why = (
                f'it has no file to be kept in. To have it, set notes = "PATH" in {file}, or '
                "KOLIDE_EXT_NOTES=PATH"
            )
        elif not is_disabled and (unable := why_unable(name)):
            why = unable
        else:
            why = f"it is disabled. To have it, take it out of {disabled}"
        left_out.append((table, why))
    return left_out


if __name__ == "__main__":
    raise SystemExit(main())
