"""Bundled osquery tables.

A program calls `all_tables` and passes the tables on to its `Extension`. The import makes and registers
nothing.
"""

from collections.abc import Collection
from typing import Any

from kolide_kit.limits import Limits
from osquery_sdk import DefinitionError, Table

from .catalog import CATALOG
from .reading.libraries import how_to_install, missing_library

__all__ = ["Limits", "all_tables", "why_unable"]

_PREFIX = "kolide_"


def all_tables(
    *,
    limits: Limits = Limits(),  # noqa: B008 - a constant
    prefix: str = _PREFIX,
    disabled: Collection[str] = (),
    notes: str = "",
    enabled: Collection[str] = (),
    unable: bool = False,
) -> list[Table]:
    """Return the bundled tables, without the disabled ones and those whose library is not installed.

    Args:
        limits: bounds on the answer to each request for a table's rows.
        prefix: beginning of the tables' names.
        disabled: names of tables to leave out, with or without the prefix.
        notes: path of the file that the table of notes is kept in; without it that table is left out.
        enabled: names of tables that are left out unless they are named here: file_lines.
        unable: include the tables whose library is not installed, see `why_unable`.

    Raises:
        DefinitionError: the prefix cannot begin a name, no table has a name that is to be disabled or
            enabled, or the path of the notes is not absolute.
    """
    known = {entry.name for entry in CATALOG}

    def bare(name: str) -> str:
        # A prefix such as file_ begins the bare name file_lines, too.
        return name if name in known else name.removeprefix(prefix).removeprefix(_PREFIX)

    wanted = {bare(name) for name in enabled}
    if wanted - {"file_lines"}:
        raise DefinitionError(_no_table(wanted - {"file_lines"}, "to enable", {"file_lines"}))
    if notes:
        wanted.add("notes")
    names = {prefix + name for name in known}
    disabled = {prefix + bare(name) for name in disabled}
    if disabled - names:
        raise DefinitionError(_no_table(disabled - names, "to disable", names))
    served: list[Table] = []
    left_out: list[Table] = []
    for entry in sorted(CATALOG, key=lambda entry: entry.name == "ext_tables"):  # it is about all others
        name = prefix + entry.name
        options: dict[str, Any] = {"limits": limits, "name": name, "family": entry.family}
        if entry.name == "ext_tables":
            if name not in disabled:
                served.append(entry.load(served, disabled=left_out, **options))
        elif entry.is_on or entry.name in wanted:
            table = entry.deferred(notes, limits=limits) if entry.name == "notes" else entry.deferred()
            lacks_library = not unable and missing_library(entry.name)
            place = left_out if name in disabled or lacks_library else served
            place.append(table.configured(**options))
    return served


def why_unable(name: str) -> str:
    """Return why a table cannot answer on this machine, and what to install; "" if it can.

    Args:
        name: the table's name, without its prefix.
    """
    module = missing_library(name)
    return how_to_install(module) if module else ""


def _no_table(unknown: Collection[str], purpose: str, names: Collection[str]) -> str:
    from osquery_sdk import did_you_mean

    there = f"there {'is' if len(names) == 1 else 'are'} {', '.join(sorted(names))}"
    meant = [text for name in sorted(unknown) if (text := did_you_mean(name, names))]
    return "; ".join([f"no table {', '.join(sorted(unknown))} {purpose}", there, *meant])
