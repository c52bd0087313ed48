"""The oldest C library that a Linux program runs with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_GLIBC = re.compile(r"GLIBC_(\d+(?:\.\d+)*)")


def oldest_glibc(files: Iterable[Path]) -> str:
    """The newest version of glibc's symbols that any of these files asks for; empty if none asks for any.

    Files that are no ELF files are passed over.
    """
    newest: tuple[int, ...] = ()
    for file in files:
        newest = max([newest, *_versions(file)])
    return ".".join(str(part) for part in newest)


def _versions(file: Path) -> list[tuple[int, ...]]:
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile
    from elftools.elf.gnuversions import GNUVerNeedSection

    with file.open("rb") as stream:
        if stream.read(4) != b"\x7fELF":
            return []
        stream.seek(0)
        try:
            sections = [s for s in ELFFile(stream).iter_sections() if isinstance(s, GNUVerNeedSection)]
            names = [
                aux.name for section in sections for _, needed in section.iter_versions() for aux in needed
            ]
        except ELFError:
            return []
    return [
        tuple(int(part) for part in found[1].split("."))
        for name in names
        if (found := _GLIBC.fullmatch(name)) is not None
    ]
