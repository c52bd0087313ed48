#!/usr/bin/env python3
# osquery-sdk query --extension ./first_table.py \
#   "select name, path from path_programs where name like 'python%'"
import os
from collections.abc import Iterator
from pathlib import Path

from osquery_sdk import Column, Extension, Query, Row, table


class Program(Row):
    name: str = Column("Name of the command")
    path: Path = Column("File")
    size: int = Column("Size in bytes")


@table("path_programs")
def path_programs(query: Query) -> Iterator[Program]:
    """Programs on PATH, in the order in which a shell looks for them."""
    for folder in os.get_exec_path():
        for path in Path(folder).glob("*"):
            if path.is_file() and os.access(path, os.X_OK):
                yield Program(name=path.name, path=path, size=path.stat().st_size)


if __name__ == "__main__":
    raise SystemExit(Extension("first_table", version="1.0", plugins=[path_programs]).run())
