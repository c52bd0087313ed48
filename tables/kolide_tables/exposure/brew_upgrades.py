"""Find the formulae and casks that `brew upgrade` would upgrade, by the lists that Homebrew has fetched.

Homebrew keeps its API's two lists in its user's cache, and installed versions as folders with a receipt each.
The lists are long: of each only the entries of what is installed are taken apart. Formulae of other taps,
casks that update themselves, and what is pinned, are left out. Sources: Homebrew's Formula#outdated_kegs,
Cask#outdated_version, Version and PkgVersion, Tab, and its API's documentation.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from functools import cmp_to_key
from itertools import pairwise
from typing import Any, NamedTuple

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Missing, Unreadable, open_file, owner_of, read_file
from kolide_kit.limits import Budget
from kolide_kit.text import decode_kept, printable, shown
from osquery_sdk import Query

from ..reading.homes import local_homes
from ..reading.parsing import as_object
from ..reading.paths import names_in

PREFIXES = ("/opt/homebrew", "/usr/local", "/home/linuxbrew/.linuxbrew")
_CACHES = ("Library/Caches/Homebrew", ".cache/Homebrew")
_CORE, _CASK = "homebrew/core", "homebrew/cask"
_BLOCK = 1 << 20
_MOST_BYTES = 256 << 20
_LONGEST = 4 << 20
# The list is a JSON text within JSON, in which quotes are escaped: an entry begins with its two names.
_FORMULA = re.compile(rb'\{\\"name\\":\\"([^"\\]+)\\",\\"full_name\\"')
_TOKEN = re.compile(rb'\{\\"token\\":\\"([^"\\]+)\\",\\"full_token\\"')
_PART = re.compile(
    "(?P<alpha>alpha[0-9]*|a[0-9]+)|(?P<beta>beta[0-9]*|b[0-9]+)|(?P<pre>pre[0-9]*)|(?P<rc>rc[0-9]*)"
    "|(?P<patch>p[0-9]*)|(?P<post>.post[0-9]+)|(?P<number>[0-9]+)|(?P<text>[a-z]+)",
    re.IGNORECASE,
)
# Kinds of words that come before, and after, the version that they are added to.
_STAGES = {"alpha": 0, "beta": 1, "pre": 2, "rc": 3, "patch": 4, "post": 4}
_BEFORE = ("alpha", "beta", "pre", "rc")


class BrewUpgrade(NamedTuple):
    """A formula or cask with its installed version, and the one that Homebrew would install."""

    name: str
    installed: str
    candidate: str
    tap: str


class _Keg(NamedTuple):
    version: str
    scheme: int


def brew_upgrades(query: Query, prefixes: Iterable[str] = PREFIXES) -> Iterator[BrewUpgrade]:
    """Yield the upgrades of the Homebrews at these places."""
    budget = Budget.of(query)
    for prefix in prefixes:
        formulae, casks = names_in(f"{prefix}/Cellar"), names_in(f"{prefix}/Caskroom")
        if not formulae and not casks:
            continue
        folders = _caches(f"{prefix}/{'Cellar' if formulae else 'Caskroom'}", query)
        listed = _entries(folders, "formula", _FORMULA, set(formulae), query, budget)
        for name, entry in sorted(listed.items()):
            yield from _formula(prefix, name, entry, query)
        for name, entry in sorted(_entries(folders, "cask", _TOKEN, set(casks), query, budget).items()):
            yield from _cask(prefix, name, entry)


def _caches(folder: str, query: Query) -> list[str]:
    """Return the folders of the API's lists, in the home of the user whom a folder belongs to."""
    owner = owner_of(folder)
    homes = [home.path for home in local_homes(query) if home.uid == owner]
    return [f"{home}/{cache}/api" for home in homes for cache in _CACHES]


def _formula(prefix: str, name: str, entry: dict[str, Any], query: Query) -> Iterator[BrewUpgrade]:
    version = as_object(entry.get("versions")).get("stable")
    revision, scheme = entry.get("revision"), entry.get("version_scheme")
    if not isinstance(version, str) or os.path.lexists(f"{prefix}/var/homebrew/pinned/{name}"):
        return
    candidate = f"{version}_{revision}" if isinstance(revision, int) and revision > 0 else version
    latest = _Keg(candidate, scheme if isinstance(scheme, int) else 0)
    kegs = [keg for keg in _kegs(f"{prefix}/Cellar/{name}", query) if not keg.version.startswith("HEAD")]
    if kegs and all(_is_older(keg, latest) for keg in kegs):
        newest = max(kegs, key=lambda keg: (keg.scheme, cmp_to_key(compare_versions)(keg.version)))
        yield BrewUpgrade(printable(name), printable(newest.version), printable(candidate), _CORE)


def _is_older(keg: _Keg, latest: _Keg) -> bool:
    if latest.scheme > keg.scheme:
        return latest.version != keg.version
    return latest.scheme == keg.scheme and compare_versions(latest.version, keg.version) > 0


