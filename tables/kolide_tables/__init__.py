"""Bundled osquery tables."""

from osquery_sdk import Table

__all__ = ["all_tables"]


def all_tables() -> list[Table]:
    """Every bundled table."""
    from .datafiles.tables import data_file_tables
    from .exposed_ports import exposed_ports
    from .process_details import process_details

    return [process_details, exposed_ports, *data_file_tables()]
