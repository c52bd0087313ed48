"""Compose the scripts of a package: each form calls them on other occasions, with other arguments."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .model import Package

_SCRIPTS = Path(__file__).parent / "scripts"
_SERVICES = {"linux": "systemd.sh", "darwin": "launchd.sh"}


class Default(NamedTuple):
    """A configuration file that a script copies into place, for forms without configuration files."""

    source: str
    path: str
    mode: int


def library(package: Package, *, root: str = "", defaults: tuple[Default, ...] = ()) -> str:
    """Return the variables and functions that every script begins with.

    Args:
        package: the package that the script is for.
        root: a shell word that is put before every path.
        defaults: see `Default`.
    """
    values = {
        "name": package.name,
        "program": package.program,
        "load_list": package.load_list,
        "own_list": "yes" if package.owns_load_list else "",
        "services": " ".join(service.name for service in package.services),
        "state": package.state,
        "defaults": "\n".join(f"{default.mode:04o} {default.source} {default.path}" for default in defaults),
    }
    lines = [f"{key}={shlex.quote(value)}" for key, value in values.items()]
    lines.append(f'root="{root}"')
    parts = [code(name) for name in (_SERVICES[package.platform], "lib.sh")]
    return "\n".join(lines) + "\n\n" + "\n".join(parts)


def code(name: str) -> str:
    """Return the code in a file of scripts, without its first line, which is for shellcheck alone."""
    head, _, rest = (_SCRIPTS / name).read_text(encoding="utf-8").partition("\n")
    assert head.startswith("# shellcheck")
    return rest


def _scripts(package: Package, *, head: str = "#!/bin/sh\n", root: str = "", **bodies: str) -> dict[str, str]:
    """Return a script for each body, by the name that nfpm has for its occasion."""
    return {name: f"{head}{library(package, root=root)}\n{body}exit 0\n" for name, body in bodies.items()}


def deb(package: Package) -> dict[str, str]:
    """Return the scripts for dpkg, by Debian Policy's table of the arguments that each is called with.

    The load list keeps its line when the package is removed and loses it when it is purged: in Debian,
    removing a package leaves its configuration behind.
    """
    return _scripts(
        package,
        head="#!/bin/sh\nset -e\n",
        root="${DPKG_ROOT:-}",
        postinstall='if [ "$1" = "configure" ]; then\n'
        '\tif [ -z "${2-}" ]; then installed; else upgraded; fi\nfi\n',
        preremove='if [ "$1" = "remove" ] || [ "$1" = "deconfigure" ]; then removing; fi\n',
        postremove='case "$1" in\nremove)\n\tremoved\n\tgone\n\t;;\npurge) purged state-too ;;\nesac\n',
    )


def rpm(package: Package) -> dict[str, str]:
    """Return the scripts for rpm, whose argument is the number of versions that will be installed afterwards.

    On an upgrade the old version's scripts run last, and do nothing. rpm has no purge, so the load list loses
    its line with the last version.
    """
    return _scripts(
        package,
        head="",
        postinstall='if [ "$1" = 1 ]; then installed; else upgraded; fi\n',
        preremove='if [ "$1" = 0 ]; then removing; fi\n',
        postremove='if [ "$1" = 0 ]; then\n\tremoved\n\tpurged\n\tgone\nfi\n',
    )


def separate(package: Package) -> dict[str, str]:
    """Return the scripts for apk and pacman, which have a script for each occasion."""
    return _scripts(
        package,
        postinstall="installed\n",
        postupgrade="upgraded\n",
        preremove="removing\n",
        postremove="removed\npurged\ngone\n",
    )
