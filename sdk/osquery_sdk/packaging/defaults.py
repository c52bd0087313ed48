"""Turn configuration files into defaults, for forms of packages that do not know configuration files.

A default lies beside the program, and a script copies it to its place unless a file is there already. So an
upgrade, which replaces every file of such a package, keeps the files that the operator changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .maintainer import Default
from .model import Entry

if TYPE_CHECKING:
    from .model import Package


def with_defaults(package: Package) -> tuple[Package, tuple[Default, ...]]:
    """Return the package without `config` entries, and the defaults that a script copies into place."""
    configs = package.of_kind("config")
    if not configs:
        return package, ()
    # The defaults lie below the settings, which only administrators read on Windows: one default may be the
    # secret.
    folder = f"{configs[0].path.rpartition('/')[0]}/defaults"
    moved = []
    defaults = []
    for entry in configs:
        source = f"{folder}/{entry.path.rpartition('/')[2]}"
        moved.append(entry._replace(path=source, kind="file"))
        defaults.append(Default(source, entry.path, entry.mode))
    others = [entry for entry in package.entries if entry.kind != "config"]
    entries = (*others, Entry(folder, "folder", 0o700), *moved)
    return package._replace(entries=entries), tuple(defaults)
