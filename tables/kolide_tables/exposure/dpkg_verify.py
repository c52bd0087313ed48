"""kolide_dpkg_verify: files of Debian packages that have changed since they were installed.

Only the files' content is compared, as `dpkg -V` does. The sums are MD5, and anybody who can change a program
can change its sum as well: this finds accidents and carelessness. Source: deb-md5sums(5), dpkg(1) on
--verify, and dpkg's database (status, diversions).
"""

import os
import re
import stat
from collections.abc import Iterator
from typing import NamedTuple

from kolide_kit.files import Unreadable, open_file, read_file
from kolide_kit.limits import Budget
from kolide_kit.text import shown
from osquery_sdk import Column, ColumnType, Query, Row, TableError, table

from ..reading.paths import names_in

_DATABASE = "/var/lib/dpkg"  # below the root folder
_NAME = r"[a-z0-9][a-z0-9+.\-]+"
_ARCHITECTURE = r"[a-z0-9][a-z0-9\-]*"
_BLOCK = 1 << 20
_STATUS_BYTES = 256 << 20


class ChangedFile(Row):
    """A file of a package that has been changed or is missing."""

    package: str = Column(
        "Package's name; with :ARCHITECTURE for one of several that are installed",
        index=True,
        required=True,
        key=True,
    )
    path: str = Column("The file", key=True)
    expected_md5: str | None = Column("MD5 of what was installed, 32 hex digits; empty for a folder or link")
    actual_md5: str | None = Column("MD5 of what is there; empty if it is missing, or not a file any more")
    conffile: int = Column("1 if it is configuration, which may be changed", type=ColumnType.INTEGER)


class Expected(NamedTuple):
    """A file of a package as it was installed; folders and links have no sum and only have to exist."""

    path: bytes
    md5: str | None
    conffile: bool


@table(
    "kolide_dpkg_verify",
    privilege="Without root: files that the user may not read are not compared.",
    platforms=("linux",),
    elsewhere="dpkg is Debian's package manager",
    examples=(
        (
            "select path, expected_md5, actual_md5 from kolide_dpkg_verify "
            "where package in ('openssh-server', 'sudo', 'login') and conffile = 0"
        ),
        "select package, path from kolide_dpkg_verify where package = 'openssh-server' and conffile = 1",
    ),
)
def dpkg_verify(query: Query) -> Iterator[ChangedFile]:
    """Files of Debian packages that have changed or are missing since they were installed, by MD5 sums."""
    return changed_rows(query)


def changed_rows(query: Query, root: str = "") -> Iterator[ChangedFile]:
    """Yield the rows of the packages that are installed below a root folder."""
    names = query.equals("package")
    if names is None and query.constraints("package"):
        raise TableError(
            "name a package with = or IN: the files of all packages are too many to read at once"
        )
    # osqueryd does not pass on a term that compares with NULL or an empty text, as a join may have it: then
    # no package is wanted.
    budget = Budget.of(query)
    database = root + _DATABASE
    found = {name: _sums(name, database) for name in names or ()}
    known = {name: sums for name, sums in found.items() if sums is not None}
    if not known:
        return
    try:
        conffiles = _conffiles(set(known), database)
        diverted = _diversions(database)
    except Unreadable as error:
        raise TableError(f"dpkg's database cannot be read: {error}") from error
    for name, sums in known.items():
        for file in _each_once(sums, conffiles[name]):
            budget.check()
            place = diverted.get(file.path, (file.path, b""))
            # The package that diverted the file has its own file at the original path.
            path = file.path if place[1] == name.partition(":")[0].encode() else place[0]
            place_now = root + os.fsdecode(path)
            if file.md5 is None and os.path.lexists(place_now):
                continue
            try:
                actual = None if file.md5 is None else _md5(place_now, budget)
            except Unreadable as error:
                query.warn(f"whether it has changed cannot be said: {error}")
                continue
            if actual is None or actual != file.md5:
                budget.add_rows()
                yield ChangedFile(
                    package=name,
                    path=shown(path),
                    expected_md5=file.md5,
                    actual_md5=actual,
                    conffile=int(file.conffile),
                )


