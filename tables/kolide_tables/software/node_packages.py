"""kolide_node_packages: the packages in the lock files of Node.js projects below a folder."""

import os
from collections.abc import Iterator
from posixpath import basename, dirname
from typing import TYPE_CHECKING

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Missing, TooLarge, Unreadable, read_file
from kolide_kit.limits import Budget
from kolide_kit.redact import redact_text
from kolide_kit.text import shown
from osquery_sdk import Column, Query, Row, TableError, table

from ..reading.homes import LEVELS, walk
from ..reading.paths import asked_texts

if TYPE_CHECKING:
    from ..reading.lockfiles import LockedPackage

__all__ = ["NodePackage", "node_packages"]

_BINARY = "bun.lockb"
_MOST_WORKSPACES = 1000
# What is said of a package in several places, from what counts most.
_DEV = (False, None, True)


class NodePackage(Row):
    """A package that a lock file names."""

    root: str = Column(
        "Folder to search for projects, three levels deep, node_modules left out; or a lock file",
        index=True,
        required=True,
        key=True,
    )
    name: str = Column("Package's name; that of the package itself where the project uses another", key=True)
    version: str = Column("Version that is locked, or where it comes from if not from an index", key=True)
    manager: str = Column("Package manager of the lock file: npm, yarn, pnpm or bun")
    lockfile: str = Column("Path of the lock file", key=True)
    dev: bool | None = Column("1 if only development needs it; NULL if that cannot be told")
    integrity: str | None = Column("Checksum of the package as the lock file has it")


@table(
    "kolide_node_packages",
    privilege="Without root: only files that the user may read.",
    examples=(
        "select lockfile, version, dev from kolide_node_packages where root = '/srv' and name = 'lodash'",
        (
            "select u.username, n.lockfile, n.name, n.version from users u "
            "join kolide_node_packages n on n.root = u.directory || '/src' "
            "where n.name in ('event-stream', 'ua-parser-js', 'node-ipc')"
        ),
    ),
)
def node_packages(query: Query) -> Iterator[NodePackage]:
    """Packages in the lock files of npm, Yarn, pnpm and Bun below a folder; node_modules is not searched."""
    from ..reading.parsing import ParseError

    budget = Budget.of(query)
    for root in asked_texts(query, "root"):
        broken: dict[str, Exception] = {}
        is_any_read = False
        for path in _lock_files(root, query, budget):
            try:
                packages = _locked(path, query, budget)
            except ParseError as error:
                broken[path] = TableError(f"{shown(path)}: {error}")
            except TooLarge as error:
                broken[path] = error
            else:
                is_any_read = is_any_read or packages is not None
                for package in packages or ():
                    budget.add_rows()
                    yield NodePackage(
                        root=root, manager=_manager(path), lockfile=shown(path), **package._asdict()
                    )
        for path, problem in broken.items():
            # Without any row it would look as if the project had no packages. A binary lock file is nobody's
            # mistake, and is an error only where it is named.
            own = path if basename(path) == _BINARY else dirname(path)
            if not is_any_read and root.rstrip("/") in (path, own.rstrip("/")):
                raise problem
            query.warn(str(problem))


def _lock_files(root: str, query: Query, budget: Budget) -> Iterator[str]:
    """Yield the lock files below a folder; a root that is a lock file is that file."""
    from ..reading.lockfiles import LOCK_FILES

    if basename(root) in (*LOCK_FILES, _BINARY) and not os.path.isdir(root):  # noqa: PTH112
        if os.path.lexists(root):
            yield root
        return
    for folder in walk(root, max_folders=query.limits.max_folders, on_step=budget.check):
        top = folder.path.rstrip("/")
        if _BINARY in folder.files and "bun.lock" not in folder.files:
            yield f"{top}/{_BINARY}"
        yield from (f"{top}/{name}" for name in folder.files if name in LOCK_FILES)


def _manager(path: str) -> str:
    from ..reading.lockfiles import LOCK_FILES

    return LOCK_FILES[basename(path)][0]


def _locked(path: str, query: Query, budget: Budget) -> list["LockedPackage"] | None:
    """Return a lock file's packages, each once; None if it cannot be read, which is logged.

    Raises ParseError and TooLarge.
    """
    from ..reading.locked import Beside
    from ..reading.lockfiles import LOCK_FILES
    from ..reading.parsing import ParseError
    from .places import expanded

    name = basename(path)
    if name == _BINARY:
        raise ParseError("binary and not read: bun.lock is its text form")
    folder = path.removesuffix(name)

    def read(relative: str) -> bytes | None:
        if ".." in relative.split("/") or relative.startswith("/"):
            return None
        try:
            return read_file(folder + relative, max_bytes=query.limits.max_file_bytes)
        except (Unreadable, LimitExceeded):
            return None

    def folders(pattern: str) -> list[str]:
        if ".." in pattern.split("/"):
            return []
        # As deep as the search for lock files.
        patterns = [pattern.replace("**", "/".join("*" * depth)) for depth in range(LEVELS + 1)]
        places = dict.fromkeys(
            place
            for one in (patterns if "**" in pattern else [pattern])
            for place in expanded(folder.rstrip("/"), one.strip("/"), query, most=_MOST_WORKSPACES)
        )
        return [place.removeprefix(folder) for place in places if "/node_modules" not in place]

    # A package in several places in node_modules is one package; it is for production if any place is.
    packages: dict[tuple[str, str], LockedPackage] = {}
    try:
        content = read_file(path, max_bytes=query.limits.max_file_bytes)
    except Missing:
        return None
    except Unreadable as error:
        query.warn(str(error))
        return None
    for locked in LOCK_FILES[name][1](content, Beside(read, folders), budget):
        version = redact_text(locked.version) if "/" in locked.version else locked.version
        package = locked._replace(version=version)
        known = packages.get(package[:2])
        if known is None or _DEV.index(package.dev) < _DEV.index(known.dev):
            packages[package[:2]] = package
    return list(packages.values())
