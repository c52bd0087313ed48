"""Read bun.lock, Bun's lock file as JSON with comments and trailing commas.

Its older form, bun.lockb, is binary and is not read. Source: Bun's type `BunLockFile`, and its reader.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from kolide_kit.limits import Budget
from kolide_kit.text import decode_kept, printable

from .jsoncomments import without_comments
from .locked import Beside, LockedPackage, pairs, parse_json_text, reached, scalar_text
from .parsing import as_object

_NAME = re.compile(r"(?:@[^/]+/)?[^/]+")
# Parts of the project: its root, its workspaces, and folders that are linked to.
_OWN = ("root:", "workspace:", "link:")


class _Entry(NamedTuple):
    """A package at its place in the tree: `a/b` is the b that a has for itself."""

    name: str
    version: str
    facts: dict[str, Any]
    integrity: str | None


def bun_packages(content: bytes, _beside: Beside, budget: Budget) -> Iterator[LockedPackage]:
    """Yield the packages of bun.lock; raises ParseError."""
    lock = parse_json_text(without_comments(decode_kept(content)))
    entries = {
        place: entry
        for place, value in as_object(lock.get("packages")).items()
        if (entry := _entry(value)) is not None
    }
    tree = _Tree(entries)
    workspaces = as_object(lock.get("workspaces"))
    start = [place for folder, value in workspaces.items() for place in tree.needed(folder, as_object(value))]
    production = reached(start, tree.edges, budget)
    for place, entry in entries.items():
        budget.step()
        if not entry.version.startswith(_OWN):
            yield LockedPackage(
                printable(entry.name), printable(entry.version), place not in production, entry.integrity
            )


def _entry(value: object) -> _Entry | None:
    """Return a package of the list that it is written as: name@version, then what that kind of source has."""
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        return None
    name, at, version = value[0][1:].partition("@")
    if not at:
        return None
    facts = next((as_object(item) for item in value[1:] if isinstance(item, dict)), {})
    last = scalar_text(value[-1]) if len(value) > 1 else None
    # The last text of a package from git is a tag of Bun's own.
    integrity = last if last and re.match(r"[a-z0-9]+-[A-Za-z0-9+/]{20,}=*$", last) else None
    return _Entry(value[0][:1] + name, version, facts, integrity)


class _Tree:
    """The places of packages: a dependency is the nearest package of its name, as Node.js finds it."""

    def __init__(self, entries: dict[str, _Entry]) -> None:
        self._entries = entries

    def needed(self, folder: str, workspace: dict[str, Any]) -> list[str]:
        """Return the places of what a workspace needs in production; the root's folder is empty."""
        name = workspace.get("name")
        return self._places(name if folder and isinstance(name, str) else "", workspace)

    def edges(self, place: str) -> list[str]:
        """Return the places of what a package needs.

        Peers count, optional ones too: Bun takes those that the project has, whatever brought them.
        """
        entry = self._entries[place]
        # What a workspace needs is a start of its own; its entry had development in it once.
        return [] if entry.version.startswith(_OWN) else self._places(place, entry.facts)

    def _places(self, place: str, facts: dict[str, Any]) -> list[str]:
        # An optional peer that a workspace brings for its own development stays development's.
        optional = facts.get("optionalPeers")
        optional = optional if isinstance(optional, list) else []
        own = {name for name in as_object(facts.get("devDependencies")) if name in optional}
        needed = dict.fromkeys(name for name, _ in pairs(facts))
        needed |= dict.fromkeys(name for name, _ in pairs(facts, "peerDependencies") if name not in own)
        return [found for name in needed if (found := self._nearest(place, name)) is not None]

    def _nearest(self, place: str, name: str) -> str | None:
        parts = _NAME.findall(place)
        for depth in range(len(parts), -1, -1):
            found = "/".join((*parts[:depth], name))
            if found in self._entries:
                return found
        return None
