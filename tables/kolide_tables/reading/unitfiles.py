"""Find and read systemd's unit files and their drop-ins; systemd need not run.

Source: systemd.unit(5) for folders, aliases, drop-ins and masks, and systemd's src/basic/unit-file.c and
src/shared/dropin.c for what the page leaves open.
"""

import os
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable, read_file
from kolide_kit.text import decode_kept, shown

from .unitnames import drop_in_folders, may_point, parse_name
from .unittext import parse_unit

# A file in an earlier folder hides the file of the same name in a later one.
_FOLDERS = (
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
)
_WANTING = (".wants", ".requires", ".upholds")
_MOST_ALIASES = 8  # links from name to name that systemd follows


class Directive(NamedTuple):
    """A `key=value` of a section, and the file that has it."""

    section: str
    key: str
    value: str
    path: str


class Unit(NamedTuple):
    """A unit by its own name, and its own file."""

    name: str
    path: str
    masked: bool


class UnitFiles:
    """The unit files below a root folder, as they are now."""

    def __init__(self, root: str = "") -> None:
        """List the folders."""
        self.root = root
        # Links are resolved to real paths, and the root folder may be behind a link itself.
        self._real_root = os.path.realpath(root) if root else ""
        self._folders: dict[str, dict[str, bool]] = {}  # for each folder: name -> whether it is a link
        real: dict[str, str] = {}
        for folder in _FOLDERS:
            real.setdefault(os.path.realpath(root + folder), folder)  # /lib is /usr/lib on most machines
        for folder in real.values():
            self._folders[folder] = _listed(root + folder)
        self._searched = {*_FOLDERS, *(path.removeprefix(self._real_root) for path in real)}
        self._files = self._find_files()
        self._aliases = self._find_aliases()
        self._links: dict[str, dict[str, str]] | None = None
        self._links_to: dict[str, dict[str, list[str]]] = {}  # for each folder: name -> links that lead to it
        self._wanted: dict[str, set[str]] = {}

    def names(self, suffix: str) -> list[str]:
        """Return the names of all units of a kind (".timer"): no aliases and no templates, but the instances
        that others want, or that drop-ins are for.
        """
        names = {name for name in self._files if name.endswith(suffix)}
        names.update(name for name in self._instances() if name.endswith(suffix))
        units = map(self.named, names)
        found = {unit.name for unit in units if unit is not None}
        return sorted(name for name in found if not name.endswith(f"@{suffix}"))

    def find(self, name: str) -> Unit | None:
        """Return a unit by its own name; None if there is no file, or the name is another unit's alias."""
        unit = self.named(name)
        return unit if unit is not None and unit.name == name else None

    def named(self, name: str) -> Unit | None:
        """Return a unit by its own name or by an alias; None if there is no file."""
        parts = parse_name(name)
        path = None if parts is None else self._file(name) or self._file(parts.template)
        if parts is None or path is None:
            return None
        own = os.path.basename(path)  # noqa: PTH119  every path here ends with a name
        file = parse_name(own)
        if file is not None and file.is_template and parts.instance:
            own = file.with_instance(parts.instance)
        return Unit(own, path, _takes_away(self._target(path)))

    def aliases(self, unit: Unit) -> list[str]:
        """Return the other names of a unit, sorted: those of its file, or of its template's."""
        parts = parse_name(unit.name)
        names = set(self._aliases.get(unit.name, ()))
        for alias in self._aliases.get(parts.template or "", ()) if parts is not None else ():
            other = parse_name(alias)
            if parts is None or other is None or not parts.instance or not other.is_template:
                continue
            named = self.named(other.with_instance(parts.instance))
            # An instance may have a file of its own, and is not an alias then.
            if named is not None and named.name == unit.name:
                names.add(other.with_instance(parts.instance))
        return sorted(names - {unit.name})

    def directives(self, unit: Unit, on_error: Callable[[str], None] | None = None) -> Iterator[Directive]:
        """Yield the directives of a unit's file and then of its drop-ins, in the order in which they apply.

        Raises Unreadable and LimitExceeded. With `on_error`, that happens for the unit's own file alone, and
        a drop-in that cannot be read is told to `on_error` and left out.
        """
        if unit.masked:
            return
        yield from self._read(unit.path)
        for path in self._drop_ins(unit):
            try:
                yield from self._read(path)
            except (Unreadable, LimitExceeded) as error:
                if on_error is None:
                    raise
                on_error(str(error))

    def shown(self, unit: Unit) -> str:
        """Return the path of a unit's own file, below the root folder."""
        return unit.path.removeprefix(self.root)

    @property
    def links(self) -> dict[str, dict[str, str]]:
        """For each folder, in the order in which they count: the links in it, with the names they lead to."""
        if self._links is None:
            self._links = {
                folder: {name: self._link_name(folder, name) for name, is_link in names.items() if is_link}
                for folder, names in self._folders.items()
            }
        return self._links

    def links_about(self, folder: str, name: str) -> Iterator[tuple[str, str]]:
        """Yield the links in a folder that have a name or lead to it, each with the name that it leads to."""
        links = self.links[folder]
        if folder not in self._links_to:
            self._links_to[folder] = {}
            for link, target in links.items():
                self._links_to[folder].setdefault(target, []).append(link)
        if name in links:
            yield name, links[name]
        yield from ((link, name) for link in self._links_to[folder].get(name, ()) if link != name)

    def wanted_in(self, folder: str) -> set[str]:
        """Return the names of the units that a folder's units want: links in a.target.wants and so on."""
        if folder not in self._wanted:
            wanting = [name for name in self._folders[folder] if name.endswith(_WANTING)]
            self._wanted[folder] = {
                name for each in wanting for name in _listed(f"{self.root}{folder}/{each}")
            }
        return self._wanted[folder]

    def _find_files(self) -> dict[str, str]:
        """Return where each name leads: to the path of a file, or, for an alias, to another name."""
        files: dict[str, str] = {}
        loops: dict[str, str] = {}
        for folder, names in self._folders.items():
            for name, is_link in names.items():
                if name in files or parse_name(name) is None:
                    continue
                path = f"{self.root}{folder}/{name}"
                meant = self._alias_target(folder, path) if is_link else None
                if meant is None or may_point(name, meant):
                    files[name] = path if meant is None else meant
                elif meant == name:
                    loops.setdefault(name, path)
        return loops | files

    def _alias_target(self, folder: str, path: str) -> str | None:
        """Return the name that a link to another unit's file leads to; None for a link to elsewhere."""
        try:
            target = os.readlink(path)  # noqa: PTH115
        except OSError:
            return None
        if os.path.isabs(target):  # noqa: PTH117
            target = target.removeprefix(self.root) if target.startswith(f"{self.root}/") else target
        else:
            target = f"{folder}/{target}"
        within, name = os.path.split(target)
        if within not in self._searched:
            within = os.path.realpath(self.root + within).removeprefix(self._real_root)
        return name if any(f"{within}/".startswith(f"{each}/") for each in self._searched) else None

    def _file(self, name: str | None) -> str | None:
        """Return the path that a name leads to, over aliases; None if it leads nowhere."""
        for _ in range(_MOST_ALIASES):
            meant = self._files.get(name or "")
            if meant is None or meant.startswith("/"):
                return meant
            parts = parse_name(meant)
            # An alias may lead to an instance that has no file but its template's.
            name = meant if meant in self._files or parts is None else parts.template
        return None

    def _find_aliases(self) -> dict[str, list[str]]:
        """Return the names that lead to each unit, or template."""
        aliases: dict[str, list[str]] = {}
        for name, meant in self._files.items():
            if not meant.startswith("/") and (unit := self.named(name)) is not None and not unit.masked:
                aliases.setdefault(unit.name, []).append(name)
        return aliases

    def _instances(self) -> Iterator[str]:
        """Yield the names of instances that other units want, or that have drop-ins of their own."""
        for folder, names in self._folders.items():
            yield from (name for name in self.wanted_in(folder) if "@" in name)
            yield from (name.removesuffix(".d") for name in names if name.endswith(".d") and "@" in name)

    def _link_name(self, folder: str, name: str) -> str:
        try:
            target = os.readlink(f"{self.root}{folder}/{name}")  # noqa: PTH115
        except OSError:
            return ""
        return os.path.basename(target)  # noqa: PTH119

    def _drop_ins(self, unit: Unit) -> list[str]:
        """Return the paths of the drop-ins, sorted by name; of two with one name, the more important one.

        The folders of the unit's own name come first, in each place that units are in, then those of its
        aliases, and then those of its type.
        """
        drop_ins: dict[str, str] = {}
        kind = unit.name.rpartition(".")[2]
        for name in (unit.name, *self.aliases(unit), kind):
            within = [f"{kind}.d"] if name == kind else list(dict.fromkeys(drop_in_folders(name)))
            for folder, names in self._folders.items():
                for each in within:
                    if each in names:
                        path = f"{self.root}{folder}/{each}"
                        for file in _listed(path):
                            if file.endswith(".conf"):
                                drop_ins.setdefault(file, f"{path}/{file}")
        return [drop_ins[file] for file in sorted(drop_ins) if not _takes_away(self._target(drop_ins[file]))]

    def _read(self, path: str) -> Iterator[Directive]:
        # The folders are the system's own: their links are followed, as systemd does.
        shown_path = path.removeprefix(self.root)
        try:
            for section, key, value in parse_unit(decode_kept(read_file(self._target(path)))):
                yield Directive(section, key, value, shown_path)
        except ValueError as error:
            raise Unreadable(f"{shown_path}: systemd refuses the file: {error}") from error

    def _target(self, path: str) -> str:
        """Return the file that a path leads to, with absolute links taken as below the root folder."""
        # Most files are not links, and realpath, which visits each folder on the way, takes longer than
        # reading them.
        if not os.path.islink(path):  # noqa: PTH114
            return path
        target = os.path.realpath(path)
        if not self.root or target.startswith(f"{self._real_root}/") or target == "/dev/null":
            return target
        return target if os.path.exists(target) else self.root + target  # noqa: PTH110


def _listed(folder: str) -> dict[str, bool]:
    """Return the names in a folder, sorted, each with whether it is a link; none if it may not be listed."""
    try:
        with os.scandir(folder) as entries:
            return dict(sorted((shown(entry.name), entry.is_symlink()) for entry in entries))
    except OSError:
        return {}


def _takes_away(target: str) -> bool:
    """Return whether a file masks a unit: /dev/null, or an empty file.

    A file that cannot be looked at does not.
    """
    if target == "/dev/null":
        return True
    try:
        facts = os.stat(target)  # noqa: PTH116
    except OSError:
        return False
    return stat.S_ISREG(facts.st_mode) and facts.st_size == 0
