"""A bundle: the folder that freezing made, or the one file, and what there is to know of it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import PackagingError

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIXES = (".ext", ".exe")
_INTERNAL = "_internal"
_STAMP = "build.json"
SYSTEMS = {"linux": "Linux", "darwin": "macOS", "win32": "Windows"}


class Item(NamedTuple):
    """Something in a bundle."""

    path: str
    """Below the bundle, with slashes."""
    kind: str
    """`file`, `folder` or `link`"""
    source: Path
    runs: bool = False
    target: str = ""


class Bundle(NamedTuple):
    """A frozen extension."""

    given: str
    name: str
    program: str
    """Its file, below the bundle."""
    platform: str
    machine: str
    items: tuple[Item, ...]
    stamp: dict[str, str]
    """What was written down when it was built; empty if nothing was."""
    sbom: Path | None
    loader: str = ""

    @property
    def files(self) -> Iterator[Path]:
        """Its files, links left out."""
        return (item.source for item in self.items if item.kind == "file")

    @property
    def libc(self) -> str:
        """`glibc` or `musl` for a Linux program that is linked with one."""
        name = self.loader.rpartition("/")[2]
        return "musl" if "musl" in name else "glibc" if name.startswith("ld") else ""


def read_bundle(path: Path) -> Bundle:
    """Look at a bundle.

    Args:
        path: its folder; the program in it; or a program that is one file.

    Raises:
        PackagingError: it is none.
    """
    given = str(path)
    if not path.exists():
        raise PackagingError(f"{given}: there is no such bundle; make one with osquery-sdk build")
    try:
        real = path.resolve()
        if real.is_file():
            if (real.parent / _INTERNAL).is_dir():
                return _folder(given, real.parent)
            return _one_file(given, real)
        return _folder(given, real)
    except OSError as error:
        raise PackagingError(f"{error.filename or given}: {error.strerror}") from error


def _one_file(given: str, program: Path) -> Bundle:
    if program.suffix not in SUFFIXES:
        raise PackagingError(f"{given}: osqueryd starts files that end in .ext, on Windows .exe")
    item = Item(program.name, "file", program, runs=True)
    return _described(given, program, (item,), {})


def _folder(given: str, folder: Path) -> Bundle:
    programs = sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES and p.is_file())
    if not programs:
        raise PackagingError(f"{given}: no bundle: there is no program in it that ends in .ext or .exe")
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
                raise PackagingError(f"{below} in the bundle is no file, folder or link")


def _target(folder: Path, path: Path, below: str) -> str:
    target = os.readlink(path)  # noqa: PTH115  as it is written
    led = path.parent / target
    if os.path.isabs(target) or not led.resolve().is_relative_to(folder):  # noqa: PTH117
        raise PackagingError(f"the link {below} leads out of the bundle, to {target}")
    if not led.exists():
        raise PackagingError(f"the link {below} leads nowhere: {target}")
    return target


def _described(given: str, program: Path, items: tuple[Item, ...], stamp: dict[str, str]) -> Bundle:
    from osquery_sdk.doctor.binary import program_of

    found = program_of(program)
    if found.system == "script":
        raise PackagingError(
            f"{given}: {program.name} is a script, not a frozen program; use osquery-sdk build"
        )
    if found.system not in SYSTEMS or not found.machines:
        raise PackagingError(f"{given}: {program.name} is no program")
    if (program.suffix == ".exe") != (found.system == "win32"):
        wanted = ".exe" if found.system == "win32" else ".ext"
        raise PackagingError(
            f"{given}: on {SYSTEMS[found.system]} osqueryd starts files that end in {wanted}"
        )
    machine = "universal" if len(found.machines) > 1 else found.machines[0]
    return Bundle(
        given,
        program.stem,
        program.name,
        found.system,
        machine,
        items,
        stamp,
        _sbom(program),
        found.needs,
    )


def _sbom(program: Path) -> Path | None:
    """The bill of materials that freezing wrote beside a folder's bundle, or beside a program of one file."""
    for place in (
        program.parent.parent / f"{program.stem}.cdx.json",
        program.parent / f"{program.name}.cdx.json",
    ):
        if place.is_file():
            return place
    return None


def _stamp(file: Path) -> dict[str, str]:
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise PackagingError(f"{file}: no JSON: {error}") from error
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}
