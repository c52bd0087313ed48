"""For forms that know no configuration files: these travel beside the program, and a script puts them where they belong.

What is there already stays. So an upgrade, which replaces every file of such a package, keeps what the operator wrote.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .maintainer import Default
from .model import Entry

if TYPE_CHECKING:
    from .model import Package


def with_defaults(package: Package) -> tuple[Package, tuple[Default, ...]]:
    """The package without `config` entries, and what is to be copied where."""
    configs = list(package.of_kind("config"))
    if not configs:
        return package, ()
    # Below the settings, which on Windows nobody but administrators reads, the secret's default neither.
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
