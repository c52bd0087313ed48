#!/usr/bin/env python3
# osquery-sdk query --extension ./costly.py \
#   "select name, sha256 from file_hashes where path like '/etc/host%'"
"""A costly column: the table reads files only for statements that use their hash."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from osquery_sdk import Column, Extension, Query, Row, table


class FileHash(Row):
    path: Path = Column("Absolute path; =, IN or LIKE", index=True, required=True, key=True)
    name: str = Column("Last part of the path")
    size: int = Column("Size in bytes")
    sha256: str | None = Column("SHA-256 of the content", costly=True, default=None)


def asked_for(query: Query) -> Iterator[Path]:
    paths = query.equals("path")
    if paths is not None:
        yield from map(Path, paths)
        return
    # A row has to match every pattern, so the files in the folder of the first pattern are enough.
    for pattern in query.like("path")[:1]:
        fixed = pattern.partition("%")[0]
        yield from (path for path in Path(fixed + "x").parent.glob("*") if query.matches("path", str(path)))


@table("file_hashes")
def file_hashes(query: Query) -> Iterator[FileHash]:
    """Files with their hashes. LIKE finds files in the folder before its first %, not in folders below."""
    for path in asked_for(query):
        query.check()
        if not path.is_file():
            continue
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest() if query.wants("sha256") else None
            yield FileHash(path=path, name=path.name, size=path.stat().st_size, sha256=digest)
        except OSError as error:
            query.warn(f"{path} cannot be read: {error.strerror}")


if __name__ == "__main__":
    raise SystemExit(Extension("costly_example", version="1.0", plugins=[file_hashes]).run())
