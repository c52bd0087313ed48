"""kolide_node_packages: the packages in the lock files of Node.js projects below a folder."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable, read_file
from kolide_kit.limits import Budget
from kolide_kit.redact import redact_text
from kolide_kit.text import shown
from osquery_sdk import Column, Query, Row, table

from ..reading.homes import walk
from ..reading.paths import asked_texts, read_or_warn

if TYPE_CHECKING:
    from ..reading.lockfiles import LockedPackage

__all__ = ["NodePackage", "node_packages"]

_BINARY = "bun.lockb"
# What is said of a package in several places, from what counts most.
_DEV = (False, None, True)


class NodePackage(Row):
    """A package that a lock file names."""

    root: str = Column(
        "Folder to search for projects, three levels deep, node_modules left out",
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
    from ..reading.lockfiles import LOCK_FILES

    budget = Budget.of(query)
    for root in asked_texts(query, "root"):
        for folder in walk(root, max_folders=query.limits.max_folders, on_step=budget.check):
            if _BINARY in folder.files and "bun.lock" not in folder.files:
                query.warn(
                    f"{shown(folder.path)}/{_BINARY} is binary and not read: bun.lock is its text form"
                )
            for name in folder.files:
                if name in LOCK_FILES:
                    path = f"{folder.path.rstrip('/')}/{name}"
                    for package in _locked(path, name, query, budget):
                        budget.add_rows()
                        yield NodePackage(
                            root=root, manager=LOCK_FILES[name][0], lockfile=shown(path), **package._asdict()
                        )


def _locked(path: str, name: str, query: Query, budget: Budget) -> list["LockedPackage"]:
    """Return a lock file's packages, each once.

    A file that cannot be read is logged, and the others are still read.
    """
    from ..reading.lockfiles import LOCK_FILES
    from ..reading.parsing import ParseError

    folder = path.removesuffix(name)

    def beside(relative: str) -> bytes | None:
        if ".." in relative.split("/") or relative.startswith("/"):
            return None
        try:
            return read_file(folder + relative, max_bytes=query.limits.max_file_bytes)
        except (Unreadable, LimitExceeded):
            return None

    # A package in several places in node_modules is one package; it is for production if any place is.
    packages: dict[tuple[str, str], LockedPackage] = {}
    content = read_or_warn(path, query)
    if content is None:
        return []
    try:
        for locked in LOCK_FILES[name][1](content, beside, budget):
            version = redact_text(locked.version) if "/" in locked.version else locked.version
            package = locked._replace(version=version)
            known = packages.get(package[:2])
            if known is None or _DEV.index(package.dev) < _DEV.index(known.dev):
                packages[package[:2]] = package
    except ParseError as error:
        query.warn(f"{path}: {error}")
        return []
    return list(packages.values())
