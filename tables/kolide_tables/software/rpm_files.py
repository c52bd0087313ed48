"""Look up the packages that own files in RPM's database.

Its current form is a SQLite file, which has an index of file names. Older forms are read with the program
rpm, all at once. Sources: rpm's lib/backend/sqlite.c, and the header format in its manual.
"""

import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from kolide_kit.text import shown
from osquery_sdk import Query, TableError, run_program

from ..reading.paths import names_in
from ..reading.tools import find_tool
from .package_lists import Owned, Owner, Source

if TYPE_CHECKING:
    import sqlite3

_FOLDERS = ("var/lib/rpm", "usr/lib/sysimage/rpm")
_SQLITE = "rpmdb.sqlite"
# Unless it is told the form, rpm makes a new database beside one that it does not take for its own.
_OLDER = {"Packages.db": "ndb", "Packages": "bdb_ro"}
_MOST_BYTES = 256 << 20
_FORMAT = "%{NAME}\\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\t%|VENDOR?{%{VENDOR}}|\\n[%{FILENAMES}\\n]\\n"

_WITH_NAME = "select blob from Packages where hnum in (select hnum from Basenames where key = ?)"
_NAME, _VERSION, _RELEASE, _EPOCH, _VENDOR = 1000, 1001, 1002, 1003, 1011
_STATES, _DIRECTORY_OF, _BASENAMES, _DIRECTORIES = 1029, 1116, 1117, 1118
_CHAR, _INT32, _STRING, _TEXTS = 1, 4, 6, 8
_HERE = 0  # a file's state: it was installed, and no other package has replaced it


class _Header(NamedTuple):
    owner: Owner
    paths: list[bytes]


def databases(root: str) -> Iterator[str]:
    """Yield the SQLite files below a root folder; one of the two folders is often a link to the other."""
    seen: set[str] = set()
    for folder in _FOLDERS:
        path = os.path.realpath(f"{root}/{folder}/{_SQLITE}")
        if path not in seen and os.path.isfile(path):  # noqa: PTH113
            seen.add(path)
            yield path


def owners_of(database: str, paths: Iterable[bytes], query: Query) -> Iterator[Owner]:
    """Yield the packages that have one of the paths."""
    wanted = set(paths)
    for base in {path.rpartition(b"/")[2] for path in wanted}:
        for header in _headers(database, _WITH_NAME, (os.fsdecode(base) if _is_text(base) else base,), query):
            if not wanted.isdisjoint(header.paths):
                yield header.owner


def all_files(database: str, query: Query) -> Iterator[Owned]:
    """Yield all packages with their files."""
    return _headers(database, "select blob from Packages", (), query)


def _headers(
    database: str, statement: str, values: tuple[str | bytes, ...], query: Query
) -> "Iterator[_Header]":
    import sqlite3

    try:
        with closing(_open(database)) as connection:
            for (blob,) in connection.execute(statement, values):
                header = parse_header(blob) if isinstance(blob, bytes) else None
                if header is not None:
                    yield header
    except sqlite3.Error as error:
        query.warn(f"{shown(database)}: {error}")


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _open(database: str) -> "sqlite3.Connection":
    import sqlite3
    from urllib.parse import quote

    # A log that has not been written back yet has to be read, and needs the file beside it. Without one,
    # nothing is created.
    has_log = os.path.exists(f"{database}-wal")  # noqa: PTH110
    mode = "mode=ro" if has_log else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"file:{quote(database)}?{mode}", uri=True, timeout=2.0)
    connection.execute("pragma query_only = on")
    return connection


def parse_header(blob: bytes) -> _Header | None:
    """Return the package of a header, with the files that it has; None for other content."""
    try:
        tags = _Tags(blob)
        name, version, release = (tags.text(tag) for tag in (_NAME, _VERSION, _RELEASE))
        if not name:
            return None
        epoch = tags.numbers(_EPOCH)
        number = f"{epoch[0]}:" if epoch else ""
        full = f"{number}{shown(version)}-{shown(release)}"
        owner = Owner("rpm", shown(name), full, shown(tags.text(_VENDOR)) or None)
        folders, states = tags.texts(_DIRECTORIES), tags.bytes(_STATES)
        paths = [
            folders[folder] + base
            for at, (folder, base) in enumerate(
                zip(tags.numbers(_DIRECTORY_OF), tags.texts(_BASENAMES), strict=False)
            )
            if at >= len(states) or states[at] == _HERE
        ]
    except (struct.error, IndexError, ValueError):
        return None
    return _Header(owner, paths)


class _Tags:
    """The values of a header: a table of (tag, type, offset, count), and the data."""

    def __init__(self, blob: bytes) -> None:
        count, size = struct.unpack_from(">II", blob)
        start = 8 + count * 16
        self._data = blob[start : start + size]
        self._places = {tag: rest for tag, *rest in struct.iter_unpack(">4I", blob[8:start])}

    def texts(self, tag: int) -> list[bytes]:
        kind, offset, count = self._places.get(tag, (_TEXTS, 0, 0))
        if kind != _TEXTS:
            raise ValueError(tag)
        return self._data[offset:].split(b"\0", count)[:count] if count else []

    def text(self, tag: int) -> bytes:
        kind, offset, _ = self._places.get(tag, (0, 0, 0))
        # A text in several languages begins with the first.
        return self._data[offset : self._data.index(b"\0", offset)] if kind in (_STRING, _TEXTS, 9) else b""

    def numbers(self, tag: int) -> tuple[int, ...]:
        kind, offset, count = self._places.get(tag, (_INT32, 0, 0))
        if kind != _INT32:
            raise ValueError(tag)
        return struct.unpack_from(f">{count}I", self._data, offset)

    def bytes(self, tag: int) -> bytes:
        kind, offset, count = self._places.get(tag, (_CHAR, 0, 0))
        return self._data[offset : offset + count] if kind == _CHAR else b""


# -- older forms


def _older(root: str, query: Query) -> Iterator[Owned]:
    """Yield the packages of a database that only rpm itself can read, with their files."""
    places = [(f"{root}/{folder}", name) for folder in _FOLDERS for name in _OLDER]
    found = next(((folder, _OLDER[name]) for folder, name in places if name in names_in(folder)), None)
    if found is None or any(databases(root)):
        return
    folder, form = found
    program = find_tool("rpm")
    if program is None:
        query.warn(f"{shown(folder)} has a form that only rpm reads, and rpm is not installed")
        return
    arguments = ("--define", f"_db_backend {form}", "--dbpath", folder, "-qa", "--queryformat", _FORMAT)
    try:
        output = run_program(
            program, *arguments, timeout=query.remaining(), query=query, max_bytes=_MOST_BYTES
        ).stdout
    except TableError as error:
        query.warn(str(error))
        return
    for block in output.split(b"\n\n"):
        head, *paths = block.split(b"\n")
        name, _, rest = shown(head).partition("\t")
        version, _, vendor = rest.partition("\t")
        if version:
            yield Owner("rpm", name, version, vendor or None), paths


OLDER = Source(tuple(f"{folder}/{name}" for folder in _FOLDERS for name in sorted(_OLDER)), _older)
