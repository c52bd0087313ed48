"""Write packages for macOS's installer.

::

    Distribution        what the installer shows
    NAME.pkg/
        PackageInfo     identifier, version, size
        Bom             the bill of materials, see `bom.py`
        Payload         the files: cpio, compressed
        Scripts         preinstall and postinstall: cpio, compressed

bsdtar writes the archives, the outer one as xar, from lists that say owners, modes and times. The package is
not signed: that takes Apple's tools and an account there. `productsign` signs a finished package on a Mac.
"""

from __future__ import annotations

import gzip
import shlex
import stat
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from . import bom, maintainer
from .defaults import with_defaults
from .markup import to_xml
from .model import Entry, with_folders
from .tools import find_tool, run_tool
from .xar import settle

if TYPE_CHECKING:
    from pathlib import Path

    from .model import Package

_TYPES = {"file": stat.S_IFREG, "folder": stat.S_IFDIR, "link": stat.S_IFLNK}
_KINDS = {"file": bom.FILE, "folder": bom.FOLDER, "link": bom.LINK}


def find_bsdtar() -> str:
    """Return the path of bsdtar, or raise PackagingError if it is not installed."""
    return find_tool("bsdtar", "pkg", "libarchive-tools")


def file_name(package: Package) -> str:
    """Return the name of the package's file."""
    return f"{package.name}-{package.version.text}-macos-{package.machine}.pkg"


def identifier(package: Package) -> str:
    """Return the identifier by which macOS knows the package."""
    name = package.name.lower().replace("_", "-")
    return f"com.{package.identifier}" + ("" if name == package.identifier else f".{name}")


def render(package: Package, work: Path) -> Path:
    """Write the package into a folder, and return its file."""
    plain, defaults = with_defaults(package)
    inner = work / "inner"
    parts = inner / f"{package.name}.pkg"
    parts.mkdir(parents=True)
    # macOS has no command that removes a package.
    remover = Entry(f"{plain.home}/remove.sh", "file", 0o755, _remove_script(plain).encode())
    entries = with_folders([*plain.entries, remover])
    size = sum(len(entry.read()) for entry in entries if entry.kind == "file")
    (parts / "Bom").write_bytes(bom.make_bom([_billed(entry, package.build_time) for entry in entries]))
    (parts / "Payload").write_bytes(_cpio(plain, entries, work / "payload"))
    scripts = _scripts(plain, maintainer.library(plain, defaults=defaults))
    (parts / "Scripts").write_bytes(_cpio(plain, scripts, work / "scripts"))
    (parts / "PackageInfo").write_bytes(_package_info(plain, len(entries), size))
    (inner / "Distribution").write_bytes(_distribution(plain, size))
    file = work / file_name(package)
    lines = ["#mtree"]
    for path in sorted(inner.rglob("*")):
        kind = "dir mode=0755" if path.is_dir() else f"file mode=0644 contents={_word(str(path))}"
        name = path.relative_to(inner).as_posix()
        lines.append(
            f"{_word(name)} type={kind} uid=0 gid=0 uname=root gname=wheel time={package.build_time}.0"
        )
    _bsdtar("xar", "\n".join(lines), work / "outer.mtree", file, "--options", "xar:compression=none")
    settle(file, package.date)
    return file


def _inside(entry: Entry) -> str:
    return "." if entry.path == "/" else f".{entry.path}"


def _billed(entry: Entry, build_time: int) -> bom.Path:
    mode = _TYPES[entry.kind] | (0o755 if entry.kind == "link" else entry.mode)
    path = bom.Path(_inside(entry), _KINDS[entry.kind], mode, build_time, target=entry.target)
    if entry.kind == "folder":
        return path
    content = entry.read() if entry.kind == "file" else entry.target.encode()
    return path._replace(size=len(content), checksum=bom.cksum(content))


def _cpio(package: Package, entries: list[Entry], work: Path) -> bytes:
    """Return the entries as a compressed cpio archive."""
    work.mkdir()
    lines = ["#mtree"]
    for entry in entries:
        if entry.kind == "folder":
            kind = f"dir nlink=1 mode={entry.mode:04o}"
        elif entry.kind == "link":
            kind = f"link mode=0755 link={_word(entry.target)}"
        else:
            kind = f"file mode={entry.mode:04o} contents={_word(str(entry.staged(work)))}"
        lines.append(f"{_word(_inside(entry))} type={kind} uid=0 gid=0 time={package.build_time}.0")
    archive = work / ".cpio"
    _bsdtar("odc", "\n".join(lines), work / ".mtree", archive)
    return gzip.compress(archive.read_bytes(), 9, mtime=0)


