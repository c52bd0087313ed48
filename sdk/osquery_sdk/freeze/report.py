"""Describe a build in figures: size by package, start, memory, the C library that it needs."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MIB = 1 << 20
_SHOWN = 8
# The beginnings of the names of files that are Python's own.
_PYTHON = ("python", "libpython", "Python", "base_library", "pyi", "struct", "_struct", "zlib")


class Report(NamedTuple):
    """A build in figures. Sizes are bytes."""

    name: str
    version: str
    form: str
    """`one-folder` or `one-file`."""
    size: int
    """The whole size, counted like `du --apparent-size`."""
    packages: Mapping[str, int]
    """Size by package, largest first; the compressed size of modules that the bundle holds compressed."""
    start: float
    """Seconds from its start to its registration, the median of some."""
    idle: int | None
    """Memory (RSS) before the first statement; None if the system does not tell."""
    queried: int | None
    """Memory after a statement over every table."""
    tables: Mapping[str, str]
    """The result of reading each table: "12 rows", or its error."""
    glibc: str
    missing: Sequence[str]
    """Modules that the extension imports and that are not installed."""
    stamp: Mapping[str, str]

    def lines(self) -> Iterator[str]:
        """Yield the lines of the report for a person."""
        yield f"{self.name} {self.version}, {self.form}"
        shown = list(self.packages.items())[:_SHOWN]
        rest = len(self.packages) - len(shown)
        parts = ", ".join(f"{name} {size / MIB:.1f}" for name, size in shown)
        yield f"  size     {self.size / MIB:.1f} MiB: {parts}" + (f", {rest} more" if rest else "")
        yield f"  start    {self.start * 1000:.0f} ms to registered on the embedded engine"
        if self.idle is not None and self.queried is not None:
            yield (
                f"  memory   {self.idle / MIB:.1f} MiB at rest, "
                f"{self.queried / MIB:.1f} MiB after a statement over each table"
            )
        if self.glibc:
            yield f"  needs    glibc {self.glibc} or newer"
        for table, outcome in self.tables.items():
            yield f"  table    {table}: {outcome}"
        for name in self.missing:
            yield f"  warning  the extension imports {name}, which is not installed"

    def as_json(self) -> dict[str, Any]:
        """Return the report for machines, ready for `json.dumps`."""
        return self._asdict()


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; a link counts as itself."""
    if not path.is_dir():
        return path.lstat().st_size
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_symlink() or file.is_file())


def sizes_by_package(program: Path, contents: Mapping[str, Any]) -> dict[str, int]:
    """Return the bytes of each package in the bundle, largest first.

    "python" is Python itself with its library, "libraries" are the system's.

    Args:
        program: the executable; it holds the modules, and in the one-file form everything.
        contents: see `pyinstaller.run`.
    """
    from PyInstaller.archive.readers import CArchiveReader

    archive = CArchiveReader(str(program))
    sizes = Counter({"bootloader": program.stat().st_size})
    for entry, (_, length, _, _, kind) in archive.toc.items():
        if kind == "z":
            for name, (_, _, packed) in archive.open_embedded_archive(entry).toc.items():
                sizes[_package(name)] += packed
                sizes["bootloader"] -= packed
        else:
            sizes[_owner(entry, contents)] += length
            sizes["bootloader"] -= length
    folder = program.parent / "_internal"
    for file in filter(Path.is_file, folder.rglob("*")):
        sizes[_owner(str(file.relative_to(folder)), contents)] += file.lstat().st_size
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))


def _package(module: str) -> str:
    top = module.partition(".")[0]
    return "python" if top in sys.stdlib_module_names or top.startswith("pyi") else top


def _owner(entry: str, contents: Mapping[str, Any]) -> str:
    """Return the package that a file of the bundle belongs to."""
    path = Path(entry)
    first = path.parts[0]
    if first.startswith(_PYTHON):
        return "python"
    if entry in contents["binaries"]:
        return "libraries" if len(path.parts) == 1 else first
    if len(path.parts) == 1:
        return "bootloader"
    return first.partition("-")[0] if first.endswith(".dist-info") else first
