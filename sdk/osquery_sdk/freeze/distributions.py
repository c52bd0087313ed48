"""The installed distributions that a bundle is made of, and their metadata, as `importlib.metadata` finds it.

A distribution is in a bundle if one of its modules, binaries or data files is. Of its metadata the bundle gets what
programs ask for: METADATA (version, requirements), the entry points, and the names of its packages. The rest
describes the machine that it was installed on.
"""

from __future__ import annotations

import json
import re
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ..errors import FreezeError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from importlib.metadata import Distribution, EntryPoint

# Every program has these, and nobody loads them as plugins.
_SCRIPTS = frozenset(("console_scripts", "gui_scripts"))


class Bundled(NamedTuple):
    """A distribution in a bundle."""

    distribution: Distribution
    packages: frozenset[str]
    """Those of it that the bundle has: the first parts of modules' names."""
    is_asked_for: bool = False
    """It was named when the program was built."""

    @property
    def folder(self) -> str:
        """Name of the folder with its metadata."""
        return f"{normal(self.distribution.name)}-{self.distribution.version}.dist-info"


class Installed:
    """The distributions that are installed where the build runs.

    Of two with the same name it has the one that Python finds first.
    """

    def __init__(self) -> None:
        """Look for them."""
        found: dict[str, Distribution] = {}
        for one in distributions():
            # What a broken installation has left may have no name.
            if "Name" in one.metadata:
                found.setdefault(normal(one.name), one)
        self._found = {name: found[name] for name in sorted(found)}

    def has(self, name: str) -> bool:
        """Return True if one of this name is installed."""
        return normal(name) in self._found

    def require(self, *, metadata: Iterable[str], groups: Iterable[str]) -> None:
        """Raise FreezeError if one of these is not there."""
        for name in metadata:
            if not self.has(name):
                raise FreezeError(f"--metadata {name}: no such distribution is installed; see pip list")
        for group in groups:
            if not self.entry_points([group]):
                raise FreezeError(f"--entry-points {group}: no installed distribution has such entry points")

    def entry_points(self, groups: Iterable[str]) -> list[EntryPoint]:
        """Return the entry points of these groups."""
        wanted = frozenset(groups)
        return [point for one in self._found.values() for point in one.entry_points if point.group in wanted]

    def plugin_groups(self, names: Collection[str]) -> set[str]:
        """Return those of the names that are groups of entry points, other than the groups of scripts."""
        groups = {point.group for one in self._found.values() for point in one.entry_points}
        return groups.intersection(names) - _SCRIPTS

    def in_bundle(
        self,
        contents: Mapping[str, Mapping[str, str]],
        *,
        names: Iterable[str] = (),
        asked: Iterable[str] = (),
    ) -> list[Bundled]:
        """Return those that the bundle's files come from, by name.

        Args:
            contents: paths by name in the bundle; `modules`, `binaries` and `datas`, see `pyinstaller.run`.
            names: others that are wanted; those that are not installed are passed over.
            asked: those that were asked for when the program was built.
        """
        asked_for = {normal(name) for name in asked}
        wanted = asked_for | {normal(name) for name in names}
        files = _Files(
            {Path(path): name.partition(".")[0] for name, path in contents["modules"].items()},
            {
                Path(path): Path(name).parts[0].partition(".")[0]
                for kind in ("datas", "binaries")
                for name, path in contents[kind].items()
            },
            frozenset(Path(str(one.locate_file(""))) for one in self._found.values()),
        )
        found = {
            name: Bundled(one, files.packages_of(one), name in asked_for) for name, one in self._found.items()
        }
        return [one for name, one in found.items() if one.packages or name in wanted]


class _Files:
    """The files that a bundle is made of.

    Args:
        modules: those of modules, with the package that each is of.
        others: all others, with the first part of their name in the bundle.
        sites: folders that distributions are installed in.
    """

    def __init__(
        self, modules: Mapping[Path, str], others: Mapping[Path, str], sites: frozenset[Path]
    ) -> None:
        self._modules = modules
        self._all = {**others, **modules}
        self._folders = {folder for path in self._all for folder in path.parents}
        self._sites = sites

    def packages_of(self, distribution: Distribution) -> frozenset[str]:
        """The packages of a distribution that have a file here."""
        project = _project(distribution)
        if project is not None:
            # Its metadata names no modules. They are those below its folder, but not in an environment there.
            sites = self._sites - {project}
            return frozenset(
                top
                for path, top in self._modules.items()
                if path.is_relative_to(project) and not any(path.is_relative_to(site) for site in sites)
            )
        if distribution.files is None:  # as in a system's own packages
            site = Path(str(distribution.locate_file("")))
            declared = (distribution.read_text("top_level.txt") or normal(distribution.name)).split()
            return frozenset(
                top for path, top in self._modules.items() if top in declared and path.is_relative_to(site)
            )
        paths = (Path(str(distribution.locate_file(file))) for file in distribution.files)
        return frozenset(
            self._all[path] for path in paths if path.parent in self._folders and path in self._all
        )


def _project(distribution: Distribution) -> Path | None:
    """The folder of one that is installed in place."""
    try:
        facts: Any = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return None
    if not isinstance(facts, dict) or not facts.get("dir_info", {}).get("editable"):
        return None
    return Path(url2pathname(urlsplit(str(facts.get("url"))).path))


def write_metadata(
    bundled: Sequence[Bundled], modules: Collection[str], folder: Path
) -> list[tuple[str, str, str]]:
    """Write the metadata, and return it as PyInstaller's entries: name in the bundle, path, kind.

    An entry point whose module is not in the bundle is left out, as it could not be loaded, unless the distribution
    was asked for.

    Args:
        bundled: the distributions.
        modules: names of all modules in the bundle.
        folder: to write to.
    """
    entries = []
    for one in bundled:
        place = folder / one.folder
        place.mkdir(parents=True)
        for name, text in _texts(one, modules).items():
            if text:
                (place / name).write_text(text, encoding="utf-8")
                entries.append((f"{one.folder}/{name}", str(place / name), "DATA"))
    return entries


def _texts(bundled: Bundled, modules: Collection[str]) -> dict[str, str]:
    one = bundled.distribution
    groups: dict[str, list[str]] = {}
    for point in one.entry_points:
        if bundled.is_asked_for or module_of(point) in modules:
            groups.setdefault(point.group, []).append(f"{point.name} = {point.value}\n")
    return {
        # The last is of distributions whose metadata is a single file.
        "METADATA": one.read_text("METADATA") or one.read_text("PKG-INFO") or one.read_text("") or "",
        "entry_points.txt": "\n".join(f"[{group}]\n{''.join(lines)}" for group, lines in groups.items()),
        "top_level.txt": "".join(f"{top}\n" for top in sorted(bundled.packages)),
    }


def module_of(point: EntryPoint) -> str:
    """The module of an entry point; empty if it is not written as one."""
    return point.value.partition(":")[0].partition("[")[0].strip()


def normal(name: str) -> str:
    """A distribution's name as it stands in the names of files."""
    return re.sub(r"[-_.]+", "_", name).lower()
