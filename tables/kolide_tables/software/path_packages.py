"""kolide_path_packages: the packages that files belong to, by the databases of the machine's managers.

The paths of dpkg, apk and pacman are indexed once, and the index is kept while the databases stay as they
are, so that each path of a join costs little. RPM's database has an index of its own. No manager is run for
them, except rpm for a database in one of its older forms.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator

from kolide_kit.limits import Budget
from kolide_kit.text import shown
from osquery_sdk import Column, Query, Row, Table, TableError, table

from ..reading.paths import asked_paths
from .package_lists import SOURCES as LISTS
from .package_lists import Owned, Owner, stamp
from .path_index import PathIndexes
from .rpm_files import OLDER

__all__ = ["PathPackage", "path_packages"]

SOURCES = (*LISTS, OLDER)
# Folders that are links into /usr on a machine with a merged /usr; packages name either.
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32")


class PathPackage(Row):
    """A file, and a package that it belongs to."""

    root: str | None = Column(
        "Folder of another system, as of a mounted disk, whose databases are read instead; paths are those "
        "within it",
        index=True,
        hidden=True,
        default=None,
    )
    path: str = Column(
        "File or folder; LIKE finds those that packages list, and files of snap, flatpak and venv that exist",
        index=True,
        required=True,
        key=True,
    )
    manager: str = Column(
        "dpkg, rpm, apk, pacman, snap, flatpak, or venv for Python's environments", key=True
    )
    package: str = Column("Package's name; several packages have the same folder", key=True)
    version: str | None = Column("Version that is installed", key=True)
    origin: str | None = Column(
        "Where the package came from, if the manager recorded it: rpm's vendor, dpkg's field Origin, "
        "pacman's repository, flatpak's remote, the URL of a Python package that is not from an index",
        default=None,
    )


def path_packages() -> Table:
    """Make the table, which keeps the index of paths between requests."""
    indexes = PathIndexes()

    @table(
        "kolide_path_packages",
        platforms=("linux",),
        privilege="Without root: only Python environments that the user may enter.",
        elsewhere="elsewhere osquery's own tables know the installed packages: homebrew_packages, programs",
        examples=(
            (
                "select l.port, l.address, p.path, k.package, k.version, k.origin from listening_ports l "
                "join processes p using (pid) join kolide_path_packages k on k.path = p.path "
                "where l.address in ('0.0.0.0', '::')"
            ),
            (
                "select path, manager, package, version from kolide_path_packages "
                "where path like '/usr/bin/python%'"
            ),
        ),
    )
    def kolide_path_packages(query: Query) -> Iterator[PathPackage]:
        """Packages that files belong to: of dpkg, rpm, apk, pacman, snap, flatpak and Python environments."""
        return owned_rows(query, indexes)

    return kolide_path_packages


def owned_rows(query: Query, indexes: PathIndexes) -> Iterator[PathPackage]:
    """Yield the rows; those of a statement with LIKE are of what the databases list."""
    budget = Budget.of(query)
    roots = query.equals("root")
    if roots is None and query.constraints("root"):
        raise TableError("name root with = or IN")
    named = query.equals("path")
    if named is None and not query.like("path"):
        if query.constraints("path"):
            raise TableError("name path with =, IN or LIKE")
        # osqueryd does not pass on a term that compares with NULL or an empty text, as a join has it with a
        # process whose path is not known: then no file is meant, not all of them.
        return
    for root in (None,) if roots is None else roots:
        top = "" if root is None else root.rstrip("/")
        if named is None:
            owned = _matching(query, top, indexes, budget)
        else:
            owned = _looked_up([path for path in named if path.startswith("/")], query, top, indexes, budget)
        for path, owner in owned:
            budget.add_rows()
            yield PathPackage(root=root, path=path, **owner._asdict())


def _looked_up(
    paths: list[str], query: Query, root: str, indexes: PathIndexes, budget: Budget
) -> Iterator[tuple[str, Owner]]:
    from .package_images import image_owners

    if not paths:
        return
    find = _finder(query, root, indexes, budget)
    links = _merged(root)
    for path in paths:
        query.check()
        real = _real(path, root)
        places = [os.fsencode(place) for place in _aliases((path, real), links)]
        owners = [*find(places), *image_owners(real, root, query, indexes, budget)]
        yield from ((path, owner) for owner in dict.fromkeys(owners))


def _finder(
    query: Query, root: str, indexes: PathIndexes, budget: Budget
) -> Callable[[list[bytes]], Iterator[Owner]]:
    """Return a function that yields the packages that have any of some paths."""
    from .rpm_files import databases, owners_of

    now = tuple(stamp(source.places, root) for source in SOURCES)
    index = indexes.of(root, now, lambda: _listed(root, query), budget)
    rpms = list(databases(root))

    def find(places: list[bytes]) -> Iterator[Owner]:
        for place in places:
            yield from index.owners(place)
        for database in rpms:
            yield from owners_of(database, places, query)

    return find


def _listed(root: str, query: Query) -> Iterator[Owned]:
    for source in SOURCES:
        yield from source.lists(root, query)


def _matching(query: Query, root: str, indexes: PathIndexes, budget: Budget) -> Iterator[tuple[str, Owner]]:
    """Yield what the databases list and what exists in images, as far as the patterns of LIKE fit."""
    from .package_images import image_owners
    from .rpm_files import all_files, databases

    may_match = _prefilter(query.like("path")[0])
    links = {os.fsencode(short): os.fsencode(long) for short, long in _merged(root).items()}
    lists = [_listed(root, query), *(all_files(database, query) for database in databases(root))]
    for owner, paths in (pair for pairs in lists for pair in pairs):
        query.check()
        budget.step(len(paths))
        for place in paths:
            # A pattern may be written with the other name of a folder that is a link.
            for name in (place, *_renamed(place, links)):
                if name and may_match(name) and query.matches("path", shown(name)):
                    yield shown(name), owner
                    break
    if not root:
        for path in asked_paths(query, "path", budget, links=True):
            for owner in image_owners(path, root, query, indexes, budget):
                yield path, owner


def _prefilter(pattern: str) -> Callable[[bytes], object]:
    """Return a quick test that every path which matches a pattern of LIKE passes."""
    signs = {"%": b".*", "_": b".+?"}
    form = b"".join(
        signs.get(sign) or (re.escape(os.fsencode(sign)) if sign.isascii() else b".+?")
        for sign in re.sub("%+", "%", pattern)
    )
    # How bytes that are not ASCII are shown is left to the real test.
    return re.compile(form + rb"\Z|[^\0-\x7f]|.*[^\0-\x7f]", re.DOTALL | re.IGNORECASE).match


def _renamed(path: bytes, links: dict[bytes, bytes]) -> Iterator[bytes]:
    """Yield the other names of a path below a link at the top, or below where one leads."""
    for short, long in links.items():
        if path.startswith(short):
            yield long + path[len(short) :]
        elif path.startswith(long):
            yield short + path[len(long) :]


def _real(path: str, root: str) -> str:
    """Return a path with the links of its folders followed; a link that it ends with belongs to a package."""
    folder, name = os.path.split(os.path.normpath(path))
    # Absolute links of another system would lead into this one.
    return f"{os.path.realpath(folder).rstrip('/')}/{name}" if not root else f"{folder.rstrip('/')}/{name}"


def _merged(root: str) -> dict[str, str]:
    """Return the folders at the top that are links into /usr, with where they lead."""
    links: dict[str, str] = {}
    for name in _MERGED:
        try:
            target = os.readlink(f"{root}/{name}")  # noqa: PTH115
        except OSError:
            continue
        links[f"/{name}/"] = f"/{target.strip('/')}/"
    return links


def _aliases(paths: Iterable[str], links: dict[str, str]) -> list[str]:
    """Return the paths, and the other names that they have where folders at the top are links."""
    aliases = dict.fromkeys(paths)
    for path in list(aliases):
        for short, long in links.items():
            if path.startswith(long):
                aliases[short + path[len(long) :]] = None
            if path.startswith(short):
                aliases[long + path[len(short) :]] = None
    return list(aliases)
