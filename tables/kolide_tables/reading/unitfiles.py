"""Find and read systemd's unit files and their drop-ins; systemd need not run.

Source: systemd.unit(5) for folders, drop-ins and masks, systemd.syntax(7), systemctl(1) on `is-enabled`.
"""

import os
import stat
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from kolide_kit.files import read_file
from kolide_kit.text import decode, shown

from .paths import names_in

YES = frozenset(("1", "yes", "y", "true", "t", "on"))
"""Words for yes in unit files, in lower case."""

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
_STATES = (("/run/systemd/transient", "transient"), ("/run/systemd/generator", "generated"))
_ENABLED_IN = (("/etc/systemd/system", "enabled"), ("/run/systemd/system", "enabled-runtime"))
_WANTING = (".wants", ".requires", ".upholds")
_INSTALL = frozenset(("WantedBy", "RequiredBy", "UpheldBy", "Alias"))


class Directive(NamedTuple):
    """A `key=value` of a section, and the file that has it."""

    section: str
    key: str
    value: str
    path: str


class Unit(NamedTuple):
    """A unit's own file."""

    name: str
    path: str
    masked: bool


class UnitFiles:
    """The unit files below a root folder, as they are now."""

    def __init__(self, root: str = "") -> None:
        """List the folders."""
        self._root = root
        self._names: dict[str, dict[str, str]] = {}  # for each folder: name -> path
        real: dict[str, str] = {}
        for folder in _FOLDERS:
            real.setdefault(os.path.realpath(root + folder), folder)  # /lib is /usr/lib on most machines
        for folder in real.values():
            self._names[folder] = {name: f"{root}{folder}/{name}" for name in _listed(root + folder)}
        self._wanted = self._find_wanted()

    def names(self, suffix: str) -> list[str]:
        """Return the names of all units of a kind (".timer"): no aliases and no templates, but their enabled
        instances.
        """
        names = {name for name in chain(*self._names.values()) if not name.endswith(f"@{suffix}")}
        names.update(self._wanted)
        return sorted(name for name in names if name.endswith(suffix) and self.find(name) is not None)

    def find(self, name: str) -> Unit | None:
        """Return a unit by its name; None if there is no file, or the name is another unit's alias."""
        for own in (name, _template(name)):
            for names in self._names.values():
                if own is None or own not in names:
                    continue
                real = _target(names[own])
                masked = _takes_away(real)
                if masked or os.path.basename(real) in (name, own, _template(name)):  # noqa: PTH119
                    return Unit(name, names[own], masked)
                return None
        return None

    def directives(self, unit: Unit) -> Iterator[Directive]:
        """Yield the directives of a unit's file and then of its drop-ins, in the order in which they apply;
        raises Unreadable.
        """
        if unit.masked:
            return
        for path in (unit.path, *self._drop_ins(unit.name)):
            # The folders are the system's own: their links are followed, as systemd does.
            for section, key, value in parse_unit(decode(read_file(_target(path)))):
                yield Directive(section, key, value, path.removeprefix(self._root))

    def shown(self, unit: Unit) -> str:
        """Return the path of a unit's own file, below the root folder."""
        return unit.path.removeprefix(self._root)

    def state(self, unit: Unit) -> str:
        """Return the answer of `systemctl is-enabled`: enabled, enabled-runtime, disabled, static, indirect,
        masked, ...
        """
        if unit.masked:
            return "masked"
        for folder, state in _STATES:
            if self.shown(unit).startswith(folder):
                return state
        if unit.name in self._wanted:
            return self._wanted[unit.name]
        keys = {each.key for each in self.directives(unit) if each.section == "Install" and each.value}
        if keys & _INSTALL:
            return "disabled"
        return "indirect" if "Also" in keys else "static"

    def _find_wanted(self) -> dict[str, str]:
        """Return the names that links in *.wants and the like have, and aliases, each with its state."""
        wanted: dict[str, str] = {}
        for folder, state in _ENABLED_IN:
            for name, path in self._names.get(folder, {}).items():
                if name.endswith(_WANTING):
                    for link in _listed(path):
                        wanted.setdefault(link, state)
                elif os.path.islink(path):  # noqa: PTH114
                    meant = os.path.basename(_target(path))  # noqa: PTH119
                    if meant != name:
                        wanted.setdefault(meant, state)
        return wanted

    def _drop_ins(self, name: str) -> list[str]:
        """Return the paths of the drop-ins, sorted by name; of two with one name, the more important one."""
        drop_ins: dict[str, str] = {}
        for within in _drop_in_folders(name):
            for names in self._names.values():
                if within in names:
                    for file in _listed(names[within]):
                        if file.endswith(".conf"):
                            drop_ins.setdefault(file, f"{names[within]}/{file}")
        return [drop_ins[file] for file in sorted(drop_ins) if not _takes_away(_target(drop_ins[file]))]


def parse_unit(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield section, key and value of each assignment of a unit file."""
    section = ""
    begun: list[str] = []
    for line in text.split("\n"):
        stripped = line.strip()
        if stripped.startswith(("#", ";")) or (not stripped and not begun):
            continue  # a comment may stand between the lines of one value
        if stripped.endswith("\\"):
            begun.append(line.rstrip()[:-1] + " ")
            continue
        whole = "".join((*begun, line)).strip()
        begun = []
        if whole.startswith("[") and whole.endswith("]"):
            section = whole[1:-1]
            continue
        key, equals, value = whole.partition("=")
        if equals and section:
            yield section, key.strip(), value.strip()


def _drop_in_folders(name: str) -> list[str]:
    """Return the folders of a unit's drop-ins, the most special first: a-b.service.d, a-.service.d,
    service.d.
    """
    stem, _, kind = name.rpartition(".")
    folders = [f"{name}.d"]
    template = _template(name)
    if template is not None:
        folders.append(f"{template}.d")
        stem = stem.partition("@")[0]
    while "-" in stem.rstrip("-"):
        stem = stem.rstrip("-").rpartition("-")[0] + "-"
        folders.append(f"{stem}.{kind}.d")
    return [*folders, f"{kind}.d"]


def _template(name: str) -> str | None:
    prefix, at, rest = name.partition("@")
    kind = rest.rpartition(".")[2]
    return f"{prefix}@.{kind}" if at and rest != f".{kind}" else None


def _listed(folder: str) -> list[str]:
    return sorted(map(shown, names_in(folder)))


def _target(path: str) -> str:
    # Most files are not links, and realpath, which visits each folder on the way, takes longer than reading
    # them.
    return os.path.realpath(path) if os.path.islink(path) else path  # noqa: PTH114


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
