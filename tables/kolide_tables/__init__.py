"""Bundled osquery tables.

A program asks `all_tables` for them and passes them on to its `Extension`; nothing is made or registered by the import.
"""

from collections.abc import Collection

from osquery_sdk import DefinitionError, Table

from .limits import Limits

__all__ = ["Limits", "all_tables"]

_PREFIX = "kolide_"


def all_tables(
    *,
    limits: Limits = Limits(),  # noqa: B008 - a constant
    prefix: str = _PREFIX,
    disabled: Collection[str] = (),
) -> list[Table]:
    """Every bundled table but the disabled ones.

    Args:
        limits: of each request for a table's rows.
        prefix: what the tables' names begin with.
        disabled: names of tables to leave out, with or without the prefix.

    Raises:
        DefinitionError: the prefix makes no name, or there is no table of a disabled name.
    """
    from .datafiles import data_file_tables
    from .exposed_ports import exposed_ports
    from .ext_tables import ext_tables
    from .process_details import process_details

    made = [_adapted(one, limits, prefix) for one in (process_details, exposed_ports)]
    made += data_file_tables(limits, prefix=prefix)
    about = f"{prefix}ext_tables"
    names = {one.name for one in made} | {about}
    left_out = {prefix + name.removeprefix(prefix) for name in disabled}
    if left_out - names:
        unknown = ", ".join(sorted(left_out - names))
        raise DefinitionError(f"no table {unknown} to disable; there are {', '.join(sorted(names))}")
    served = [one for one in made if one.name not in left_out]
    if about not in left_out:
        others = [one for one in made if one.name in left_out]
        served.append(ext_tables(served, disabled=others, limits=limits, name=about))
    return served


def _adapted(one: Table, limits: Limits, prefix: str) -> Table:
    """The same table under these limits and with this prefix."""
    name = prefix + one.name.removeprefix(_PREFIX)
    examples = tuple(example.replace(one.name, name) for example in one.options.examples)
    options = one.options._replace(examples=examples, deadline=limits.max_seconds, max_rows=limits.max_rows)
    return Table(name, one.function, one.row, one.description, options)