def _kegs(rack: str, query: Query) -> Iterator[_Keg]:
    """Yield the installed versions of a formula of the core tap."""
    for version in names_in(rack):
        if version.startswith("."):
            continue
        try:
            receipt = as_object(json.loads(decode_kept(read_file(f"{rack}/{version}/INSTALL_RECEIPT.json"))))
        except Missing:
            receipt = {}
        except (Unreadable, LimitExceeded, ValueError, RecursionError) as error:
            query.warn(f"{shown(rack)}/{shown(version)}: {error}")
            receipt = {}
        source = as_object(receipt.get("source"))
        scheme = as_object(source.get("versions")).get("version_scheme")
        if source.get("tap") in (None, _CORE):
            yield _Keg(version, scheme if isinstance(scheme, int) else 0)


def _cask(prefix: str, name: str, entry: dict[str, Any]) -> Iterator[BrewUpgrade]:
    version = entry.get("version")
    versions = [known for known in names_in(f"{prefix}/Caskroom/{name}") if not known.startswith(".")]
    # A cask without versions, and one that updates itself, is upgraded only if it is asked for.
    is_left = version == "latest" or entry.get("auto_updates") is True
    if isinstance(version, str) and versions and version not in versions and not is_left:
        yield BrewUpgrade(printable(name), printable(versions[-1]), printable(version), _CASK)


# -- the API's lists


def _entries(
    folders: list[str], kind: str, begin: re.Pattern[bytes], names: set[str], query: Query, budget: Budget
) -> dict[str, dict[str, Any]]:
    """Return the entries of some names in a list of the API."""
    for folder in folders if names else ():
        path = f"{folder}/{kind}.jws.json"
        entries: dict[str, dict[str, Any]] = {}
        try:
            entries.update(_parsed(path, begin, {os.fsencode(name) for name in names}, budget))
        except Missing:
            continue
        except (Unreadable, OSError) as error:
            query.warn(str(error))
        return entries
    if names:
        query.warn(f"brew: {kind}.jws.json is not in its cache: run `brew update` with the API in use")
    return {}


def _parsed(
    path: str, begin: re.Pattern[bytes], names: set[bytes], budget: Budget
) -> Iterator[tuple[str, dict[str, Any]]]:
    for text in _cut(path, begin, budget):
        match = begin.match(text)
        if match is not None and match[1] in names:
            try:
                inner = json.loads(b'"' + text[: text.rfind(b"}") + 1] + b'"')
                entry, _ = json.JSONDecoder().raw_decode(inner)
            except (ValueError, RecursionError):
                continue
            yield os.fsdecode(match[1]), as_object(entry)


def _cut(path: str, begin: re.Pattern[bytes], budget: Budget) -> Iterator[bytes]:
    """Yield a list's entries, without keeping more than a block of it."""
    rest, left = b"", _MOST_BYTES
    with open_file(path) as file:
        while left > 0 and (block := file.read(_BLOCK)):
            budget.check()
            left -= len(block)
            rest += block
            starts = [match.start() for match in begin.finditer(rest)]
            yield from (rest[start:stop] for start, stop in pairwise(starts))
            rest = rest[starts[-1] :] if starts else rest[-_LONGEST:]
    # Signatures follow the last entry.
    last, end, _ = rest.partition(b']"')
    yield last
    if not end:
        raise Unreadable(f"{shown(path)}: the list is cut off")


# -- versions


def compare_versions(one: str, other: str) -> int:
    """Return a number below, equal to or above 0 as a version is older than, equal to or newer than another.

    A version may end with `_` and a revision.
    """
    (version, revision), (version2, revision2) = map(_revision, (one, other))
    return _compare(_parts(version), _parts(version2)) or revision - revision2


def _revision(version: str) -> tuple[str, int]:
    match = re.fullmatch(r"(.+?)_(\d+)", version)
    return (match[1], int(match[2])) if match else (version, 0)


_Part = tuple[str, int, str]
_NOTHING: _Part = ("", 0, "")


def _parts(version: str) -> list[_Part]:
    parts: list[_Part] = []
    for match in _PART.finditer(version):
        digits = re.search("[0-9]+", match[0])
        parts.append((match.lastgroup or "", int(digits[0]) if digits else 0, match[0]))
    return parts


def _compare(left: list[_Part], right: list[_Part]) -> int:
    at = at2 = 0
    while at < len(left) or at2 < len(right):
        part = left[at] if at < len(left) else _NOTHING
        part2 = right[at2] if at2 < len(right) else _NOTHING
        order = _order(part, part2)
        if order == 0 or (part[0] == "number") == (part2[0] == "number"):
            if order:
                return order
            at, at2 = at + 1, at2 + 1
        # A number against a word: numbers that are zero are passed over, others win.
        elif part[0] == "number":
            if part[1]:
                return 1
            at += 1
        else:
            if part2[1]:
                return -1
            at2 += 1
    return 0


def _order(part: _Part, other: _Part) -> int:
    """Return how one part of a version stands to another."""
    (kind, number, text), (kind2, number2, text2) = part, other
    if not kind or not kind2:
        return _with_nothing(kind, number) - _with_nothing(kind2, number2)
    if "number" in (kind, kind2):
        return number - number2 if kind == kind2 else 1 if kind == "number" else -1
    if kind == kind2 and kind != "text":
        return number - number2
    if kind in _STAGES and kind2 in _STAGES and _STAGES[kind] != _STAGES[kind2]:
        return _STAGES[kind] - _STAGES[kind2]
    return (text > text2) - (text < text2)


def _with_nothing(kind: str, number: int) -> int:
    if kind == "number":
        return int(number > 0)
    return -1 if kind in _BEFORE else int(bool(kind))
