"""Find modules without importing their packages, as importing one runs its code."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def find_module(name: str, folders: Sequence[Path] = ()) -> ModuleSpec | None:
    """Return a module's spec, or None if there is no such module.

    Args:
        name: dotted.
        folders: the folders to search before those of this process.
    """
    path: Sequence[str] = [*map(str, folders), *sys.path]
    spec = None
    for end, _ in enumerate(parts := name.split("."), 1):
        spec = PathFinder.find_spec(".".join(parts[:end]), path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    return spec
