"""Read yarn.lock, as Yarn 1 and its successors write it.

It does not say what development alone needs: that follows from the manifests of the project and its
workspaces, and from the graph. The graph's edges are found as Yarn finds them, after the project's
`resolutions`, catalogs and package extensions. Source: Yarn's documentation of manifests, .yarnrc.yml and
protocols, and its own readers.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from kolide_kit.limits import Budget
from kolide_kit.text import decode

from .locked import Beside, LockedPackage, pairs, parse_json, parse_yaml, reached, scalar_text
from .parsing import ParseError, as_object, texts_in

_NPM, _PATCH, _WORKSPACE = "npm:", "patch:", "workspace:"
# Folders of the project or of this machine, not packages.
_LINKS = ("link:", "portal:", _WORKSPACE)
_BUILTIN = "builtin<"
_CONFLICT = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")
_SETTINGS = ".yarnrc.yml"
_KEY = re.compile(r'"([^"]*)"|([^",\s][^",]*)')
_SPECIFIER = r"(@[^/@]+/[^/@]+|[^/@]+)(?:@([^/]+))?"
_RESOLUTION = re.compile(rf"(?:{_SPECIFIER}/)?{_SPECIFIER}")


class _Entry(NamedTuple):
    """A package of the lock file.

    Attributes:
        name: the package's own name, whatever the project calls it.
        version: its version.
        reference: its source, as Yarn 2 and later write it (`npm:1.0.0`); empty for Yarn 1.
        integrity: its checksum.
        needs: names and wanted versions of its dependencies.
    """

    name: str
    version: str
    reference: str
    integrity: str | None
    needs: list[tuple[str, str]]


class _Manifest(NamedTuple):
    """The package.json of the project or one of its workspaces, and the workspace's own entry."""

    entry: _Entry | None
    content: dict[str, Any]


class _Rule(NamedTuple):
    """An entry of `resolutions`: what to take for a dependency, of one package only if `of` is given."""

    position: int
    of: str
    of_reference: str | None
    wanted: str | None
    instead: str


def yarn_packages(content: bytes, beside: Beside, budget: Budget) -> Iterator[LockedPackage]:
    """Yield the packages of yarn.lock; raises ParseError."""
    text = decode(content)
    modern = "\n__metadata:" in text[:4096] or text.startswith("__metadata:")
    entries = dict(_modern(text, budget) if modern else _classic(text, budget))
    manifests = _manifests(entries, beside)
    production: set[int] | None = None
    development: set[int] = set()
    if manifests is not None:
        graph = _Graph(entries, _project(manifests, beside, budget), budget)
        production = graph.reached_from(manifests, ("dependencies", "optionalDependencies"))
        development = graph.reached_from(manifests, ("devDependencies",))
    for entry in {id(entry): entry for entry in entries.values()}.values():
        if not entry.reference.startswith(_LINKS):
            dev = None
            if production is not None and (id(entry) in production or id(entry) in development):
                dev = id(entry) not in production
            yield LockedPackage(entry.name, entry.version, dev, entry.integrity)


# -- the project beside the lock file


def _manifests(entries: Mapping[str, _Entry], beside: Beside) -> list[_Manifest] | None:
    """Return the manifests of the project and its workspaces; None if one of them is missing."""
    workspaces = {
        entry.reference.removeprefix(_WORKSPACE): entry
        for entry in entries.values()
        if entry.reference.startswith(_WORKSPACE)
    }
    manifests: list[_Manifest] = []
    for folder in (".", *sorted(workspaces.keys() - {"."})):
        file = beside.read("package.json" if folder == "." else f"{folder}/package.json")
        try:
            manifests.append(_Manifest(workspaces.get(folder), parse_json(file or b"")))
        except ParseError:
            return None
    # Yarn 1 does not record where its workspaces are.
    patterns = () if workspaces else _patterns(manifests[0].content.get("workspaces"))
    try:
        found = [
            file for folder in _folders(patterns, beside) if (file := beside.read(f"{folder}/package.json"))
        ]
        manifests += (_Manifest(None, parse_json(file)) for file in found)
    except ParseError:
        return None
    return None if patterns and not found else manifests


def _patterns(workspaces: object) -> list[str]:
    """Return the patterns of a manifest's workspaces, a list or an object with one."""
    return texts_in(as_object(workspaces).get("packages", workspaces))


def _folders(patterns: Iterable[str], beside: Beside) -> list[str]:
    folders = dict.fromkeys(
        folder for pattern in patterns if pattern[:1] != "!" for folder in beside.folders(pattern.strip("/"))
    )
    left_out = {
        folder for pattern in patterns if pattern[:1] == "!" for folder in beside.folders(pattern[1:])
    }
    return [folder for folder in folders if folder not in left_out]


