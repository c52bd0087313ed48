"""Find the flatpaks that `flatpak update` would upgrade, by the summaries of remotes that it keeps.

A summary lists the packages of a remote with their commits. flatpak keeps those that it has fetched for a
while; that of a remote in a folder is in the folder. Versions are in a remote's AppStream catalogue. Sources:
flatpak's documentation of its filesystem layout, flatpak-remote(5), ostree's summary format, and AppStream's
catalogue XML.
"""

import os
import re
import zlib
from collections.abc import Iterable, Iterator
from configparser import ConfigParser, Error
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Missing, Unreadable, open_file, read_file
from kolide_kit.limits import Budget
from kolide_kit.text import decode, shown
from osquery_sdk import Query

from ..reading.flatpak import Deployment, Installation, deployments, installations, parse_deploy
from ..reading.gvariant import split_array, split_tuple, string
from ..reading.homes import Mounts
from ..reading.paths import names_in

_COMMIT_BYTES = 32
# As many digits of a commit as flatpak shows.
_SHOWN = 12
_CATALOGUE_BYTES = 512 << 20
_BLOCK = 1 << 20
_END = b"</component>"
_BUNDLE = re.compile(rb"<bundle\b[^>]*>\s*([^<\s]+)\s*</bundle>")
_RELEASE = re.compile(rb"<release\b[^>]*?\bversion\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")


class FlatpakUpgrade(NamedTuple):
    """A deployment, and the newer commit of its remote."""

    ref: str
    installed: str
    candidate: str
    remote: str
    uid: int | None


class _Installed(NamedTuple):
    deployment: Deployment
    remote: str
    version: str


def flatpak_upgrades(query: Query, places: Iterable[Installation] | None = None) -> Iterator[FlatpakUpgrade]:
    """Yield the upgrades in all installations, or in these."""
    budget = Budget.of(query)
    mounts = Mounts()
    for place in installations(query) if places is None else places:
        by_remote: dict[str, list[_Installed]] = {}
        for installed in _installed(place, query, budget):
            by_remote.setdefault(installed.remote, []).append(installed)
        settings = _settings(f"{place.path}/repo/config", query) if by_remote else ConfigParser()
        masks = settings.get("core", "xa.masked", fallback="").split(";")
        is_masked = re.compile("|".join(map(_mask, filter(None, masks))) or "(?!)").fullmatch
        for remote, there in by_remote.items():
            section = f'remote "{remote}"'
            if settings.get(section, "xa.disable", fallback="") != "true":
                url = settings.get(section, "url", fallback="")
                commits = _commits(place, remote, url, mounts, query)
                left = [item for item in there if not is_masked(item.deployment.ref)]
                yield from _newer(place, remote, left, commits, budget, query)


def _newer(
    place: Installation,
    remote: str,
    there: list[_Installed],
    commits: dict[str, str],
    budget: Budget,
    query: Query,
) -> Iterator[FlatpakUpgrade]:
    """Yield the deployments of a remote that has another commit."""
    newer = {
        item.deployment.ref: item
        for item in there
        if commits.get(item.deployment.ref) not in (None, item.deployment.commit.partition(".")[0])
    }
    versions = _versions(place, remote, set(newer), budget, query) if newer else {}
    for ref, item in newer.items():
        yield FlatpakUpgrade(
            ref,
            _named(item.version, item.deployment.commit),
            _named(versions.get(ref, ""), commits[ref]),
            remote,
            place.uid,
        )


def _named(version: str, commit: str) -> str:
    return f"{version} ({commit[:_SHOWN]})" if version else commit[:_SHOWN]


def _installed(place: Installation, query: Query, budget: Budget) -> Iterator[_Installed]:
    for deployment in deployments(place.path, query, budget):
        try:
            origin, texts = parse_deploy(read_file(f"{deployment.path}/deploy"))
        except (Unreadable, LimitExceeded) as error:
            query.warn(str(error))
        except ValueError as error:
            query.warn(f"{shown(deployment.path)}/deploy: {error}")
        else:
            yield _Installed(deployment, shown(origin), shown(texts.get(b"appdata-version", b"")))


def _settings(path: str, query: Query) -> ConfigParser:
    settings = ConfigParser(interpolation=None, strict=False, delimiters=("=",))
    try:
        settings.read_string(decode(read_file(path)))
    except Missing:
        pass
    except (Unreadable, LimitExceeded, Error) as error:
        query.warn(f"{shown(path)}: {' '.join(str(error).split())}")
    return settings


