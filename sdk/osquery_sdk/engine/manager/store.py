"""Keep keys and values by domain in the file of `--database_path`, an SQLite database."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import apsw

from ...errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_BUSY = 2000
_TABLE = "create table if not exists kv (domain, key, value, primary key (domain, key))"
_COLUMNS = ("domain", "key", "value")


class Store:
    """Keys and values in a file.

    Args:
        path: path of the file. It is made if it is missing; its folder has to exist.
    """

    def __init__(self, path: str) -> None:
        """Open the file.

        Raises:
            StoreError: the file cannot be read and written, or belongs to another program.
        """
        self._path = path
        _require_place(path)
        try:
            self._connection = apsw.Connection(path)
            self._connection.setbusytimeout(_BUSY)
            self._require_own()
            # SQLite opens a read-only file without an error, and would fail at the first write.
            if self._connection.readonly("main"):
                raise apsw.ReadOnlyError
            self._connection.execute(_TABLE)
        except apsw.Error as error:
            raise self._error(error) from error

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """Yield each domain, key and value.

        Raises:
            StoreError: the file cannot be read.
        """
        try:
            for domain, key, value in self._connection.execute("select domain, key, value from kv"):
                yield str(domain), str(key), str(value)
        except apsw.Error as error:
            raise self._error(error) from error

    def put(self, domain: str, values: Mapping[str, str]) -> None:
        """Set values.

        Raises:
            StoreError: the file cannot be written; no value was set.
        """
        rows = [(domain, key, value) for key, value in values.items()]
        self._change("insert or replace into kv values (?, ?, ?)", rows)

    def remove(self, domain: str, keys: Iterable[str]) -> None:
        """Remove keys.

        Raises:
            StoreError: the file cannot be written; no key was removed.
        """
        self._change("delete from kv where domain = ? and key = ?", [(domain, key) for key in keys])

    def _change(self, sql: str, rows: Sequence[tuple[str, ...]]) -> None:
        try:
            with self._connection:
                self._connection.executemany(sql, rows)
        except apsw.Error as error:
            raise self._error(error) from error

    def _require_own(self) -> None:
        """Refuse a database of another program."""
        tables = [str(name) for (name,) in self._connection.execute("select name from sqlite_master")]
        columns = tuple(str(row[1]) for row in self._connection.execute("pragma table_info(kv)"))
        if (tables and "kv" not in tables) or (columns and columns != _COLUMNS):
            raise StoreError(
                f"--database_path {self._path}: it is another program's database; name a new file"
            )

    def _error(self, error: apsw.Error) -> StoreError:
        why = {
            apsw.NotADBError: "it is no SQLite database; name a new file",
            apsw.CantOpenError: "it cannot be opened",
            apsw.ReadOnlyError: "it may not be written",
            apsw.PermissionsError: "it may not be used by this user",
            apsw.FullError: "there is no room for it on its file system",
            apsw.BusyError: "another program is using it",
            apsw.CorruptError: "it is damaged; name a new file",
        }.get(type(error), str(error))
        return StoreError(f"--database_path {self._path}: {why}")


def _require_place(path: str) -> None:
    """Refuse paths for which SQLite only says "unable to open", with a reason."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  a flag's text
    except FileNotFoundError:
        folder = os.path.dirname(os.path.realpath(path))  # noqa: PTH120
        if not os.path.isdir(folder):  # noqa: PTH112
            raise StoreError(f"--database_path {path}: there is no folder {folder}") from None
        return
    except OSError as error:
        raise StoreError(f"--database_path {path}: {error.strerror}") from error
    if stat.S_ISDIR(mode):
        raise StoreError(
            f"--database_path {path}: it is a folder, as osqueryd keeps its database;"
            " this engine keeps it in a file"
        )
    if not stat.S_ISREG(mode):
        raise StoreError(f"--database_path {path}: it is not a regular file")
