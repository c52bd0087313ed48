"""kolide_venv_packages: packages in Python's virtual environments, in users' homes or below a folder.

Nothing in them is run: only the files that installers wrote beside the packages are read. Sources: PEP 376,
405, 610, 627, the core metadata specification, and setuptools' older egg-info and egg-link.
"""

import os
from collections.abc import Iterator
from typing import NamedTuple

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable, owner_of, read_file
from kolide_kit.limits import Budget
from kolide_kit.redact import redact_text
from kolide_kit.text import decode, shown
from osquery_sdk import Column, Query, Row, table

from ..reading.homes import LEVELS, Mounts, local_homes, walk
from ..reading.parsing import as_object

__all__ = ["VenvPackage", "venv_packages"]

_MARK = "pyvenv.cfg"
# Folders in which tools keep environments, one folder each: deeper in a home than a walk goes, or in a cache.
_TOOL_FOLDERS = (
    ".local/share/virtualenvs",
    ".local/share/pipx/venvs",
    ".local/pipx/venvs",
    ".local/share/uv/tools",
    ".cache/pypoetry/virtualenvs",
    "Library/Caches/pypoetry/virtualenvs",
    "AppData/Local/pypoetry/Cache/virtualenvs",
    "AppData/Roaming/uv/tools",
    ".pyenv/versions/envs",
)
_MOST_METADATA = 1 << 20


class VenvPackage(Row):
    """A package in a virtual environment."""

    root: str | None = Column(
        "Folder to search, three levels deep; without it the homes of local users are searched",
        index=True,
        hidden=True,
        default=None,
    )
    uid: int | None = Column("User whose home it is in, or who owns the environment below root", index=True)
    venv_path: str = Column("Folder of the environment", key=True)
    python_version: str | None = Column("Version of its Python")
    name: str = Column("Package's name, as the package itself writes it", key=True)
    version: str | None = Column("Package's version")
    editable: bool = Column("1 if it is run from its sources")
    direct_url: str | None = Column(
        "URL of its source without credentials; empty for a package from an index", default=None
    )
    installer: str | None = Column("Installer: pip, uv, ...", default=None)


class Package(NamedTuple):
    """The facts of an installed package."""

    name: str
    version: str | None
    editable: bool
    direct_url: str | None
    installer: str | None


@table(
    "kolide_venv_packages",
    privilege="Without root: only homes that the user may enter, which are often their own alone.",
    examples=(
        (
            "select venv_path, python_version, version from kolide_venv_packages where name = 'requests' "
            "order by version"
        ),
        (
            "select venv_path, name, version, direct_url from kolide_venv_packages where root = '/opt' "
            "and (editable = 1 or direct_url <> '')"
        ),
    ),
)
def venv_packages(query: Query) -> Iterator[VenvPackage]:
    """Packages in Python's virtual environments, those in homes or below a folder; nothing of them is run."""
    budget = Budget.of(query)
    for path, uid, root in _venvs(query, budget):
        try:
            version = _python_version(f"{path}/{_MARK}", query.limits.max_file_bytes)
        except (Unreadable, LimitExceeded) as error:
            query.warn(str(error))
            continue
        for package in packages_in(path, query, budget):
            budget.add_rows()
            yield VenvPackage(
                root=root, uid=uid, venv_path=shown(path), python_version=version, **package._asdict()
            )


def _venvs(query: Query, budget: Budget) -> Iterator[tuple[str, int | None, str | None]]:
    """Yield each environment: its folder, its user, and the root that it was found below."""
    mounts = Mounts()
    roots = query.equals("root")
    if roots is not None:
        for root in dict.fromkeys(roots):
            for path in _below(root, LEVELS, mounts, budget):
                uid = owner_of(path)
                if query.matches("uid", uid):
                    yield path, uid, root
        return
    for home in local_homes(query):
        seen: set[str] = set()
        home_path = home.path.rstrip("/")
        tops = [(home_path, LEVELS), *((f"{home_path}/{folder}", 1) for folder in _TOOL_FOLDERS)]
        for top, levels in tops:
            for path in _below(top, levels, mounts, budget):
                if path not in seen:
                    seen.add(path)
                    yield path, home.uid, None


def _below(top: str, levels: int, mounts: Mounts, budget: Budget) -> Iterator[str]:
    folders = walk(
        top, levels=levels, max_folders=budget.limits.max_folders, on_step=budget.check, mounts=mounts
    )
    for folder in folders:
        if _MARK in folder.files:
            folder.folders.clear()  # an environment within an environment is its own matter
            yield folder.path


