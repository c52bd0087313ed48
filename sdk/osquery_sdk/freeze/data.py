"""The data files of packages, as `importlib.resources` finds them."""

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
    """Files, and the folders of the bundle that they go to.

    Args:
        packages: dotted names.
        folders: that the extension imports from, beside those that everybody does.

    Raises:
        FreezeError: there is no such package, or there are no such files in it.
    """
    found = []
    for package in packages:
        files = [
            (str(file), str(Path(*package.split("."), file.relative_to(place).parent)))
            for place in _places(package, folders)
            for file in sorted(place.rglob("*"))
            if file.is_file() and file.suffix not in all_suffixes() and "__pycache__" not in file.parts
        ]
        if not files:
            raise FreezeError(f"the package {package} has no data files")
        found += files
    return found


def _places(package: str, folders: Sequence[Path]) -> list[Path]:
    """The folders of a package."""
    spec = find_module(package, folders)
    if spec is not None and spec.submodule_search_locations is not None:
        return [Path(place) for place in spec.submodule_search_locations]
    # What is installed for development may be found by a finder of its own.
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise FreezeError(f"--data {package}: there is no such package")
    if spec.submodule_search_locations is None:
        raise FreezeError(f"--data {package}: it is a module, and no package that could have data files")
    return [Path(place) for place in spec.submodule_search_locations]
