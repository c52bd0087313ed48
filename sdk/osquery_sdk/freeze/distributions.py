"""Find the installed distributions in a bundle, and write their metadata for `importlib.metadata`.

A distribution is in a bundle if one of its modules, binaries or data files is. The bundle gets the metadata
that programs ask for: METADATA (version, requirements), the entry points, and the names of its packages. The
other files describe the machine that it was installed on.
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
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from importlib.metadata import Distribution, EntryPoint

# Every program has these, and nobody loads them as plugins.
_SCRIPTS = frozenset(("console_scripts", "gui_scripts"))


class Bundled(NamedTuple):
    """A distribution in a bundle."""

    distribution: Distribution
    packages: frozenset[str]
    """The distribution's packages in the bundle: the first parts of modules' names."""
    is_asked_for: bool = False
    """True if it was named when the program was built."""

    @property
    def folder(self) -> str:
        """The name of the folder with its metadata."""
        return f"{normal(self.distribution.name)}-{self.distribution.version}.dist-info"


class Installed:
    """The distributions installed on this machine. If two have one name, the first on the path counts."""

    def __init__(self) -> None:
        """Read the names of all installed distributions."""
        by_name: dict[str, Distribution] = {}
        for distribution in distributions():
            # The remains of a broken installation may have no name.
            if "Name" in distribution.metadata:
                by_name.setdefault(normal(distribution.name), distribution)
        self._by_name = {name: by_name[name] for name in sorted(by_name)}

    def has(self, name: str) -> bool:
        """Return True if a distribution of this name is installed."""
        return normal(name) in self._by_name

    def require(self, *, metadata: Iterable[str], groups: Iterable[str]) -> None:
        """Raise FreezeError if a distribution or a group of entry points is not installed."""
        for name in metadata:
            if not self.has(name):
                raise FreezeError(f"--metadata {name}: no such distribution is installed; see pip list")
        for group in groups:
            if not self.entry_points([group]):
                raise FreezeError(f"--entry-points {group}: no installed distribution has such entry points")

    def entry_points(self, groups: Iterable[str]) -> list[EntryPoint]:
        """Return the entry points of these groups."""
        wanted = frozenset(groups)
        return [point for point in self._points() if point.group in wanted]

    def _points(self) -> Iterator[EntryPoint]:
        return (point for distribution in self._by_name.values() for point in distribution.entry_points)

    def plugin_groups(self, names: Collection[str]) -> set[str]:
        """Return the names that are groups of entry points, without the groups of scripts."""
        groups = {point.group for point in self._points()}
        return groups.intersection(names) - _SCRIPTS

    def in_bundle(
        self,
        contents: Mapping[str, Mapping[str, str]],
        *,
        names: Iterable[str] = (),
        chosen: Iterable[str] = (),
    ) -> list[Bundled]:
        """Return the distributions that the bundle's files come from, sorted by name.

        Args:
            contents: paths by name in the bundle; `modules`, `binaries` and `datas`, see `pyinstaller.run`.
            names: others to add; names that are not installed are ignored.
            chosen: distributions that were asked for when the program was built.
        """
        asked_for = {normal(name) for name in chosen}
        wanted = asked_for | {normal(name) for name in names}
        files = _Files(
            contents, frozenset(Path(str(each.locate_file(""))) for each in self._by_name.values())
        )
        bundled = []
        for name, each in self._by_name.items():
            packages = files.packages_of(each)
            if packages or name in wanted:
                bundled.append(Bundled(each, packages, name in asked_for))
        return bundled


class _Files:
    """The files that a bundle is made of.

    Args:
        contents: see `pyinstaller.run`.
        sites: the folders that distributions are installed in.
    """

    def __init__(self, contents: Mapping[str, Mapping[str, str]], sites: frozenset[Path]) -> None:
        # The files of modules with their top packages, then all files with the first part of their names.
        self._modules = {Path(path): name.partition(".")[0] for name, path in contents["modules"].items()}
        others = {**contents["datas"], **contents["binaries"]}
        self._all = {Path(path): Path(name).parts[0].partition(".")[0] for name, path in others.items()}
        self._all |= self._modules
        self._folders = {folder for path in self._all for folder in path.parents}
        self._sites = sites

    def packages_of(self, distribution: Distribution) -> frozenset[str]:
        """Return the packages of a distribution that have a file in the bundle."""
        project = _project(distribution)
        if project is not None:
            # The metadata of a project installed in place names no modules. They are the files below its
            # folder, except those in a virtual environment there.
            sites = self._sites - {project}
            return frozenset(
                top
                for path, top in self._modules.items()
                if path.is_relative_to(project) and not any(path.is_relative_to(site) for site in sites)
            )
        if distribution.files is None:  # the packages of some systems have no list of files
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
    """Return the folder of a distribution that is installed in place, else None."""
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

    An entry point is left out if its module is not in the bundle, as it could not be loaded; not if the
    distribution was asked for.

    Args:
        bundled: the distributions.
        modules: the names of all modules in the bundle.
        folder: the folder to write to.
    """
    entries = []
    for each in bundled:
        place = folder / each.folder
        place.mkdir(parents=True)
        for name, text in _metadata_files(each, modules).items():
            if text:
                (place / name).write_text(text, encoding="utf-8")
                entries.append((f"{each.folder}/{name}", str(place / name), "DATA"))
    return entries


def _metadata_files(bundled: Bundled, modules: Collection[str]) -> dict[str, str]:
    distribution = bundled.distribution
    groups: dict[str, list[str]] = {}
    for point in distribution.entry_points:
        if bundled.is_asked_for or module_of(point) in modules:
            groups.setdefault(point.group, []).append(f"{point.name} = {point.value}\n")
    # The metadata of an egg is PKG-INFO. An empty name reads metadata that is a single file.
    texts = (distribution.read_text(name) for name in ("METADATA", "PKG-INFO", ""))
    return {
        "METADATA": next(filter(None, texts), ""),
        "entry_points.txt": "\n".join(f"[{group}]\n{''.join(lines)}" for group, lines in groups.items()),
        "top_level.txt": "".join(f"{top}\n" for top in sorted(bundled.packages)),
    }


def module_of(point: EntryPoint) -> str:
    """Return the module of an entry point; empty if the entry point is malformed."""
    return point.value.partition(":")[0].partition("[")[0].strip()


def normal(name: str) -> str:
    """Return a distribution's name as the names of files have it."""
    return re.sub(r"[-_.]+", "_", name).lower()