def _python_version(path: str, max_bytes: int) -> str | None:
    """Return the version that pyvenv.cfg names: venv writes `version`, virtualenv and uv write
    `version_info`.
    """
    lines = decode(read_file(path, max_bytes=max_bytes)).split("\n", 100)
    pairs = (line.partition("=") for line in lines if "=" in line)
    settings = {name.strip().lower(): value.strip() for name, _, value in pairs}
    version = settings.get("version") or settings.get("version_info", "").partition(".final")[0]
    return version or None


def packages_in(venv: str, query: Query, budget: Budget) -> Iterator[Package]:
    """Yield the packages of an environment itself; the first of a name counts, as it does for Python."""
    wants_source = query.wants("direct_url") or query.wants("editable")
    wants_installer = query.wants("installer")
    seen: set[str] = set()
    for folder in site_packages(venv):
        budget.check()
        for entry in _names(folder, ".dist-info", ".egg-info", ".egg-link", ".egg"):
            budget.step()
            try:
                package = _package(folder, entry, wants_source=wants_source, wants_installer=wants_installer)
            except (Unreadable, LimitExceeded) as error:
                query.warn(str(error))
                continue
            if package is None:
                continue
            normal = package.name.lower().replace("_", "-").replace(".", "-")
            if normal not in seen:
                seen.add(normal)
                yield package


def site_packages(venv: str) -> Iterator[str]:
    """Yield the folders of packages; lib64 is a link to lib, or the place of compiled packages."""
    for lib in ("lib", "lib64"):
        folder = f"{venv}/{lib}"
        if os.path.islink(folder):  # noqa: PTH114
            continue
        names = (name for name in _names(folder) if name.startswith(("python", "pypy")))
        yield from (f"{folder}/{name}/site-packages" for name in names)
    yield f"{venv}/Lib/site-packages"


def _names(folder: str, *endings: str) -> list[str]:
    """Return the names in a folder that have one of the endings, if any is given; none if it cannot be
    listed.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.name.endswith(endings or ""))
    except OSError:
        return []


def _package(folder: str, entry: str, *, wants_source: bool, wants_installer: bool) -> Package | None:
    path = f"{folder}/{entry}"
    if entry.endswith(".dist-info"):
        name, version = name_and_version(f"{path}/METADATA")
        if name is None:
            return None
        url, editable = source_url(f"{path}/direct_url.json") if wants_source else (None, False)
        installer = _first_line(f"{path}/INSTALLER") if wants_installer else None
        return Package(name, version, editable, url, installer)
    if entry.endswith(".egg-link"):
        return _linked(path)
    if entry.endswith(".egg"):
        inner = f"{path}/EGG-INFO/PKG-INFO"
    else:
        inner = f"{path}/PKG-INFO" if os.path.isdir(path) else path  # noqa: PTH112
    name, version = name_and_version(inner) if os.path.lexists(inner) else (None, None)
    return None if name is None else Package(name, version, editable=False, direct_url=None, installer=None)


def _linked(path: str) -> Package | None:
    """Return the package that setuptools' `develop` linked to its sources."""
    sources = _first_line(path)
    if not sources or not os.path.isabs(sources):  # noqa: PTH117
        return None
    for entry in _names(sources, ".egg-info"):
        name, version = name_and_version(f"{sources}/{entry}/PKG-INFO")
        if name is not None:
            return Package(name, version, editable=True, direct_url=f"file://{sources}", installer=None)
    return None


def name_and_version(path: str) -> tuple[str | None, str | None]:
    """Return name and version from the headers of a package's metadata.

    The long description after them is not read.
    """
    headers: dict[str, str] = {}
    for line in decode(read_file(path, max_bytes=_MOST_METADATA)).split("\n"):
        header, colon, value = line.partition(":")
        if not colon and not line.startswith((" ", "\t")):
            break
        headers.setdefault(header.lower(), value.strip())
        if headers.get("name") and headers.get("version"):
            break
    return headers.get("name") or None, headers.get("version") or None


def source_url(path: str) -> tuple[str | None, bool]:
    """Return the URL that a package came from, and whether it is run from there (PEP 610)."""
    import json

    if not os.path.lexists(path):
        return None, False
    try:
        content = as_object(json.loads(read_file(path, max_bytes=_MOST_METADATA)))
    except (ValueError, RecursionError):
        return None, False
    url = content.get("url")
    editable = as_object(content.get("dir_info")).get("editable") is True
    return redact_text(url) if isinstance(url, str) else None, editable


def _first_line(path: str) -> str | None:
    if not os.path.lexists(path):
        return None
    return decode(read_file(path, max_bytes=_MOST_METADATA)).strip().partition("\n")[0].strip() or None
