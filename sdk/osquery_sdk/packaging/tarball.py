"""Write a tar.gz with the files of a package, and two scripts that install and remove them."""

from __future__ import annotations

import gzip
import io
import shlex
import tarfile
from typing import TYPE_CHECKING

from . import maintainer
from .model import Entry, with_folders

if TYPE_CHECKING:
    from pathlib import Path

    from .model import Package

_SYSTEMS = {"linux": "linux", "darwin": "macos"}
_TYPES = {"folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}


def file_name(package: Package) -> str:
    """Return the name of the archive."""
    return f"{folder_name(package)}.tar.gz"


def folder_name(package: Package) -> str:
    """Return the name of the only folder at the top of the archive."""
    return f"{package.name}-{package.version.text}-{_SYSTEMS[package.platform]}-{package.machine}"


def render(package: Package, work: Path) -> Path:
    """Write the archive: entries sorted by name, all owned by root and of the same date."""
    file = work / file_name(package)
    top = folder_name(package)
    with (
        file.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=9, fileobj=raw, mtime=package.build_time) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        placed = [
            entry._replace(path=f"/root{entry.path}".rstrip("/")) for entry in with_folders(package.entries)
        ]
        for entry in (Entry("", "folder", 0o755), *_own(package), *placed):
            info = tarfile.TarInfo(f"{top}{entry.path}")
            info.mode, info.mtime = entry.mode, package.build_time
            info.uname, info.gname = "root", "wheel" if package.platform == "darwin" else "root"
            info.type, info.linkname = _TYPES.get(entry.kind, tarfile.REGTYPE), entry.target
            content = b"" if entry.kind in _TYPES else entry.read()
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file


def _own(package: Package) -> list[Entry]:
    """Return the two scripts, and the list of the files that they know."""
    listed = "".join(
        f"{entry.kind} {entry.mode:04o} {entry.path}\n"
        for entry in sorted(package.entries)
        if not entry.path.startswith(f"{package.home}/")
    )
    head = "#!/bin/sh\n" + maintainer.library(package, root="${DESTDIR:-}")
    home = f"home={shlex.quote(package.home)}\n"
    return [
        Entry(f"/{name}", "file", 0o755, f"{head}\n{home}\n{maintainer.code(f'{name}.sh')}".encode())
        for name in ("install", "remove")
    ] + [Entry("/files", "file", 0o644, listed.encode())]
