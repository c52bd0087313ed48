"""Read lock files of Node.js projects: packages, versions, and which packages only development needs.

They are package-lock.json and npm-shrinkwrap.json in their three versions, yarn.lock as Yarn 1 and its
successors write it, and pnpm-lock.yaml from version 5 on. A lock file that does not mark what development
needs leaves it to the project's package.json: packages that its other dependencies do not lead to.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from kolide_kit.limits import Budget
from kolide_kit.text import decode, decode_kept, printable

from .parsing import ParseError, as_object

# Reads a file beside the lock file by its relative path; None if there is none.
Beside = Callable[[str], bytes | None]
_Graph = Mapping[str, Collection[str]]

_PRODUCTION = ("dependencies", "optionalDependencies")


class LockedPackage(NamedTuple):
    """A package that a lock file names; `dev` is None if that cannot be known."""

    name: str
    version: str
    dev: bool | None
    integrity: str | None


def _scalar_text(value: object) -> str | None:
    is_scalar = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    return printable(str(value)) if is_scalar else None


def parse_json(content: bytes) -> dict[str, Any]:
    """Return a JSON object; raises ParseError."""
    try:
        value = json.loads(decode_kept(content))
    except (ValueError, RecursionError) as error:
        raise ParseError(" ".join(str(error).split())[:200]) from error
    if not isinstance(value, dict):
        raise ParseError("it is not a JSON object")
    return value


# -- npm


def npm_packages(content: bytes, _beside: Beside, budget: Budget) -> Iterator[LockedPackage]:
    """Yield the packages of package-lock.json."""
    lock = parse_json(content)
    packages = lock.get("packages")
    if isinstance(packages, dict):
        yield from _npm_flat(packages, budget)
    else:
        yield from _npm_nested(as_object(lock.get("dependencies")), budget)


def _npm_flat(packages: dict[str, Any], budget: Budget) -> Iterator[LockedPackage]:
    for place, value in packages.items():
        budget.step()
        entry = as_object(value)
        version = _scalar_text(entry.get("version"))
        # Skip the project itself, and links to folders of the project, which have entries of their own.
        if not place or entry.get("link") or version is None:
            continue
        name = _scalar_text(entry.get("name")) or printable(place.rpartition("node_modules/")[2])
        yield LockedPackage(name, version, entry.get("dev") is True, _scalar_text(entry.get("integrity")))


def _npm_nested(dependencies: dict[str, Any], budget: Budget) -> Iterator[LockedPackage]:
    levels = [dependencies]
    while levels:
        for name, value in levels.pop().items():
            budget.step()
            entry = as_object(value)
            version = _scalar_text(entry.get("version"))
            if version is not None and not version.startswith("file:"):
                real, real_version = _alias(printable(name), version)
                yield LockedPackage(
                    real, real_version, entry.get("dev") is True, _scalar_text(entry.get("integrity"))
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


# -- Yarn


class _YarnEntry(NamedTuple):
    name: str
    version: str
    integrity: str | None
    needs: list[str]
    workspace: str | None


def yarn_packages(content: bytes, beside: Beside, budget: Budget) -> Iterator[LockedPackage]:
    """Yield the packages of yarn.lock."""
    text = decode(content)
    modern = "\n__metadata:" in text[:4096] or text.startswith("__metadata:")
    entries = dict(_yarn_modern(text, budget) if modern else _yarn_classic(text, budget))
    needed = _yarn_production(entries, beside)
    used: set[int] = set()  # an entry has several keys
    if needed is not None:
        graph = {key: entry.needs for key, entry in entries.items()}
        used = {id(entries[key]) for key in _reached(needed, graph, budget) if key in entries}
    for entry in {id(entry): entry for entry in entries.values()}.values():
        if entry.workspace is None:
            dev = None if needed is None else id(entry) not in used
            yield LockedPackage(entry.name, entry.version, dev, entry.integrity)


def _yarn_production(entries: Mapping[str, _YarnEntry], beside: Beside) -> set[str] | None:
    """Return what the manifests of the project and its workspaces ask for in production.

    Return None if that is unknown.
    """
    workspaces = sorted(
        {entry.workspace for entry in entries.values() if entry.workspace is not None} - {"."}
    )
    needed: set[str] = set()
    for folder in (".", *workspaces):
        manifest = beside("package.json" if folder == "." else f"{folder}/package.json")
        if manifest is None:
            return None
        try:
            content = parse_json(manifest)
        except ParseError:
            return None
        # Yarn 1 does not record where its workspaces are.
        if "workspaces" in content and not workspaces:
            return None
        for name, wanted in _production(content):
            needed.update((f"{name}@{wanted}", f"{name}@npm:{wanted}"))
    return needed


def _yarn_classic(text: str, budget: Budget) -> Iterator[tuple[str, _YarnEntry]]:
    keys: list[str] = []
    fields: dict[str, str] = {}
    needs: list[str] = []
    section = ""
    for line in (*text.split("\n"), "end:"):
        budget.step()
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if not line.startswith(" "):
            if keys and "version" in fields:
                entry = _YarnEntry(
                    _yarn_name(keys[0]), fields["version"], fields.get("integrity"), needs, None
                )
                yield from ((key, entry) for key in keys)
            keys = [key.strip().strip('"') for key in stripped.removesuffix(":").split(",")]
            fields, needs, section = {}, [], ""
        elif not line.startswith("    "):
            name, _, value = stripped.partition(" ")
            section = name.removesuffix(":") if stripped.endswith(":") else ""
            if not section:
                fields[name] = value.strip('"')
        elif section in _PRODUCTION:
            need = re.match(r'"?([^"\s]+)"?\s+"?([^"]*)"?', stripped)
            if need is not None:
                needs.append(f"{need[1]}@{need[2]}")


def _yarn_name(key: str) -> str:
    """Return the package that a key such as `a@npm:chalk@^4` or `@x/y@^1` asks for."""
    name, _, wanted = key[1:].partition("@")
    name = key[:1] + name
    if wanted.startswith("npm:") and "@" in wanted[5:]:
        return wanted[4:].rpartition("@")[0]
    return name


def _yarn_modern(text: str, budget: Budget) -> Iterator[tuple[str, _YarnEntry]]:
    for document in _yaml(text, budget):
        for keys, value in document.items():
            entry = as_object(value)
            resolution, version = _scalar_text(entry.get("resolution")), _scalar_text(entry.get("version"))
            if keys == "__metadata" or resolution is None or version is None:
                continue
            name, _, source = resolution[1:].partition("@")
            needs = [f"{package}@{wanted}" for package, wanted in _production(entry)]
            workspace = source.removeprefix("workspace:") if source.startswith("workspace:") else None
            locked = _YarnEntry(
                resolution[:1] + name, version, _scalar_text(entry.get("checksum")), needs, workspace
            )
            yield from ((key.strip(), locked) for key in keys.split(","))


# -- pnpm


def pnpm_packages(content: bytes, _beside: Beside, budget: Budget) -> Iterator[LockedPackage]:
    """Yield the packages of pnpm-lock.yaml."""
    for document in _yaml(decode(content), budget):
        packages = as_object(document.get("packages"))
        old = str(document.get("lockfileVersion")).startswith("5")
        production = _pnpm_production(document, budget) if "snapshots" in document else None
        for key, value in packages.items():
            budget.step()
            entry = as_object(value)
            name, version = _pnpm_name(key, old=old)
            name = _scalar_text(entry.get("name")) or name
            version = _scalar_text(entry.get("version")) or version
            if not name or not version:
                continue
            # Until version 8 pnpm wrote `dev`, and left it out if both production and development need the
            # package.
            dev = entry.get("dev") is True if production is None else key not in production
            integrity = _scalar_text(as_object(entry.get("resolution")).get("integrity"))
            yield LockedPackage(name, version, dev, integrity)


def _pnpm_production(document: dict[str, Any], budget: Budget) -> set[str]:
    """Return the keys of the packages that any non-development dependency leads to, from version 9 of the
    format on.
    """
    graph: dict[str, list[str]] = {}
    for key, value in as_object(document.get("snapshots")).items():
        graph[key] = [_pnpm_key(name, str(wanted)) for name, wanted in _production(as_object(value))]
    needed = [
        _pnpm_key(name, str(as_object(wanted).get("version")))
        for importer in as_object(document.get("importers")).values()
        for name, wanted in _production(as_object(importer))
    ]
    return {key.partition("(")[0] for key in _reached(needed, graph, budget)}


def _pnpm_key(name: str, version: str) -> str:
    """Return the key of a dependency: an alias names the package as well."""
    return version if "@" in version.partition("(")[0] else f"{name}@{version}"


def _pnpm_name(key: str, *, old: bool) -> tuple[str, str]:
    """Return name and version of a key: `a@1.0.0(b@2.0.0)`, with a slash in front in version 6, before that
    `/a/1.0.0_b@2.0.0`.
    """
    plain = key.partition("(")[0].removeprefix("/")
    if old:
        scope = plain.startswith("@")
        parts = plain.split("/")
        return "/".join(parts[: 1 + scope]), "/".join(parts[1 + scope :]).partition("_")[0]
    name, _, version = plain[1:].partition("@")
    return plain[:1] + name, version


# -- what they share


def _yaml(text: str, budget: Budget) -> Iterator[dict[str, Any]]:
    from .yamltext import yaml_documents

    yield from (document for document in yaml_documents(text, budget) if isinstance(document, dict))


def _production(entry: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the dependencies of an entry that not only development needs: names and wanted versions."""
    return [pair for kind in _PRODUCTION for pair in as_object(entry.get(kind)).items()]


def _reached(start: Iterable[str], graph: _Graph, budget: Budget) -> set[str]:
    """Return everything that the starts lead to, the starts included."""
    seen: set[str] = set()
    todo = list(start)
    while todo:
        budget.step()
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo.extend(graph.get(node, ()))
    return seen


Parser = Callable[[bytes, Beside, Budget], Iterator[LockedPackage]]
LOCK_FILES: Mapping[str, tuple[str, Parser]] = {
    "package-lock.json": ("npm", npm_packages),
    "npm-shrinkwrap.json": ("npm", npm_packages),
    "yarn.lock": ("yarn", yarn_packages),
    "pnpm-lock.yaml": ("pnpm", pnpm_packages),
}
