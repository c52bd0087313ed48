#!/usr/bin/env python3
# osquery-sdk query --extension ./asking.py \
#   "select table_name, version from table_owners where extension = 'asking_example'"
"""A table that asks osquery itself, while osquery asks it."""

from collections.abc import Iterator

from osquery_sdk import Column, Extension, Query, Row, table

OWNERS = """
    select registry.name as table_name, extension.name as extension, extension.version as version
    from osquery_registry registry join osquery_extensions extension on extension.uuid = registry.owner_uuid
    where registry.registry = 'table' and extension.name in ?
"""


class Owner(Row):
    table_name: str = Column("Name of the table", key=True)
    extension: str = Column("Extension that serves it; core for osquery's own tables", index=True)
    version: str = Column("Version of the extension")


@table("table_owners", examples=("select extension, count(*) as tables from table_owners group by 1",))
def table_owners(query: Query) -> Iterator[Owner]:
    """Tables, each with the extension that serves it."""
    names = query.equals("extension")
    if names is None:
        names = tuple(info.name for info in query.client.extensions().values())
    # Parameters are quoted, rows are converted to the fields of the class.
    yield from query.client.query(OWNERS, [names], rows=Owner)


if __name__ == "__main__":
    raise SystemExit(Extension("asking_example", version="1.0", plugins=[table_owners]).run())