def _mask(pattern: str) -> str:
    """Return a pattern of refs as a regular expression; parts that it leaves out are any."""
    parts = pattern.split("/")
    if parts[0] not in ("app", "runtime"):
        parts = ["*", *parts]
    parts += ["*"] * (4 - len(parts))
    return "/".join(re.escape(part).replace(r"\*", "[^/]*") or "[^/]*" for part in parts)


# -- summaries


def _commits(place: Installation, remote: str, url: str, mounts: Mounts, query: Query) -> dict[str, str]:
    """Return the commits of a remote's refs, as far as they are known on this machine."""
    commits: dict[str, str] = {}
    for path in _summaries(place, remote, url, mounts):
        try:
            summary = read_file(path, max_bytes=query.limits.max_file_bytes)
            commits |= parse_summary(summary)
        except Missing:
            continue
        except (Unreadable, LimitExceeded) as error:
            query.warn(str(error))
        except ValueError as error:
            query.warn(f"{shown(path)}: {error}")
    return commits


def _summaries(place: Installation, remote: str, url: str, mounts: Mounts) -> Iterator[str]:
    """Yield the paths of a remote's summaries, the newest last."""
    if url.startswith("file:"):
        folder = unquote(urlsplit(url).path)
        if mounts.is_local_folder(folder):
            yield f"{folder}/summary"
        return
    folder = f"{place.path}/repo/tmp/cache/summaries"
    # The remote's only one, or one for each architecture, whose name ends with its own hash.
    form = re.compile(rf"{re.escape(remote)}(?:-[A-Za-z0-9_\-]+-[0-9a-f]{{64}}\.sub)?")
    names = [name for name in names_in(folder) if form.fullmatch(name)]
    yield from sorted((f"{folder}/{name}" for name in names), key=_age)


def _age(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


def parse_summary(data: bytes) -> dict[str, str]:
    """Return the commit of each ref in a summary, `(a(s(taya{sv}))a{sv})`. Raises ValueError."""
    refs, _ = split_tuple(data, (8, 8), (None, None))
    commits: dict[str, str] = {}
    for entry in split_array(refs, 8):
        name, facts = split_tuple(entry, (1, 8), (None, None))
        _, commit, _ = split_tuple(facts, (8, 1, 8), (8, None, None))
        if len(commit) == _COMMIT_BYTES:
            commits[shown(string(name))] = commit.hex()
    return commits


# -- versions


def _versions(
    place: Installation, remote: str, refs: set[str], budget: Budget, query: Query
) -> dict[str, str]:
    """Return the versions of some refs that a remote's catalogue has: the first release is the newest."""
    versions: dict[str, str] = {}
    for architecture in {ref.split("/")[2] for ref in refs}:
        folder = f"{place.path}/appstream/{remote}/{architecture}"
        path = f"{folder}/active/appstream.xml.gz"
        try:
            # flatpak's own link names a folder beside it.
            active = os.readlink(f"{folder}/active").rpartition("/")[2]  # noqa: PTH115
            path = f"{folder}/{active}/appstream.xml.gz"
            for component in _components(path, budget):
                bundle = _BUNDLE.search(component)
                ref = shown(bundle[1]) if bundle else ""
                if ref in refs and (release := _RELEASE.search(component)):
                    versions[ref] = _unescaped(shown(release[1] or release[2] or b""))
        except (Missing, FileNotFoundError):
            continue
        except (Unreadable, OSError, zlib.error) as error:
            query.warn(f"{shown(path)}: {error}")
    return versions


def _components(path: str, budget: Budget) -> Iterator[bytes]:
    """Yield the parts of a catalogue that end a component, without keeping more than one."""
    left, rest = _CATALOGUE_BYTES, b""
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
    with open_file(path) as file:
        while left > 0 and (data := file.read(_BLOCK >> 3)):
            while data and left > 0:
                budget.check()
                block = inflate.decompress(data, _BLOCK)
                data, left = inflate.unconsumed_tail, left - len(block)
                *components, rest = (rest + block).split(_END)
                yield from components
                if len(rest) > 4 * _BLOCK:
                    rest = b""  # no component is as long


def _unescaped(text: str) -> str:
    from html import unescape

    return unescape(text)
