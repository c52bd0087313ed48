#!/usr/bin/env python3
# osquery-sdk query --extension ./snapshot.py \
#   "select f.name, m.type from folder_files f join mime_types m using (suffix) where f.folder = '$PWD'"
"""A snapshot: the join above looks `mime_types` up once per file, and the table is generated only once."""

import mimetypes
from collections.abc import Iterator
from pathlib import Path

from osquery_sdk import Column, Extension, Query, Row, TableError, table


class File(Row):
    folder: Path = Column("Folder to list", index=True, required=True)
    name: str = Column("Name of the file")
    suffix: str = Column("End of the name, beginning with its last dot")


class MimeType(Row):
    suffix: str = Column("End of a file's name, with its dot", index=True, key=True)
    type: str = Column("Media type")


@table("folder_files")
def folder_files(query: Query) -> Iterator[File]:
    """Files of a folder."""
    for folder in query.equals("folder") or ():
        try:
            for path in Path(folder).iterdir():
                yield File(folder=folder, name=path.name, suffix=path.suffix)
        except OSError as error:
            raise TableError(f"cannot list {folder}: {error.strerror}") from error


@table("mime_types", snapshot=True, cache=60.0)
def mime_types(query: Query) -> Iterator[MimeType]:
    """Media types that this system knows. The query has no terms, because a snapshot holds all rows."""
    for suffix, media_type in mimetypes.MimeTypes().types_map[True].items():  # True: registered types
        yield MimeType(suffix=suffix, type=media_type)


if __name__ == "__main__":
    raise SystemExit(Extension("snapshot_example", version="1.0", plugins=[folder_files, mime_types]).run())
