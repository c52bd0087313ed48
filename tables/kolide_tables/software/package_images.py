"""Look up the package of a path where the path itself says it: in snaps, flatpaks and virtual environments.

Sources: snapd's and flatpak's documentation of their file system layout, and PEP 376 and 627 for the file
RECORD of a package in a virtual environment.
"""

import csv
import os
import re
from collections.abc import Iterator
from posixpath import dirname, normpath

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable
from kolide_kit.limits import Budget
from kolide_kit.text import decode, shown
from osquery_sdk import Query

from ..reading.flatpak import parse_deploy
from ..reading.paths import names_in, read_or_warn
from .package_lists import Owned, Owner, stamp
from .path_index import PathIndexes
from .venv_packages import name_and_version, site_packages, source_url

_SNAP = re.compile(r"((?:/var/lib/snapd)?/snap/([a-z0-9][a-z0-9_\-]*)/([^/]+))(?:/|$)")
_SNAP_VERSION = re.compile(r"""^version:\s*(['"]?)([^'"#\n]*?)\1\s*(?:#.*)?$""", re.MULTILINE)
_FLATPAK = re.compile(
    r"(/.+/(?:app|runtime)/([A-Za-z0-9_\-.]+)/[a-z0-9_\-]+/([^/]+)/([0-9a-f]{64}[0-9.]*|active))/"
)
_VENV_MARK = "pyvenv.cfg"
# As deep as a package's own folders go in an environment.
_MOST_PARENTS = 24
_MOST_BYTES = 16 << 20


def image_owners(path: str, root: str, query: Query, indexes: PathIndexes, budget: Budget) -> Iterator[Owner]:
    """Yield the snap, flatpak or Python package that a path belongs to."""
    if (match := _SNAP.match(path)) is not None:
        yield from _snap(match, root, query)
    elif (match := _FLATPAK.match(path)) is not None:
        yield from _flatpak(match, root, query)
    elif (venv := _venv_of(path, root)) is not None:
        sites = [site for site in site_packages(root + venv) if os.path.isdir(site)]  # noqa: PTH112
        index = indexes.of(
            f"{root}{venv}",
            stamp(tuple(site.lstrip("/") for site in sites), ""),
            lambda: _in_venv(sites, root, query, budget),
            budget,
        )
        yield from index.owners(os.fsencode(path))


def _snap(match: re.Match[str], root: str, query: Query) -> Iterator[Owner]:
    about = read_or_warn(f"{root}{match[1]}/meta/snap.yaml", query, max_bytes=_MOST_BYTES)
    if about is not None:
        version = _SNAP_VERSION.search(decode(about))
        yield Owner("snap", match[2], version[2].strip() if version else None, None)


def _flatpak(match: re.Match[str], root: str, query: Query) -> Iterator[Owner]:
    content = read_or_warn(f"{root}{match[1]}/deploy", query, max_bytes=_MOST_BYTES)
    if content is None:
        return
    try:
        origin, texts = parse_deploy(content)
    except ValueError as error:
        query.warn(f"{shown(match[1])}/deploy: {error}")
        origin, texts = b"", {}
    version = shown(texts.get(b"appdata-version", b""))
    yield Owner("flatpak", match[2], version or match[3], shown(origin) or None)


# -- virtual environments


def _venv_of(path: str, root: str) -> str | None:
    """Return the environment that a path is in; the innermost of several."""
    folder = dirname(path)
    for _ in range(_MOST_PARENTS):
        if folder in ("/", ""):
            return None
        if os.path.isfile(f"{root}{folder}/{_VENV_MARK}"):  # noqa: PTH113
            return folder
        folder = dirname(folder)
    return None


def _in_venv(sites: list[str], root: str, query: Query, budget: Budget) -> Iterator[Owned]:
    """Yield the packages of an environment with the files that their installers recorded."""
    for site in sites:
        for entry in names_in(site):
            record = (
                read_or_warn(f"{site}/{entry}/RECORD", query, max_bytes=_MOST_BYTES)
                if entry.endswith(".dist-info")
                else None
            )
            if record is None:
                continue
            budget.check()
            try:
                name, version = name_and_version(f"{site}/{entry}/METADATA")
                origin, _ = source_url(f"{site}/{entry}/direct_url.json")
                files = list(_recorded(record))
            except (Unreadable, LimitExceeded, csv.Error) as error:
                query.warn(f"{shown(site)}/{entry}: {error}")
                continue
            if name is not None:
                inside = site.removeprefix(root)
                yield (
                    Owner("venv", name, version, origin),
                    [os.fsencode(_joined(inside, file)) for file in files],
                )


def _recorded(record: bytes) -> Iterator[str]:
    """Yield the paths in a RECORD: lines of path, hash and size, as CSV."""
    text = os.fsdecode(record)
    if '"' in text:
        yield from (row[0] for row in csv.reader(text.splitlines()) if row)
    else:
        yield from (line.rsplit(",", 2)[0] for line in text.splitlines())


def _joined(site: str, file: str) -> str:
    # Scripts are recorded as ../../../bin/NAME.
    return normpath(f"{site}/{file}") if ".." in file else file if file.startswith("/") else f"{site}/{file}"
