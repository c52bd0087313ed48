"""Read and change a Linux program's demands on the dynamic linker: glibc's version, library folders.

It is apart from `binaries.py` because it needs pyelftools, which must not get into frozen programs. The
functions ignore files that are not ELF files.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

_Item = TypeVar("_Item")

_GLIBC = re.compile(r"GLIBC_(\d+(?:\.\d+)*)")
_SYSTEM = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/")
_PATH_TAGS = ("DT_RUNPATH", "DT_RPATH")


def oldest_glibc(files: Iterable[Path]) -> str:
    """Return the oldest glibc that runs these files, as in "2.34"; empty if they need none.

    That is the newest version of a glibc symbol that any of them asks for.
    """
    newest = max((version for file in files for version in _glibc_versions(file)), default=())
    return ".".join(map(str, newest))


def foreign_folders(files: Iterable[Path]) -> dict[str, int]:
    """Return the absolute folders in DT_RUNPATH and DT_RPATH, each with the number of files that name it.

    The system's own folders are left out. Any other folder is a risk: whoever can create it on the machine
    that a package is installed on has the program load their code.
    """
    named = (folder for file in files for folder in _library_folders(file))
    return Counter(
        folder for folder in named if folder.startswith("/") and not f"{folder}/".startswith(_SYSTEM)
    )


def without_folders(file: Path, copies: Path) -> Path:
    """Return the file itself if it names no foreign folder, else a copy that names no folder at all.

    A bundle needs none of them: its bootloader tells the linker where its libraries are.

    Args:
        file: a program or library.
        copies: the folder for the copy; made if it is missing.
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
        for section in ELFFile(stream).iter_sections():
            if not isinstance(section, DynamicSection):
                continue
            size = section["sh_entsize"]
            stream.seek(section["sh_offset"])
            entries = [stream.read(size) for _ in range(section["sh_size"] // size)]
            kept = [
                entry
                for entry, tag in zip(entries, section.iter_tags(), strict=False)
                if tag.entry.d_tag not in _PATH_TAGS
            ]
            # The section keeps its size. A tag of 0 ends the list, so zeros fill what is left.
            stream.seek(section["sh_offset"])
            stream.write(b"".join(kept).ljust(section["sh_size"], b"\0"))
    return copy


def _glibc_versions(file: Path) -> list[tuple[int, ...]]:
    from elftools.elf.gnuversions import GNUVerNeedSection

    def names_in(section: Any) -> list[str]:
        return [aux.name for _, needed in section.iter_versions() for aux in needed]

    matches = filter(None, map(_GLIBC.fullmatch, _read(file, GNUVerNeedSection, names_in)))
    return [tuple(int(part) for part in match[1].split(".")) for match in matches]


def _library_folders(file: Path) -> set[str]:
    from elftools.elf.dynamic import DynamicSection

    tags = _read(file, DynamicSection, lambda section: list(section.iter_tags()))
    # pyelftools gives the text of DT_RUNPATH as the attribute `runpath`.
    texts = [getattr(tag, tag.entry.d_tag[3:].lower(), "") for tag in tags if tag.entry.d_tag in _PATH_TAGS]
    return {folder for text in texts for folder in text.split(":") if folder}


def _read(file: Path, kind: type, items_of: Callable[[Any], list[_Item]]) -> list[_Item]:
    """Return the items in all sections of a kind; none if the file is not an ELF file or is damaged."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    with file.open("rb") as stream:
        if stream.read(4) != b"\x7fELF":
            return []
        stream.seek(0)
        try:
            sections = [section for section in ELFFile(stream).iter_sections() if isinstance(section, kind)]
            return [item for section in sections for item in items_of(section)]
        except ELFError:
            return []
