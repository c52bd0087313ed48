"""The scripts of a package, composed for each form: they differ in when they are called and what they are told."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .model import Package

_SCRIPTS = Path(__file__).parent / "scripts"
_SERVICES = {"linux": "systemd.sh", "darwin": "launchd.sh"}


class Default(NamedTuple):
    """A configuration file that a script copies into place, for forms that know no configuration files."""

    source: str
    path: str
    mode: int


def library(package: Package, *, root: str = "", defaults: tuple[Default, ...] = ()) -> str:
    """The variables and functions that every script begins with.

    Args:
        package: whose.
        root: a shell word for what is put before every path.
        defaults: see `Default`.
    """
    values = {
        "name": package.name,
        "program": package.program,
        "load_list": package.load_list,
        "own_list": "yes" if package.owns_load_list else "",
        "services": " ".join(service.name for service in package.services),
        "state": package.state,
        "defaults": "\n".join(f"{one.mode:04o} {one.source} {one.path}" for one in defaults),
    }
    lines = [f"{key}={shlex.quote(value)}" for key, value in values.items()]
    lines.append(f'root="{root}"')
    parts = [code(name) for name in (_SERVICES[package.platform], "lib.sh")]
    return "\n".join(lines) + "\n\n" + "\n".join(parts)


def code(name: str) -> str:
    """A part without its first line, which is for those who work on it."""
    head, _, rest = (_SCRIPTS / name).read_text(encoding="utf-8").partition("\n")
    assert head.startswith("# shellcheck")
    return rest


def _script(package: Package, body: str, *, root: str = "", head: str = "#!/bin/sh\n") -> str:
    return f"{head}{library(package, root=root)}\n{body}"


def deb(package: Package) -> dict[str, str]:
    """For dpkg, by Debian Policy's table of what each script is called with.

    The load list keeps its line when the package is removed and loses it when it is purged: removed, it leaves its
    configuration behind.
    """
    root = "${DPKG_ROOT:-}"
    return {
        "postinstall": _script(
            package,
            'if [ "$1" = "configure" ]; then\n\tif [ -z "${2-}" ]; then installed; else upgraded; fi\nfi\nexit 0\n',
            root=root,
            head="#!/bin/sh\nset -e\n",
        ),
        "preremove": _script(
            package,
            'if [ "$1" = "remove" ] || [ "$1" = "deconfigure" ]; then removing; fi\nexit 0\n',
            root=root,
            head="#!/bin/sh\nset -e\n",
        ),
        "postremove": _script(
            package,
            'case "$1" in\nremove)\n\tremoved\n\tgone\n\t;;\npurge) purged state-too ;;\nesac\nexit 0\n',
            root=root,
            head="#!/bin/sh\nset -e\n",
        ),
    }


def rpm(package: Package) -> dict[str, str]:
    """For rpm, which tells how many versions there will be; on an upgrade the old ones' run last, and do nothing.

    It knows no purge: with the last version the line goes.
    """
    return {
        "postinstall": _script(
            package, 'if [ "$1" = 1 ]; then installed; else upgraded; fi\nexit 0\n', head=""
        ),
        "preremove": _script(package, 'if [ "$1" = 0 ]; then removing; fi\nexit 0\n', head=""),
        "postremove": _script(
            package, 'if [ "$1" = 0 ]; then\n\tremoved\n\tpurged\n\tgone\nfi\nexit 0\n', head=""
        ),
    }


def separate(package: Package) -> dict[str, str]:
    """For apk and pacman, which have a script for each occasion."""
    head = "#!/bin/sh\n"
    return {
        "postinstall": _script(package, "installed\nexit 0\n", head=head),
        "postupgrade": _script(package, "upgraded\nexit 0\n", head=head),
        "preremove": _script(package, "removing\nexit 0\n", head=head),
        "postremove": _script(package, "removed\npurged\ngone\nexit 0\n", head=head),
    }