class _Project(NamedTuple):
    """Settings that change what a dependency leads to.

    Attributes:
        rules: the root's `resolutions`, by whose dependency they are about, empty for any, and its name.
        catalogs: versions by name, by the name of the catalog.
        extensions: dependencies that packages lack, by the package's name.
    """

    rules: Mapping[tuple[str, str], list[_Rule]]
    catalogs: Mapping[str, dict[str, Any]]
    extensions: Mapping[str, list[tuple[str, str]]]


def _project(manifests: list[_Manifest], beside: Beside, budget: Budget) -> _Project:
    settings: dict[str, Any] = {}
    try:
        for document in parse_yaml(decode(beside.read(_SETTINGS) or b""), budget):
            settings = document
    except ParseError:
        pass  # Yarn itself would not go on: it is not the lock file's fault
    rules: dict[tuple[str, str], list[_Rule]] = {}
    resolutions = as_object(manifests[0].content.get("resolutions"))
    for position, (pattern, instead) in enumerate(resolutions.items()):
        # Globs of Yarn 1: `**/a` is a everywhere, and `b/**/a` is any a that b leads to.
        match = _RESOLUTION.fullmatch(re.sub(r"(?:^|(?<=/))\*\*?/", "", pattern))
        if match is not None and isinstance(instead, str):
            rule = _Rule(position, match[1] or "", match[2], match[4], instead)
            rules.setdefault((rule.of, match[3]), []).append(rule)
    extensions: dict[str, list[tuple[str, str]]] = {}
    for package, facts in as_object(settings.get("packageExtensions")).items():
        extensions.setdefault(_split(package)[0], []).extend(_texts(pairs(as_object(facts), "dependencies")))
    named = as_object(settings.get("catalogs"))
    catalogs = {"": as_object(settings.get("catalog"))} | {key: as_object(named[key]) for key in named}
    return _Project(rules, catalogs, extensions)


# -- the graph


class _Graph:
    """The entries, and what their dependencies lead to."""

    def __init__(self, entries: Mapping[str, _Entry], project: _Project, budget: Budget) -> None:
        self._project = project
        self._budget = budget
        self._entries = entries
        self._by_id = {id(entry): entry for entry in entries.values()}
        self._by_locator: dict[tuple[str, str], list[int]] = {}
        for number, entry in self._by_id.items():
            self._by_locator.setdefault((entry.name, entry.reference), []).append(number)
        self._by_name: dict[str, list[_Entry]] = {}
        # The source of a patch, a folder or an archive is followed by whose it is.
        self._bound: dict[str, list[_Entry]] = {}
        # Names of which every entry has been taken already.
        self._guessed: set[str] = set()
        # Yarn patches a few packages by itself; the dependency still names the package as it is.
        self._patched: dict[str, list[_Entry]] = {}
        for key, entry in entries.items():
            name, wanted = _split(key)
            self._by_name.setdefault(name, []).append(entry)
            if "::" in wanted:
                self._bound.setdefault(key.partition("::")[0], []).append(entry)
            if wanted.startswith(_PATCH) and _BUILTIN in wanted:
                self._patched.setdefault(_plain(*_source(wanted)), []).append(entry)

    def reached_from(self, manifests: list[_Manifest], kinds: tuple[str, ...]) -> set[int]:
        """Return the ids of the entries that these kinds of dependencies lead to."""
        self._guessed.clear()
        start = [
            found
            for manifest in manifests
            for need in _texts(pairs(manifest.content, *kinds))
            for found in self._found(need, manifest.entry)
        ]
        return reached(start, self._edges, self._budget)

    def _edges(self, number: int) -> Iterator[int]:
        entry = self._by_id[number]
        # A workspace's entry has what it needs for development, too: its manifest is a start of its own.
        if entry.reference.startswith(_WORKSPACE):
            return
        for need in entry.needs:
            yield from self._found(need, entry)
        if entry.reference.startswith(_PATCH):
            yield from self._by_locator.get(_source(entry.reference), ())
        for name, wanted in self._project.extensions.get(entry.name, ()):
            self._budget.step()
            yield from map(id, self._exact(name, wanted))

    def _found(self, need: tuple[str, str], parent: _Entry | None) -> Iterable[int]:
        """Return the ids of the entries that a dependency leads to.

        What is changed in a way that is not known here leads to every entry of its name: rather a package of
        production too much than one too few.
        """
        name, wanted = need
        if wanted.startswith("catalog:"):
            catalog = self._project.catalogs.get(wanted.removeprefix("catalog:"), {})
            wanted = str(catalog.get(name, wanted))
        found: list[_Entry] = []
        rules = self._project.rules
        of_any, of_parent = rules.get(("", name), []), rules.get((parent.name, name), []) if parent else []
        # The first rule that fits is the one.
        for rule in sorted(of_any + of_parent) if of_any and of_parent else of_any or of_parent:
            self._budget.step()
            if _applies(rule, parent, wanted):
                found = self._exact(name, rule.instead)
                # Yarn 1 knows other patterns, so there it is one or the other.
                if parent is None or parent.reference:
                    break
                found += self._exact(name, wanted)
        found = found or self._exact(name, wanted)
        if not found and name not in self._guessed:
            self._guessed.add(name)
            found = self._by_name.get(name, [])
        return map(id, found)

    def _exact(self, name: str, wanted: str) -> list[_Entry]:
        for key in (f"{name}@{wanted}", f"{name}@{_NPM}{wanted}"):
            if key in self._entries:
                return [self._entries[key], *self._patched.get(_plain(name, wanted), ())]
        return self._bound.get(f"{name}@{wanted}", [])


