#!/usr/bin/env python3
# osquery-sdk query --extension ./index.py \
#   "select name, version from importable_packages where name in ('thrift', 'apsw')"
"""An index: a statement that names packages reads only those; any other statement reads all."""

from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions

from osquery_sdk import Column, Extension, Query, Row, table


class Package(Row):
    # The look-up ignores case. With NOCASE, SQL does too, so it filters out no row that was found.
    name: str = Column("Name of the distribution", index=True, collate="nocase", key=True)
    version: str = Column("Installed version")
    requires: list[str] = Column("Requirements, as JSON")


def wanted(query: Query) -> Iterator[Distribution]:
    names = query.equals("name")
    if names is None:
        yield from distributions()
        return
    for name in names:
        try:
            yield distribution(name)
        except (PackageNotFoundError, ValueError):  # no such package, or an empty name: no row
            continue


@table(
    "importable_packages",
    examples=("select name, version from importable_packages where name = 'thrift'",),
)
def importable_packages(query: Query) -> Iterator[Package]:
    """Python distributions that this extension's interpreter can import."""
    for found in wanted(query):
        yield Package(name=found.metadata["Name"], version=found.version, requires=found.requires or [])


if __name__ == "__main__":
    raise SystemExit(Extension("index_example", version="1.0", plugins=[importable_packages]).run())
