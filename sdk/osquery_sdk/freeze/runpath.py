"""Folders that a program's binaries look for libraries in, other than the system's and the bundle's own.

Whoever can make such a folder on the machine that a package goes to has osqueryd load code of theirs, as root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")


def foreign_folders(files: Iterable[Path]) -> dict[str, int]:
    """Absolute folders in DT_RUNPATH and DT_RPATH, and how many of the files name each.

    Files that are no ELF files are passed over.
    """
    found: dict[str, int] = {}
    for file in files:
        for folder in _folders(file):
            if folder.startswith("/") and not f"{folder}/".startswith(tuple(f"{one}/" for one in _SYSTEM)):
                found[folder] = found.get(folder, 0) + 1
    return found


def without_folders(file: Path, copies: Path) -> Path:
    """The file, if it names no such folder; else a copy of it, in a folder of copies, that names none at all.

    The bundle's own loader tells where its libraries are.
    """
    import shutil

    from elftools.elf.dynamic import DynamicSection
    from elftools.elf.elffile import ELFFile

    if not foreign_folders([file]):
        return file
    copies.mkdir(parents=True, exist_ok=True)
    copy = copies / file.name
    shutil.copyfile(file, copy)
    copy.chmod(0o755)
    with copy.open("r+b") as stream:
        elf = ELFFile(stream)
        for section in elf.iter_sections():
            if not isinstance(section, DynamicSection):
                continue
            size = section["sh_entsize"]
            stream.seek(section["sh_offset"])
            entries = [stream.read(size) for _ in range(section["sh_size"] // size)]
            kept = [
                entry
                for entry, tag in zip(entries, section.iter_tags(), strict=False)
                if tag.entry.d_tag not in _NAMES
            ]
            stream.seek(section["sh_offset"])
            stream.write(b"".join(kept).ljust(section["sh_size"], b"\0"))  # a tag of 0 is the end
    return copy


def _folders(file: Path) -> set[str]:
    from elftools.common.exceptions import ELFError
    from elftools.elf.dynamic import DynamicSection
    from elftools.elf.elffile import ELFFile

    with file.open("rb") as stream:
        if stream.read(4) != b"\x7fELF":
            return set()
        stream.seek(0)
        try:
            sections = [s for s in ELFFile(stream).iter_sections() if isinstance(s, DynamicSection)]
            tags = [tag for section in sections for tag in section.iter_tags()]
        except ELFError:
            return set()
    texts = [getattr(tag, tag.entry.d_tag[3:].lower(), "") for tag in tags if tag.entry.d_tag in _NAMES]
    return {folder for text in texts for folder in text.split(":") if folder}


_NAMES = ("DT_RUNPATH", "DT_RPATH")
