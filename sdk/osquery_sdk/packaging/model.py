"""Describe a package independently of its form: files, modes, owners, services, dependencies.

A renderer writes a `Package` in one form. It decides how the form expresses it, and never changes the
content.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .version import Version

Kind = Literal["add-on", "full"]
EntryKind = Literal["file", "folder", "link", "config"]


class Entry(NamedTuple):
    """A file, folder or symbolic link that a package puts somewhere."""

    path: str
    """The absolute path to put it at, with slashes; on Windows without the drive."""
    kind: EntryKind
    """A `config` belongs to the operator once it is there: an upgrade leaves it alone if it was changed."""
    mode: int
    content: Path | bytes = b""
    """The content, or the file that holds it."""
    target: str = ""
    """The path that a link leads to."""
    owner: str = "root"
    group: str = "root"
    secret: bool = False
    """True if others must not read it, not even in the package."""

    def read(self) -> bytes:
        """Return the content."""
        return self.content.read_bytes() if isinstance(self.content, Path) else self.content

    def staged(self, folder: Path) -> Path:
        """Return a file with the content: the entry's own, or one that is written to `folder`."""
        if isinstance(self.content, Path):
            return self.content
        place = folder / self.path.strip("/").replace("/", "_")
        place.write_bytes(self.content)
        return place


def with_folders(entries: Iterable[Entry]) -> list[Entry]:
    """Return an entry for every path from the root on, parents first."""
    known = {entry.path: entry for entry in entries}
    for path in list(known):
        for parent in map(str, Path(path).parents):
            known.setdefault(parent, Entry(parent, "folder", 0o755))
    return sorted(known.values(), key=lambda entry: entry.path.split("/"))


class Service(NamedTuple):
    """A program that the system starts and keeps running."""

    name: str
    description: str
    program: str
    arguments: tuple[str, ...]


class Package(NamedTuple):
    """A package for one platform and machine."""

    name: str
    version: Version
    release: int
    kind: Kind
    identifier: str
    platform: str
    """`linux`, `darwin` or `win32`."""
    machine: str
    """`x86_64`, `arm64`, ..."""
    summary: str
    """A description in one line."""
    description: str
    maintainer: str
    homepage: str
    license: str
    """An SPDX expression."""
    entries: tuple[Entry, ...] = ()
    program: str = ""
    """The file that osqueryd starts."""
    home: str = ""
    """The folder of the bundle, which is this package's alone."""
    load_list: str = ""
    """The file that names the program for osqueryd."""
    owns_load_list: bool = False
    """True if the load list is one of the entries. Else the operator owns it, and scripts add a line."""
    services: tuple[Service, ...] = ()
    state: str = ""
    """The folder that the service writes to; empty without a service."""
    depends: tuple[str, ...] = ()
    recommends: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    glibc: str = ""
    """The oldest glibc that it runs with; empty if it needs none."""
    libc: str = ""
    """The C library that a Linux program is linked with: `glibc`, `musl` or empty."""
    build_time: int = 0
    """The date of everything in the package, in Unix seconds."""

    @property
    def date(self) -> datetime:
        """The date of everything in the package, in UTC."""
        return datetime.fromtimestamp(self.build_time, UTC)

    @property
    def timestamp(self) -> str:
        """The date in RFC 3339 format."""
        return self.date.strftime("%Y-%m-%dT%H:%M:%SZ")

    def of_kind(self, kind: EntryKind) -> list[Entry]:
        """Return the entries of a kind."""
        return [entry for entry in self.entries if entry.kind == kind]

    @property
    def secret(self) -> bool:
        """True if others must not read the package itself, as it holds a secret."""
        return any(entry.secret for entry in self.entries)
