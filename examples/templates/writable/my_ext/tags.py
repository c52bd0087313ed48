"""The table my_ext: tags of this machine, which SQL writes and reads, kept in an SQLite file."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from osquery_sdk import Column, ConstraintFailed, Query, Row, Table, TableError, WritableTable, table

# Variable that names a file to use instead of the usual one.
VARIABLE = "MY_EXT_FILE"
USUAL = "/var/lib/my_ext/tags.sqlite"
SCHEMA = (
    "create table if not exists tags (key text primary key, value text not null, changed integer not null)"
)
# Seconds to wait for another process that writes.
PATIENCE = 5.0
MAX_TAGS = 10_000
MAX_LETTERS = 1_000


class Tag(Row):
    """A tag."""

    key: str = Column("Subject of the tag; each key has one tag", index=True, key=True)
    value: str = Column("Text of the tag", default="")
    # The table sets the time itself and ignores a statement's value.
    changed: datetime | None = Column("Time when it was written, Unix seconds", default=None)


def default_path() -> Path:
    """Return the file that the environment names, or else the usual one."""
    return Path(os.environ.get(VARIABLE) or USUAL)


class Tags(WritableTable[Tag]):
    """Tags of this machine: INSERT, UPDATE and DELETE write them.

    Args:
        path: the file, which is made with the first tag.
    """

    def __init__(self, path: Path) -> None:
        """Store the path; the file is opened later."""
        self.path = path

    def rows(self, query: Query) -> Iterator[Tag]:
        """Yield the tags of the keys that are asked for, or all."""
        keys = query.equals("key")
        where, values = ("true", ()) if keys is None else (f"key collate nocase in ({marks(keys)})", keys)
        if not self.path.exists():
            return  # nobody has written a tag yet
        with self._open() as file:
            for key, value, changed in file.execute(
                f"select key, value, changed from tags where {where}", values
            ):
                yield Tag(key=key, value=value, changed=datetime.fromtimestamp(changed, UTC))

    def insert(self, row: Tag) -> Tag:
        """Keep a tag; returns it as it is kept."""
        kept = self._checked(row)
        with self._open(create=True) as file:
            ((count,),) = file.execute("select count(*) from tags")
            if count >= MAX_TAGS:
                raise ConstraintFailed(f"there are {count} tags already")
            file.execute("insert into tags values (?, ?, ?)", values_of(kept))
        return kept

    def update(self, old: Tag, new: Tag) -> None:
        """Write a tag anew, maybe under another key."""
        with self._open() as file:
            sql = "update tags set key = ?, value = ?, changed = ? where key = ?"
            require_one(file.execute(sql, (*values_of(self._checked(new)), old.key)))

    def delete(self, row: Tag) -> None:
        """Remove a tag."""
        with self._open() as file:
            require_one(file.execute("delete from tags where key = ?", (row.key,)))

    @staticmethod
    def _checked(row: Tag) -> Tag:
        """Return the tag with the time of now; refuse one that makes no sense."""
        if not row.key.strip():
            raise ConstraintFailed("a tag needs a key")
        if len(row.key) + len(row.value) > MAX_LETTERS:
            raise ConstraintFailed(f"a tag has {MAX_LETTERS} letters at the most")
        return Tag(key=row.key, value=row.value, changed=datetime.now(UTC).replace(microsecond=0))

    @contextmanager
    def _open(self, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        """Open the file for one statement, which is written whole or not at all."""
        try:
            if create and not self.path.exists():
                self.path.parent.mkdir(parents=True, exist_ok=True)
                # Make the file before SQLite does, so that it is never open to others.
                os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
            uri = f"{self.path.absolute().as_uri()}?mode=rw"
            with closing(sqlite3.connect(uri, uri=True, timeout=PATIENCE)) as file, file:
                if create:
                    file.execute(SCHEMA)
                yield file
        except sqlite3.IntegrityError as error:
            raise ConstraintFailed(str(error)) from error
        except sqlite3.Error as error:
            raise TableError(f"{self.path}: {error}") from error
        except OSError as error:
            raise TableError(f"{error.filename or self.path}: {error.strerror}") from error


def tags_table(path: Path) -> Table:
    """Return the table of the tags in a file."""
    examples = ("select key, value from my_ext where key = 'owner'",)
    return table("my_ext", examples=examples)(Tags(path))


def values_of(tag: Tag) -> tuple[str, str, int]:
    """Return the values of a tag's row in the file."""
    assert tag.changed is not None
    return tag.key, tag.value, int(tag.changed.timestamp())


def marks(values: tuple[object, ...]) -> str:
    """Return a question mark for each value."""
    return ", ".join("?" * len(values))


def require_one(done: sqlite3.Cursor) -> None:
    """Refuse a write to a tag that was removed meanwhile."""
    if done.rowcount != 1:
        raise TableError("the tag is not there any more")
