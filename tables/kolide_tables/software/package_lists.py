"""Read which files the packages of dpkg, apk and pacman have, from the managers' own databases.

Sources: dpkg's database (info/*.list, status, diversions; dpkg-divert(1)), apk-tools' installed database
(apk-installed(5)), and pacman's local database (desc and files of each package).
"""

import os
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import NamedTuple

from kolide_kit.text import shown
from osquery_sdk import Query

from ..reading.paths import names_in, read_or_warn

_DPKG = "var/lib/dpkg"
_APK = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
_PACMAN = "var/lib/pacman/local"
# dpkg's status and apk's database describe every package of the machine.
_MOST_BYTES = 256 << 20


class Owner(NamedTuple):
    """An installed package; `origin` is None where the manager did not record it."""

    manager: str
    package: str
    version: str | None
    origin: str | None


Owned = tuple[Owner, list[bytes]]


class Source(NamedTuple):
    """A manager's database of files.

    Attributes:
        places: files and folders below the root that change whenever a package does.
        lists: yields each package with its files, below a root folder.
    """

    places: tuple[str, ...]
    lists: Callable[[str, Query], Iterator[Owned]]


def stamp(places: tuple[str, ...], root: str) -> Hashable:
    """Return a value that changes when one of the places does; it is all None if there are none."""
    return tuple(_changed(f"{root}/{place}") for place in places)


def _changed(path: str) -> Hashable:
    try:
        facts = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return (facts.st_ino, facts.st_size, facts.st_mtime_ns)


def _read(path: str, query: Query) -> bytes:
    return read_or_warn(path, query, max_bytes=_MOST_BYTES) or b""


# -- dpkg


def _dpkg(root: str, query: Query) -> Iterator[Owned]:
    top = f"{root}/{_DPKG}"
    known = dict(_dpkg_status(_read(f"{top}/status", query)))
    lines = _read(f"{top}/diversions", query).split(b"\n")
    diverted = dict(zip(lines[0::3], zip(lines[1::3], lines[2::3], strict=False), strict=False))
    for file in names_in(f"{top}/info"):
        if not file.endswith(".list"):
            continue
        name, _, architecture = file.removesuffix(".list").partition(":")
        owner = known.get((name, architecture)) or known.get((name, "")) or Owner("dpkg", name, None, None)
        paths = [b"/" if path == b"/." else path for path in _read(f"{top}/info/{file}", query).split(b"\n")]
        yield owner, [_place(path, name.encode(), diverted) for path in paths if path]


def _place(path: bytes, package: bytes, diverted: Mapping[bytes, tuple[bytes, bytes]]) -> bytes:
    """Return where a package's file is: another place if somebody else diverted it."""
    if path not in diverted:
        return path
    place, by = diverted[path]
    return path if by == package else place


def _dpkg_status(status: bytes) -> Iterator[tuple[tuple[str, str], Owner]]:
    """Yield the packages by name and architecture, and by name alone."""
    for stanza in status.split(b"\n\n"):
        fields = dict(re.findall(rb"^(Package|Version|Architecture|Origin): *(.*)$", stanza, re.MULTILINE))
        name, version = shown(fields.get(b"Package", b"")), shown(fields.get(b"Version", b""))
        if name:
            owner = Owner("dpkg", name, version or None, shown(fields.get(b"Origin", b"")) or None)
            yield (name, shown(fields.get(b"Architecture", b""))), owner
            yield (name, ""), owner


# -- apk


def _apk(root: str, query: Query) -> Iterator[Owned]:
    for place in _APK:
        for block in _read(f"{root}/{place}", query).split(b"\n\n"):
            name, version, folder = b"", b"", b""
            paths: list[bytes] = []
            for line in block.split(b"\n"):
                kind, value = line[:2], line[2:]
                if kind == b"P:":
                    name = value
                elif kind == b"V:":
                    version = value
                elif kind == b"F:":
                    folder = b"/" + value if value else b""
                    paths.append(folder or b"/")
                elif kind == b"R:":
                    paths.append(folder + b"/" + value)
            if name:
                yield Owner("apk", shown(name), shown(version) or None, None), paths


# -- pacman


def _pacman(root: str, query: Query) -> Iterator[Owned]:
    top = f"{root}/{_PACMAN}"
    for folder in names_in(top):
        facts = pacman_fields(_read(f"{top}/{folder}/desc", query))
        files = pacman_fields(_read(f"{top}/{folder}/files", query)).get(b"FILES", [])
        if facts.get(b"NAME"):
            # Newer versions record the repository.
            texts = {key: shown(values[0]) for key, values in facts.items() if values}
            owner = Owner("pacman", texts[b"NAME"], texts.get(b"VERSION"), texts.get(b"INSTALLED_DB"))
            yield owner, [b"/" + path.rstrip(b"/") for path in files]


def pacman_fields(content: bytes) -> dict[bytes, list[bytes]]:
    """Return the lines below each %NAME% of a file of pacman's databases."""
    fields: dict[bytes, list[bytes]] = {}
    lines: list[bytes] = []
    for line in content.split(b"\n"):
        if len(line) > 2 and line[:1] == line[-1:] == b"%":
            lines = fields.setdefault(line[1:-1], [])
        elif line:
            lines.append(line)
    return fields


SOURCES = (
    Source((f"{_DPKG}/info", f"{_DPKG}/status", f"{_DPKG}/diversions"), _dpkg),
    Source(_APK, _apk),
    Source((_PACMAN,), _pacman),
)
