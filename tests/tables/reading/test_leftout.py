"""A pattern may find many things that are no files: each table logs a few by name, and how many more."""

import os
import sys
from pathlib import Path

import pytest

from kolide_tables import all_tables
from osquery_sdk import Query

COLUMNS = ("path", "device_path")
TABLES = {
    (table.name, column.name): table
    for table in all_tables(enabled=["file_lines"])
    for column in table.columns
    if column.name in COLUMNS and column.definition.index and table.name != "kolide_path_packages"
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no FIFO in a folder")
@pytest.mark.parametrize(("name", "column"), TABLES)
def test_a_hundred_that_are_no_files(tmp_path: Path, name: str, column: str) -> None:
    table = TABLES[name, column]
    for number in range(100):
        os.mkfifo(tmp_path / f"{number:03}")
    warnings: list[str] = []
    table.rows(Query.of(table, like={column: f"{tmp_path}/%"}, warn=warnings.append))
    assert len(warnings) <= 6
    assert not warnings or warnings[-1].endswith("95 more files are left out, which cannot be read or parsed")
