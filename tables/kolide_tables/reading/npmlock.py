"""Read package-lock.json and npm-shrinkwrap.json in their three versions."""

from collections.abc import Iterator
from typing import Any

from kolide_kit.limits import Budget
from kolide_kit.text import printable

from .locked import Beside, LockedPackage, parse_json, scalar_text
from .parsing import as_object

_FOLDER = "node_modules/"


def npm_packages(content: bytes, _beside: Beside, budget: Budget) -> Iterator[LockedPackage]:
    """Yield the packages of package-lock.json; raises ParseError."""
    lock = parse_json(content)
    packages = lock.get("packages")
    if isinstance(packages, dict):
        yield from _flat(packages, budget)
    else:
        yield from _nested(as_object(lock.get("dependencies")), budget)


def _flat(packages: dict[str, Any], budget: Budget) -> Iterator[LockedPackage]:
    for place, value in packages.items():
        budget.step()
        entry = as_object(value)
        version = scalar_text(entry.get("version"))
        # Skip the project itself, and links to folders of the project, which have entries of their own.
        if not place or entry.get("link") or version is None:
            continue
        name = scalar_text(entry.get("name")) or printable(_name_of_folder(place))
        yield LockedPackage(name, version, entry.get("dev") is True, scalar_text(entry.get("integrity")))


def _name_of_folder(place: str) -> str:
    """Return the name that npm leaves out where the folder has it already: `packages/@a/b` holds @a/b."""
    _, modules, name = place.rpartition(_FOLDER)
    if modules:
        return name
    *_, scope, folder = ("", *place.rstrip("/").split("/"))
    return f"{scope}/{folder}" if scope.startswith("@") else folder


def _nested(dependencies: dict[str, Any], budget: Budget) -> Iterator[LockedPackage]:
    levels = [dependencies]
    while levels:
        for name, value in levels.pop().items():
            budget.step()
            entry = as_object(value)
            version = scalar_text(entry.get("version"))
            if version is not None and not version.startswith("file:"):
                real, real_version = _alias(printable(name), version)
                yield LockedPackage(
                    real, real_version, entry.get("dev") is True, scalar_text(entry.get("integrity"))
                )
            if isinstance(entry.get("dependencies"), dict):
                levels.append(entry["dependencies"])


def _alias(name: str, version: str) -> tuple[str, str]:
    """Return the real name and version of an alias: `npm:chalk@4.1.2` under another name is chalk 4.1.2."""
    if version.startswith("npm:"):
        real, at, number = version[4:].rpartition("@")
        if at and real:
            return real, number
    return name, version
