"""The table my_ext: the files of a folder, with their hashes if a statement uses them."""

import hashlib
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from osquery_sdk import Column, Query, Row, table

# The folder of a statement that names none.
FOLDER = "/etc" if os.name == "posix" else r"C:\Windows\System32\drivers\etc"
CHUNK = 1 << 20


class File(Row):
    """A file."""

    # Folder and name together are the key, which tells one row from another.
    folder: Path = Column(f"Folder to list; {FOLDER} unless given", index=True, key=True)
    # An index as well: the table skips files that the statement does not name.
    name: Path = Column("Name of the file", index=True, key=True)
    size: int = Column("Size in bytes")
    modified: datetime = Column("Time of the last change, Unix seconds")
    # Costly: None unless the statement uses it, so that files are read only when needed.
    sha256: str | None = Column("SHA-256; empty if it cannot be read", costly=True, default=None)


@table(
    "my_ext",
    examples=(
        "select name, size from my_ext order by size desc limit 5",
        "select name, sha256 from my_ext where folder = '/etc' and name = 'hosts'",
    ),
)
def files(query: Query) -> Iterator[File]:
    """Files of a folder, without the folders in it."""
    folders = query.equals("folder")
    for folder in (FOLDER,) if folders is None else folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            # Show the other folders, and log what is wrong with this one.
            query.warn(f"{folder}: {error.strerror}")
            continue
        for name in names:
            query.check()  # ends the loop when nobody waits any more
            if query.matches("name", Path(name)):
                yield from describe(Path(folder), name, query)


def describe(folder: Path, name: str, query: Query) -> Iterator[File]:
    """Yield the row of a file; nothing if it is no file, or has gone."""
    path = folder / name
    try:
        facts = path.stat()
    except OSError:
        return
    if stat.S_ISREG(facts.st_mode):
        digest = sha256_of(path, query) if query.wants("sha256") else None
        modified = datetime.fromtimestamp(facts.st_mtime, UTC)
        yield File(folder=folder, name=Path(name), size=facts.st_size, modified=modified, sha256=digest)


def sha256_of(path: Path, query: Query) -> str | None:
    """Return the hash of a file's content; None if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                query.check()
                digest.update(chunk)
    except OSError as error:
        query.warn(f"{path}: {error.strerror}")
        return None
    return digest.hexdigest()
