"""kolide_notes: texts by key that people keep about a machine, written and read through SQL.

They are kept in one SQLite file that only its owner can read. Each request opens it anew: it may be moved,
restored from a backup or removed while osquery runs. Nobody else can write to its folder, so the file that
was checked is the one that is opened.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kolide_kit.limits import Limits
from osquery_sdk import (
    Column,
    ConstraintFailed,
    DefinitionError,
    Query,
    Row,
    Table,
    TableError,
    WritableTable,
    table,
)

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Note", "Notes", "notes"]

_SCHEMA = """
create table if not exists notes (
    id integer primary key autoincrement,
    key text not null unique,
    value text not null,
    created integer not null
)
"""
_PAGE_BYTES = 4096
# Seconds to wait for another process that writes.
_PATIENCE = 5.0


class Note(Row):
    """A note."""

    id: int | None = Column("Number of the note; given by the table", index=True, key=True, default=None)
    key: str = Column("Subject of the note; each key has one note", index=True)
    value: str = Column("Text of the note", default="")
    created: datetime | None = Column(
        "Time of writing, Unix seconds; now, unless an INSERT says otherwise", default=None
    )


class Notes(WritableTable[Note]):
    """Notes about this machine: INSERT, UPDATE and DELETE write them, and they outlive osquery.

    Args:
        path: the file; it is made when the first note is written.
        limits: `max_file_bytes` is the most that the file may grow to, `max_rows` the most notes.
    """

    def __init__(self, path: str, *, limits: Limits = Limits()) -> None:  # noqa: B008 - a constant
        """Check the path; the file is not opened yet."""
        if not os.path.isabs(path):  # noqa: PTH117  pathlib is not loaded for this
            raise DefinitionError(f"the notes' file needs a whole path, from the root, not {path!r}")
        self._path = path
        self._limits = limits

    def rows(self, query: Query) -> Iterator[Note]:
        """Yield all notes, or those of the ids or keys that are asked for."""
        for column in ("id", "key"):
            wanted = query.equals(column)
            if wanted is not None:
                # Case is ignored, as a statement may do; osquery checks again.
                yield from self._read(f"{column} collate nocase in ({', '.join('?' * len(wanted))})", wanted)
                return
        yield from self._read("true", ())

    def insert(self, row: Note) -> Note:
        """Keep a note; its id and time are chosen here, unless they are given."""
        created = row.created or datetime.now(UTC)
        values = (row.id, row.key, row.value, int(created.timestamp()))
        with self._open(create=True) as file:
            ((count,),) = file.execute("select count(*) from notes")
            if count >= self._limits.max_rows:
                raise ConstraintFailed(f"there are {count} notes, and no more than max_rows can be read")
            done = file.execute("insert into notes values (?, ?, ?, ?)", values)
        return Note(id=done.lastrowid, key=row.key, value=row.value, created=created)

    def update(self, old: Note, new: Note) -> None:
        """Change a note."""
        created = None if new.created is None else int(new.created.timestamp())
        with self._open() as file:
            done = file.execute(
                "update notes set id = ?, key = ?, value = ?, created = ? where id = ?",
                (new.id, new.key, new.value, created, old.id),
            )
        _require_one(done.rowcount)

    def delete(self, row: Note) -> None:
        """Remove a note."""
        with self._open() as file:
            done = file.execute("delete from notes where id = ?", (row.id,))
        _require_one(done.rowcount)

    def _read(self, condition: str, values: tuple[Any, ...]) -> Iterator[Note]:
        if not os.path.lexists(self._path):
            return  # no note has been written yet
        # No input becomes part of the statement.
        sql = f"select id, key, value, created from notes where {condition} order by id"  # noqa: S608
        with self._open() as file:
            for id_, key, value, created in file.execute(sql, values):
                yield Note(id=id_, key=key, value=value, created=datetime.fromtimestamp(created, UTC))

    @contextmanager
    def _open(self, *, create: bool = False) -> "Iterator[sqlite3.Connection]":
        """Open the file for one statement; SQLite's errors become the table's."""
        import sqlite3
        from pathlib import Path

        _check(self._path, create=create)
        try:
            # Opened by URI with mode=rw, SQLite makes no file if there is none.
            uri = f"{Path(self._path).as_uri()}?mode=rw"
            with closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE)) as file:
                file.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
                file.execute("pragma trusted_schema = off")
                file.execute(f"pragma max_page_count = {max(self._limits.max_file_bytes // _PAGE_BYTES, 8)}")
                if create:
                    file.execute(_SCHEMA)
                with file:
                    yield file
        except sqlite3.IntegrityError as error:
            raise ConstraintFailed(str(error)) from error
        except sqlite3.Error as error:
            raise TableError(f"{self._path}: {error}") from error
        except UnicodeEncodeError as error:
            raise ConstraintFailed("notes are UTF-8") from error


def notes(path: str, *, limits: Limits = Limits()) -> Table:  # noqa: B008 - a constant
    """Return the table of the notes in the file at `path`.

    It is made by a function because it is about a file that only the caller can name.

    Raises:
        DefinitionError: the path is not a whole one.
    """
    return table(
        "kolide_notes",
        examples=(
            "insert into kolide_notes (key, value) values ('owner', 'maria')",
            "select value, datetime(created, 'unixepoch') as since from kolide_notes where key = 'owner'",
            "update kolide_notes set value = 'tom' where key = 'owner'",
            "delete from kolide_notes where key = 'owner'",
        ),
    )(Notes(path, limits=limits)).configured(limits=limits)


def _require_one(count: int) -> None:
    if count != 1:
        raise TableError("the note is not there any more")


def _check(path: str, *, create: bool) -> None:
    """Raise TableError unless the file is a plain file of this user, which nobody else can read, replace or
    write.
    """
    try:
        _check_folder(os.path.dirname(path))  # noqa: PTH120
        if create:
            # Make it before SQLite does, so that it is never open to others.
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        facts = os.lstat(path)
    except OSError as error:
        raise TableError(f"{path}: {error.strerror}") from error
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink > 1:
        raise TableError(f"{path} is not a plain file: notes are kept in one")
    if os.name != "posix":  # elsewhere mode and owner say nothing
        return
    if facts.st_uid != os.geteuid():
        raise TableError(f"{path} belongs to user {facts.st_uid}, and this runs as {os.geteuid()}")
    if facts.st_mode & 0o077:
        raise TableError(f"{path} is open to other users: chmod 600 it")


def _check_folder(folder: str) -> None:
    """Raise TableError unless nobody else can write to the folder, or replace it or a folder above it.

    SQLite trusts the files beside its own, and a renamed folder could be replaced by another.
    """
    if os.name != "posix":
        return
    from pathlib import Path

    at = Path(os.path.realpath(folder))
    for place in (at, *at.parents):
        facts = place.stat()
        open_to_others = facts.st_mode & 0o022 and (place == at or not facts.st_mode & stat.S_ISVTX)
        if facts.st_uid not in (0, os.geteuid()) or open_to_others:
            raise TableError(f"{place} can be written by other users, who could replace the notes' file")
