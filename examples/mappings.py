#!/usr/bin/env python3
# osquery-sdk query --extension ./mappings.py \
#   "select tag, model, datetime(bought, 'unixepoch') as bought from assets where owner <> ''"
"""Rows as mappings: a table can yield the mappings that a reader of CSV, JSON or an API returns.

If a mapping lacks a column, the value is NULL. In a text column it is the empty string, because osqueryd
has no NULL there.
"""

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from osquery_sdk import Column, Extension, Query, Row, TableError, table

FILE = Path(__file__).resolve().with_name("assets.csv")


class Asset(Row):
    tag: str = Column("Number on the sticker", key=True)
    model: str = Column("Maker and model")
    owner: str | None = Column("Name of the owner")
    bought: datetime | None = Column("Unix time of the purchase")


@table("assets", rows=Asset)
def assets(query: Query) -> Iterator[Mapping[str, object]]:
    """Machines in the inventory file."""
    try:
        with FILE.open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                day = row.pop("bought")
                yield {**row, "bought": datetime.fromisoformat(day).replace(tzinfo=UTC) if day else None}
    except OSError as error:
        raise TableError(f"cannot read {FILE}: {error.strerror}") from error


if __name__ == "__main__":
    raise SystemExit(Extension("mappings_example", version="1.0", plugins=[assets]).run())
