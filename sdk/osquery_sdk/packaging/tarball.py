"""Write a tar.gz with the files of a package, and two scripts that install and remove them."""

from __future__ import annotations

import gzip
import io
import shlex
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from . import maintainer

if TYPE_CHECKING:
    from .model import Entry, Package

_SYSTEMS = {"linux": "linux", "darwin": "macos"}


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
        _add(archive, package, top, None, 0o755)
        for name, mode, content in _own(package):
            _add(archive, package, f"{top}/{name}", content, mode)
        placed: set[str] = set()
        for entry in sorted(package.entries):
            for folder in reversed(Path(entry.path).parents):
                if str(folder) not in placed:
                    placed.add(str(folder))
                    known = next((e for e in package.of_kind("folder") if e.path == str(folder)), None)
                    mode = known.mode if known else 0o755
                    _add(archive, package, f"{top}/root{str(folder).rstrip('/')}", None, mode)
            if entry.kind == "folder":
                if entry.path not in placed:
                    placed.add(entry.path)
                    _add(archive, package, f"{top}/root{entry.path}", None, entry.mode)
            elif entry.kind == "link":
                _link(archive, package, f"{top}/root{entry.path}", entry)
            else:
                _add(archive, package, f"{top}/root{entry.path}", entry.read(), entry.mode)
    return file


def _own(package: Package) -> list[tuple[str, int, bytes]]:
    listed = "".join(
        f"{entry.kind} {entry.mode:04o} {entry.path}\n"
        for entry in sorted(package.entries)
        if not entry.path.startswith(f"{package.home}/")
    )
    head = "#!/bin/sh\n" + maintainer.library(package, root="${DESTDIR:-}")
    home = f"home={shlex.quote(package.home)}\n"
    return [
        (name, 0o755, f"{head}\n{home}\n{maintainer.code(f'{name}.sh')}".encode())
        for name in ("install", "remove")
    ] + [("files", 0o644, listed.encode())]


def _header(package: Package, name: str, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode, info.mtime = mode, package.build_time
    info.uname, info.gname = "root", "wheel" if package.platform == "darwin" else "root"
    return info


def _add(archive: tarfile.TarFile, package: Package, name: str, content: bytes | None, mode: int) -> None:
    info = _header(package, name, mode)
    if content is None:
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
    else:
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))


def _link(archive: tarfile.TarFile, package: Package, name: str, entry: Entry) -> None:
    info = _header(package, name, 0o777)
    info.type, info.linkname = tarfile.SYMTYPE, entry.target
    archive.addfile(info)
