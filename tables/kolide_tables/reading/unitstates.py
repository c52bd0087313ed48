"""Tell whether a unit is enabled, as `systemctl is-enabled` does without a running systemd.

Source: systemctl(1), and systemd's src/shared/install.c for which links count.
"""

from typing import NamedTuple

from .unitfiles import Unit, UnitFiles
from .unitnames import parse_name

_CONFIGURED = "/etc/systemd/system"
_FROM = (("/run/systemd/transient", "transient"), ("/run/systemd/generator", "generated"))
_RUNTIME = "/run/systemd/"
_RULES = frozenset(("WantedBy", "RequiredBy", "UpheldBy", "Alias"))


class _Install(NamedTuple):
    """The content of a unit's section Install."""

    names: set[str]  # that enabling gives to links: the unit's own, and its aliases
    rules: bool
    also: bool


def unit_state(files: UnitFiles, unit: Unit) -> str:
    """Return the state of a unit: enabled, enabled-runtime, disabled, static, indirect, linked, masked, ...

    Raises Unreadable and LimitExceeded for its own file, or a drop-in.
    """
    path = files.shown(unit)
    if unit.masked:
        return "masked-runtime" if path.startswith("/run/") else "masked"
    for folder, state in _FROM:
        if path.startswith(folder):
            return state
    install = _install(files, unit)
    state_of_links = _linked(files, unit, install.names)
    if state_of_links is not None:
        return state_of_links
    # Under another name than enabling would give it, it may be in use all the same.
    if _linked(files, unit, None) is not None:
        return "indirect"
    if install.rules:
        return "disabled"
    return "indirect" if install.also else "static"


def _install(files: UnitFiles, unit: Unit) -> _Install:
    directives = [each for each in files.directives(unit) if each.section == "Install" and each.value]
    aliases = [each.value.split() for each in directives if each.key == "Alias"]
    keys = {each.key for each in directives}
    return _Install(
        {unit.name, *(name for names in aliases for name in names)}, bool(keys & _RULES), "Also" in keys
    )


def _linked(files: UnitFiles, unit: Unit, known: set[str] | None) -> str | None:
    """Return the state that links to a unit give it, those of the known names or, with None, of any."""
    found: set[str] = set()
    below = False
    for folder, links in files.links.items():
        kind = _kind(folder)
        if unit.name in files.wanted_in(folder) or _is_named(files, folder, unit.name, known, below=below):
            if kind == "enabled":
                return kind
            found.add(kind)
        elif links.get(unit.name) == unit.name and not below:
            found.add({"enabled": "linked", "enabled-runtime": "linked-runtime"}.get(kind, kind))
        # Links of the unit's own name do not count in folders after that of its file.
        below = below or files.shown(unit).startswith(f"{folder}/")
    if "static" in found and "enabled-runtime" not in found:
        parts = parse_name(unit.name)
        if parts is None or not parts.instance:
            found.discard("static")
    return next(
        (state for state in ("enabled-runtime", "static", "linked", "linked-runtime") if state in found), None
    )


def _kind(folder: str) -> str:
    """Return what a link in a folder makes of a unit; the folders of packages only count for instances."""
    if folder == _CONFIGURED:
        return "enabled"
    return "enabled-runtime" if folder.startswith(_RUNTIME) else "static"


def _is_named(files: UnitFiles, folder: str, name: str, known: set[str] | None, *, below: bool) -> bool:
    """Return whether one of a folder's links stands for a unit under a name that counts."""
    for link, target in files.links_about(folder, name):
        by_path, by_target = link == name and not below, target == name
        if by_path != by_target and (known is None or link in known):
            return True
    return False