def _applies(rule: _Rule, parent: _Entry | None, wanted: str) -> bool:
    if rule.wanted is not None and rule.wanted.removeprefix(_NPM) != wanted.removeprefix(_NPM):
        return False
    reference = rule.of_reference
    if parent is None or reference is None:
        return True
    return reference.removeprefix(_NPM) == parent.reference.removeprefix(_NPM)


def _split(key: str) -> tuple[str, str]:
    """Return name and wanted version of a key: `@x/y@^1` is @x/y and ^1."""
    name, _, wanted = key[1:].partition("@")
    return key[:1] + name, wanted


def _source(patch: str) -> tuple[str, str]:
    """Return name and wanted version of the package that a patch is for: `patch:a@npm%3A^1#file`."""
    return _split(unquote(patch.removeprefix(_PATCH).partition("#")[0]))


def _plain(name: str, wanted: str) -> str:
    return f"{name}@{wanted.removeprefix(_NPM)}"


def _texts(needs: Iterable[tuple[str, Any]]) -> list[tuple[str, str]]:
    return [(name, str(wanted)) for name, wanted in needs]


# -- the two formats


def _classic(text: str, budget: Budget) -> Iterator[tuple[str, _Entry]]:
    keys: list[str] = []
    fields: dict[str, str] = {}
    needs: list[tuple[str, str]] = []
    section = ""
    for number, line in enumerate((*text.split("\n"), "end:"), 1):
        budget.step()
        stripped = line.strip()
        # Of a merge that nobody has finished both sides count, as for Yarn.
        if not stripped or stripped.startswith("#") or stripped.partition(" ")[0] in _CONFLICT:
            continue
        if not line.startswith(" "):
            if not stripped.endswith(":"):
                raise ParseError(f"line {number}, column 1: neither an entry nor a comment")
            if keys and "version" in fields:
                entry = _Entry(_real_name(keys[0]), fields["version"], "", fields.get("integrity"), needs)
                yield from ((key, entry) for key in keys)
            keys = [quoted or plain.strip() for quoted, plain in _KEY.findall(stripped.removesuffix(":"))]
            fields, needs, section = {}, [], ""
        elif not line.startswith("    "):
            name, _, value = stripped.partition(" ")
            section = name.removesuffix(":") if stripped.endswith(":") else ""
            if not section:
                fields[name] = value.strip('"')
        elif section in ("dependencies", "optionalDependencies"):
            need = re.match(r'"?([^"\s]+)"?\s+"?([^"]*)"?', stripped)
            if need is not None:
                needs.append((need[1], need[2]))


def _real_name(key: str) -> str:
    """Return the package that a key such as `a@npm:chalk@^4` or `@x/y@^1` asks for."""
    name, wanted = _split(key)
    if wanted.startswith(_NPM) and "@" in wanted[5:]:
        return wanted[4:].rpartition("@")[0]
    return name


def _modern(text: str, budget: Budget) -> Iterator[tuple[str, _Entry]]:
    for document in parse_yaml(text, budget):
        for keys, value in document.items():
            entry = as_object(value)
            resolution, version = scalar_text(entry.get("resolution")), scalar_text(entry.get("version"))
            if keys == "__metadata" or resolution is None or version is None:
                continue
            name, reference = _split(resolution)
            locked = _Entry(
                name, version, reference, scalar_text(entry.get("checksum")), _texts(pairs(entry))
            )
            yield from ((key.strip(), locked) for key in keys.split(","))