def _bsdtar(form: str, text: str, listing: Path, archive: Path, *options: str) -> None:
    listing.write_text(text + "\n", encoding="utf-8")
    command = [find_bsdtar(), "--create", "--file", str(archive), "--format", form, *options, f"@{listing}"]
    run_tool("bsdtar", "write the pkg", command)


def _word(text: str) -> str:
    """Write a word of an mtree list, with octal escapes for special characters."""
    return "".join(
        chr(byte) if 0x21 <= byte < 0x7F and byte not in b"\\#=" else f"\\{byte:03o}"
        for byte in text.encode()
    )


def _scripts(package: Package, library: str) -> list[Entry]:
    """Return the entries of the scripts.

    preinstall leaves a note if a version is installed already. postinstall then keeps the load list as it is.
    """
    note = '"${INSTALLER_TEMP:-/tmp}/' + f'{package.identifier}.{package.name}.upgrade"'
    program = f'"${{3%/}}"{shlex.quote(package.program)}'
    before = f"#!/bin/sh\nif [ -e {program} ]; then : >{note}; else rm -f {note}; fi\nexit 0\n"
    root = 'case "${3-/}" in /) root= ;; *) root=${3%/} ;; esac\n'
    after = (
        f"#!/bin/sh\n{library}\n{root}"
        f"if [ -e {note} ]; then\n\trm -f {note}\n\tupgraded\nelse\n\tinstalled\nfi\nexit 0\n"
    )
    return [
        Entry("/", "folder", 0o755),
        Entry("/postinstall", "file", 0o755, after.encode()),
        Entry("/preinstall", "file", 0o755, before.encode()),
    ]


def _remove_script(package: Package) -> str:
    """Return the script that removes the package's files; with --purge also those that the operator wrote."""
    others = [e for e in package.entries if e.kind != "folder" and not e.path.startswith(f"{package.home}/")]
    folders = sorted((e.path for e in package.of_kind("folder")), reverse=True)
    settings = shlex.quote(package.load_list.rpartition("/")[0])
    purge = f"\trm -rf {settings}\n" if package.owns_load_list else ""
    paths = "\n".join(f"rm -f {shlex.quote(entry.path)}" for entry in others)
    empty = "\n".join(f"rmdir {shlex.quote(path)} 2>/dev/null" for path in folders if path != package.home)
    return (
        f"#!/bin/sh\n# Removes {package.name}. With --purge, its settings and state as well.\n"
        f"{maintainer.library(package)}\n"
        'if [ "$(id -u)" != 0 ]; then\n\tsay "has to be run by root: use sudo"\n\texit 1\nfi\n'
        f"removing\n{paths}\nrm -rf {shlex.quote(package.home)}\nremoved\n"
        f'if [ "${{1-}}" = "--purge" ]; then\n\tpurged state-too\n{purge}else\n\tpurged\nfi\n'
        f"gone\n{empty}\n/usr/sbin/pkgutil --forget {identifier(package)} 2>/dev/null\nexit 0\n"
    )


def _package_info(package: Package, count: int, size: int) -> bytes:
    places = {"install-location": "/", "overwrite-permissions": "false", "postinstall-action": "none"}
    info = Element("pkg-info", {"format-version": "2"} | places, relocatable="false", auth="root")
    info.attrib |= {"identifier": identifier(package), "version": package.version.pkg()}
    SubElement(info, "payload", numberOfFiles=str(count), installKBytes=_kilobytes(size))
    scripts = SubElement(info, "scripts")
    SubElement(scripts, "preinstall", file="./preinstall")
    SubElement(scripts, "postinstall", file="./postinstall")
    return to_xml(info)


def _distribution(package: Package, size: int) -> bytes:
    """Return the document that the installer shows; management systems want it around a package."""
    top = Element("installer-gui-script", minSpecVersion="2")
    SubElement(top, "title").text = f"{package.name} {package.version.text}"
    machines = "x86_64,arm64" if package.machine == "universal" else package.machine
    options = {"customize": "never", "require-scripts": "false"}
    SubElement(top, "options", options, rootVolumeOnly="true", hostArchitectures=machines)
    SubElement(top, "domains", enable_localSystem="true")
    SubElement(SubElement(top, "choices-outline"), "line", choice="default")
    choice = SubElement(top, "choice", id="default", title=package.name)
    known = {"id": identifier(package)}
    SubElement(choice, "pkg-ref", known)
    facts = {"version": package.version.pkg(), "auth": "root", "installKBytes": _kilobytes(size)}
    SubElement(top, "pkg-ref", known | facts, onConclusion="none").text = f"#{package.name}.pkg"
    return to_xml(top)


def _kilobytes(size: int) -> str:
    return str(-(-size // 1024))
