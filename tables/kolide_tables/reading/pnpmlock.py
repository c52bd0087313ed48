"""Read pnpm-lock.yaml from version 5 of its format on."""

import re
from collections.abc import Iterator
from typing import Any

from kolide_kit.limits import Budget
from kolide_kit.text import decode

from .locked import Beside, LockedPackage, pairs, parse_yaml, reached, scalar_text
from .parsing import as_object

# An alias is written with the package that it stands for: chalk@4.1.2, @a/b@file:../b. The address of a
# source has an @ only after a colon or slash: git+ssh://git@example.org/a.git
_ALIAS = re.compile(r"(?:@[^/@:(]+/)?[^/@:(]+@")


def pnpm_packages(content: bytes, _beside: Beside, budget: Budget) -> Iterator[LockedPackage]:
    """Yield the packages of pnpm-lock.yaml; raises ParseError."""
    for document in parse_yaml(decode(content), budget):
        packages = as_object(document.get("packages"))
        old = str(document.get("lockfileVersion")).startswith("5")
        production = _production(document, budget) if "snapshots" in document else None
        for key, value in packages.items():
            budget.step()
            entry = as_object(value)
            name, version = _name_and_version(key, old=old)
            name = scalar_text(entry.get("name")) or name
            version = scalar_text(entry.get("version")) or version
            if not name or not version:
                continue
            # Until version 8 pnpm wrote `dev`, and left it out if both production and development need the
            # package.
            dev = entry.get("dev") is True if production is None else key not in production
            integrity = scalar_text(as_object(entry.get("resolution")).get("integrity"))
            yield LockedPackage(name, version, dev, integrity)


def _production(document: dict[str, Any], budget: Budget) -> set[str]:
    """Return the keys of the packages that any non-development dependency leads to, from version 9 of the
    format on.
    """
    graph = {
        key: [_key(name, str(wanted)) for name, wanted in pairs(as_object(value))]
        for key, value in as_object(document.get("snapshots")).items()
    }
    needed = [
        _key(name, str(as_object(wanted).get("version")))
        for importer in as_object(document.get("importers")).values()
        for name, wanted in pairs(as_object(importer))
    ]
    return {_without_peers(key) for key in reached(needed, lambda key: graph.get(key, ()), budget)}


def _key(name: str, version: str) -> str:
    """Return the key of a dependency: an alias names the package as well."""
    return version if _ALIAS.match(version) else f"{name}@{version}"


def _without_peers(key: str) -> str:
    """Return a key without the peers at its end: `a@1.0.0(b@2.0.0)`."""
    return key.partition("(")[0]


def _name_and_version(key: str, *, old: bool) -> tuple[str, str]:
    """Return name and version of a key: `a@1.0.0(b@2.0.0)`, with a slash in front in version 6, before that
    `/a/1.0.0_b@2.0.0`, with the host in front if it is not npm's own registry.
    """
    plain = _without_peers(key)
    if old:
        parts = plain.split("/")[1:]
        scope = plain.partition("/")[2].startswith("@")
        return "/".join(parts[: 1 + scope]), "/".join(parts[1 + scope :]).partition("_")[0]
    # A host stands before the slash.
    plain = plain if plain.startswith("@") else re.sub(r"^[^/@]*/(?=[^/]+@|@[^/]+/)", "", plain)
    name, _, version = plain[1:].partition("@")
    return plain[:1] + name, version