def _sums(name: str, database: str) -> list[Expected] | None:
    """Return the files of a package but its configuration; None if there is no such package."""
    if not re.fullmatch(f"{_NAME}(:{_ARCHITECTURE})?", name):
        return None
    info = f"{database}/info"
    files = [f"{info}/{name}"]
    if ":" in name:
        files.append(f"{info}/{name.partition(':')[0]}")
    elif not os.path.lexists(f"{info}/{name}.list"):
        # Packages that may be installed for several architectures have them in the names of their files.
        lists = [file for file in names_in(info) if file.startswith(f"{name}:") and file.endswith(".list")]
        files += [f"{info}/{file.removesuffix('.list')}" for file in lists]
    stems = [stem for stem in files if os.path.lexists(f"{stem}.list")]
    if not stems:
        return None
    # Take the first of several architectures: they share the files that are not for one alone.
    try:
        listed = read_file(f"{stems[0]}.list").split(b"\n")
    except Unreadable as error:
        raise TableError(f"dpkg's database cannot be read: {error}") from error
    try:
        sums = list(parse_sums(read_file(f"{stems[0]}.md5sums")))
    except Unreadable:
        sums = []  # a package with configuration alone, or without files, has no sums
    return sums + [Expected(path, None, conffile=False) for path in listed if path.startswith(b"/")]


def _each_once(files: list[Expected], conffiles: list[Expected]) -> list[Expected]:
    """Return each file once; a file that is listed without a sum only if it has none elsewhere."""
    with_sums = {file.path: file for file in (*files, *conffiles) if file.md5}
    rest = (file for file in files if file.md5 is None and file.path not in with_sums)
    return [*with_sums.values(), *rest]


def parse_sums(content: bytes) -> Iterator[Expected]:
    """Yield the lines of an md5sums file; other lines are skipped."""
    for line in content.split(b"\n"):
        md5, separator, path = line.partition(b"  ")
        if separator and re.fullmatch(rb"[0-9a-f]{32}", md5) and path:
            yield Expected(b"/" + path.removeprefix(b"./"), md5.decode(), conffile=False)


def _conffiles(packages: set[str], database: str) -> dict[str, list[Expected]]:
    conffiles: dict[str, list[Expected]] = {name: [] for name in packages}
    status = read_file(f"{database}/status", max_bytes=_STATUS_BYTES)
    for name in packages:
        package, _, architecture = name.partition(":")
        for stanza in _stanzas(status, package.encode()):
            if not architecture or b"\nArchitecture: %b\n" % architecture.encode() in stanza:
                conffiles[name] = list(parse_conffiles(stanza))
                break
    return conffiles


def _stanzas(status: bytes, package: bytes) -> Iterator[bytes]:
    head = b"Package: %b\n" % package
    at = 0 if status.startswith(head) else status.find(b"\n" + head)
    while at >= 0:
        end = status.find(b"\n\n", at + 1)
        yield status[at : len(status) if end < 0 else end + 1]
        at = status.find(b"\n" + head, at + len(head))


def parse_conffiles(stanza: bytes) -> Iterator[Expected]:
    """Yield the configuration files in a package's part of the status file, without obsolete and uninstalled
    ones.
    """
    _, separator, rest = stanza.partition(b"\nConffiles:\n")
    for line in rest.split(b"\n") if separator else ():
        if not line.startswith(b" "):
            return
        words = line[1:].rsplit(b" ", 1)
        if len(words) == 2 and re.fullmatch(rb"[0-9a-f]{32}", words[1]):
            yield Expected(words[0], words[1].decode(), conffile=True)


def _diversions(database: str) -> dict[bytes, tuple[bytes, bytes]]:
    """Return the new place of each diverted file, and the package that diverted it, by the file's path."""
    lines = read_file(f"{database}/diversions").split(b"\n")
    return dict(zip(lines[0::3], zip(lines[1::3], lines[2::3], strict=False), strict=False))


def _md5(path: str, budget: Budget) -> str | None:
    """Return the MD5 of a file's content; None if it is missing or not a regular file; raises Unreadable."""
    import hashlib

    digest = hashlib.md5(usedforsecurity=False)
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return None
        with open_file(path) as file:
            while block := file.read(_BLOCK):
                budget.check()
                digest.update(block)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise Unreadable(f"{shown(path)}: {error}") from error
    return digest.hexdigest()
