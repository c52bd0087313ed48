"""What a package is, whatever its form: files, modes, owners, services, what it needs, and what happens when.

A renderer turns a `Package` into one form. It decides how the form says it, never what is said.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .version import Version

Kind = Literal["add-on", "full"]
EntryKind = Literal["file", "folder", "link", "config"]


class Entry(NamedTuple):
    """A file, folder or symbolic link that a package puts somewhere."""

    path: str
    """Where to, absolute; with slashes, on Windows below the drive."""
    kind: EntryKind
    """A `config` is the operator's once it is there: an upgrade does not touch it when it was changed."""
    mode: int
    content: Path | bytes = b""
    """The file that holds its content, or the content."""
    target: str = ""
    """What a link leads to."""
    owner: str = "root"
    group: str = "root"
    secret: bool = False
    """It must not be read by others, in the package neither."""

    def read(self) -> bytes:
        """The content."""
        return self.content.read_bytes() if isinstance(self.content, Path) else self.content

    def staged(self, folder: Path) -> Path:
        """A file with the content: its own, or one made in `folder`."""
        if isinstance(self.content, Path):
            return self.content
        place = folder / self.path.strip("/").replace("/", "_")
        place.write_bytes(self.content)
        return place


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
    """One line."""
    description: str
    maintainer: str
    homepage: str
    license: str
    """An SPDX expression."""
    entries: tuple[Entry, ...]
    program: str
    """The file that osqueryd starts."""
    home: str
    """The folder of the bundle, which is this package's alone."""
    load_list: str
    """The file that names the program for osqueryd."""
    owns_load_list: bool
    """It is one of the entries; otherwise it is the operator's, and the scripts add a line to it."""
    services: tuple[Service, ...] = ()
    state: str = ""
    """The folder that the service writes to."""
    depends: tuple[str, ...] = ()
    recommends: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    glibc: str = ""
    """The oldest glibc that it runs with; empty if it needs none."""
    libc: str = ""
    """`glibc`, `musl` or empty: what a Linux program is linked with."""
    made: int = 0
    """Unix seconds that everything in it is dated with."""

    def of_kind(self, *kinds: EntryKind) -> Iterator[Entry]:
        """The entries of these kinds."""
        return (entry for entry in self.entries if entry.kind in kinds)

    @property
    def secret(self) -> bool:
        """Whether the package itself must not be read by others."""
        return any(entry.secret for entry in self.entries)
