#!/usr/bin/env python3
# osquery-sdk engine --socket /tmp/osquery.em --extension ./bundled.py --config_plugin files \
#   --logger_plugin lines --distributed_plugin folder --flag schedule_timeout=3
"""A table and the bundled plugins in one extension: osqueryd reads files and writes files through it."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kolide_plugins import FileConfig, JsonLinesLogger, QueryFolder
from osquery_sdk import Column, Extension, Query, Row, SpoolOptions, table

HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("LOG_FOLDER") or tempfile.gettempdir())


class Digit(Row):
    """A row."""

    digit: int = Column("A digit", index=True)


@table("digits")
def digits(query: Query) -> Iterator[Digit]:
    """The digits."""
    for digit in range(10):
        yield Digit(digit=digit)


def main() -> int:
    """Serve the table and the plugins."""
    queries = FOLDER / "queries"
    queries.mkdir(mode=0o700, exist_ok=True)
    plugins = [
        digits,
        FileConfig("files", HERE / "osquery.conf"),
        JsonLinesLogger("lines", FOLDER / "results.log", options=SpoolOptions(batch_seconds=0.1)),
        QueryFolder("folder", queries),
    ]
    return Extension("bundled", version="1.0", plugins=plugins).run()


if __name__ == "__main__":
    raise SystemExit(main())
