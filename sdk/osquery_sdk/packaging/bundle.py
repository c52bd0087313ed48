"""Read a bundle, the folder or single file that freezing made: files, platform, stamp, materials."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kolide_kit.binaries import read_program

from ..errors import PackagingError
from ..vocabulary import PROGRAM_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTERNAL = "_internal"
_STAMP = "build.json"
SYSTEMS = {"linux": "Linux", "darwin": "macOS", "win32": "Windows"}


class Item(NamedTuple):
    """A file, folder or link in a bundle."""

    path: str
    """The path below the bundle, with slashes."""
    kind: str
    """`file`, `folder` or `link`."""
    source: Path
    runs: bool = False
    target: str = ""


class Bundle(NamedTuple):
    """A frozen extension."""

    given: str
    name: str
    program: str
    """The path of the program's file below the bundle."""
    platform: str
    machine: str
    items: tuple[Item, ...]
    stamp: dict[str, str]
    """The facts of its build, see `osquery_sdk.freeze.stamp`; empty if the bundle has no stamp."""
    sbom: Path | None
    loader: str = ""

    @property
    def files(self) -> Iterator[Path]:
        """The bundle's files, without links."""
        return (item.source for item in self.items if item.kind == "file")

    @property
    def libc(self) -> str:
        """`glibc` or `musl`: the C library that a Linux program is linked with; empty for none of them."""
        name = self.loader.rpartition("/")[2]
        return "musl" if "musl" in name else "glibc" if name.startswith("ld") else ""


def read_bundle(path: Path) -> Bundle:
    """Read a bundle.

    Args:
        path: its folder, the program in that folder, or a program that is a single file.

    Raises:
        PackagingError: the path is not a bundle.
    """
    given = str(path)
    if not path.exists():
        raise PackagingError(f"{given}: there is no such bundle; make one with osquery-sdk build")
    try:
        real = path.resolve()
        if real.is_file() and (real.parent / _INTERNAL).is_dir():
            real = real.parent
        return _one_file(given, real) if real.is_file() else _folder(given, real)
    except OSError as error:
        raise PackagingError(f"{error.filename or given}: {error.strerror}") from error


def _one_file(given: str, program: Path) -> Bundle:
    if program.suffix not in PROGRAM_SUFFIXES:
        raise PackagingError(f"{given}: osqueryd starts files that end in .ext, on Windows .exe")
    item = Item(program.name, "file", program, runs=True)
    return _described(given, program, (item,), {})


def _folder(given: str, folder: Path) -> Bundle:
    programs = sorted(p for p in folder.iterdir() if p.suffix in PROGRAM_SUFFIXES and p.is_file())
    if not programs:
        raise PackagingError(f"{given}: not a bundle: no program in it ends in .ext or .exe")
    if len(programs) > 1:
        names = ", ".join(program.name for program in programs)
        raise PackagingError(f"{given}: which of {names} is the extension? a bundle has one")
    program = programs[0]
    items = tuple(sorted(_items(folder, program)))
    return _described(given, program, items, _stamp(folder / _INTERNAL / _STAMP))


def _items(folder: Path, program: Path) -> Iterator[Item]:
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            below = path.relative_to(folder).as_posix()
            if not below.isprintable() or "\\" in below or below != below.strip():
                raise PackagingError(f"{below!r} in the bundle has a name that no package could carry")
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                yield Item(below, "link", path, target=_target(folder, path, below))
            elif stat.S_ISDIR(mode):
                yield Item(below, "folder", path)
            elif stat.S_ISREG(mode):
                yield Item(below, "file", path, runs=path == program or bool(mode & stat.S_IXUSR))
            else:
                raise PackagingError(f"{below} in the bundle is not a file, folder or link")


def _target(folder: Path, path: Path, below: str) -> str:
    target = os.readlink(path)  # noqa: PTH115  as it is written
    destination = path.parent / target
    if os.path.isabs(target) or not destination.resolve().is_relative_to(folder):  # noqa: PTH117
        raise PackagingError(f"the link {below} leads out of the bundle, to {target}")
    if not destination.exists():
        raise PackagingError(f"the link {below} leads nowhere: {target}")
    return target


def _described(given: str, program: Path, items: tuple[Item, ...], stamp: dict[str, str]) -> Bundle:
    system, machines, loader = read_program(program)
    if system == "script":
        raise PackagingError(
            f"{given}: {program.name} is a script, not a frozen program; use osquery-sdk build"
        )
    if system not in SYSTEMS or not machines:
        raise PackagingError(f"{given}: {program.name} is not a program")
    if (program.suffix == ".exe") != (system == "win32"):
        wanted = ".exe" if system == "win32" else ".ext"
        raise PackagingError(f"{given}: on {SYSTEMS[system]} osqueryd starts files that end in {wanted}")
    return Bundle(
        given=given,
        name=program.stem,
        program=program.name,
        platform=system,
        machine="universal" if len(machines) > 1 else machines[0],
        items=items,
        stamp=stamp,
        sbom=_sbom(program),
        loader=loader,
    )


def _sbom(program: Path) -> Path | None:
    """Return the bill of materials that freezing wrote beside the bundle, or None."""
    folder = program.parent
    places = folder.parent / f"{program.stem}.cdx.json", folder / f"{program.name}.cdx.json"
    return next(filter(Path.is_file, places), None)


def _stamp(file: Path) -> dict[str, str]:
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise PackagingError(f"{file}: not valid JSON: {error}") from error
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}
