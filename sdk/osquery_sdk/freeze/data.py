"""Find the data files of packages, where `importlib.resources` looks for them."""

from __future__ import annotations

import importlib.util
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FreezeError
from .modules import find_module

if TYPE_CHECKING:
    from collections.abc import Sequence


def data_files(packages: Sequence[str], folders: Sequence[Path]) -> list[tuple[str, str]]:
    """Return (file, folder of the bundle for it) for each data file.

    Args:
        packages: dotted names.
        folders: the folders that the extension imports from, besides those of this process.

    Raises:
        FreezeError: there is no such package, or it has no data files.
    """
    entries = []
    for package in packages:
        files = [
            (str(file), str(Path(*package.split("."), file.relative_to(place).parent)))
            for place in _places(package, folders)
            for file in sorted(place.rglob("*"))
            if file.is_file() and file.suffix not in all_suffixes() and "__pycache__" not in file.parts
        ]
        if not files:
            raise FreezeError(f"the package {package} has no data files")
        entries += files
    return entries


def _places(package: str, folders: Sequence[Path]) -> list[Path]:
    """Return the folders of a package."""
    spec = find_module(package, folders)
    if spec is None or spec.submodule_search_locations is None:
        # A package that is installed for development may have its own finder in `sys.meta_path`.
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, ValueError):
            spec = None
    if spec is None:
        raise FreezeError(f"--data {package}: there is no such package")
    if spec.submodule_search_locations is None:
        raise FreezeError(f"--data {package}: it is a module; only a package can have data files")
    return [Path(place) for place in spec.submodule_search_locations]
