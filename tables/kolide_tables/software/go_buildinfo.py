"""kolide_go_buildinfo: the modules, and the version of Go, that programs were built from."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from kolide_kit.files import Missing, Unreadable, open_file
from kolide_kit.limits import Budget
from osquery_sdk import Column, Query, Row, table

from ..reading.paths import asked_paths, past_trusted_links

if TYPE_CHECKING:
    from .gobinary import BuildInfo

__all__ = ["GoModule", "go_buildinfo"]


class GoModule(Row):
    """A module that a program was built from."""

    path: str = Column(
        "Program to read; LIKE finds files, with % for any text in one folder's name",
        index=True,
        required=True,
        key=True,
    )
    go_version: str = Column("Version of Go that built it")
    module: str | None = Column("Module's path; that of what replaced it where it was replaced", key=True)
    version: str | None = Column(
        "Module's version; empty where it was built from sources without one", key=True
    )
    is_main: bool = Column("1 for the module of the program itself")
    vcs_revision: str | None = Column("Revision that the program itself was built from", default=None)
    vcs_time: str | None = Column("Time of that revision, as RFC 3339 writes it", default=None)


@table(
    "kolide_go_buildinfo",
    privilege="Without root: only files that the user may read.",
    examples=(
        (
            "select path, go_version, module, vcs_revision from kolide_go_buildinfo "
            "where path like '/usr/local/bin/%' and is_main = 1"
        ),
        (
            "select p.pid, p.path, g.go_version, g.version as crypto from processes p "
            "join kolide_go_buildinfo g using (path) where g.module = 'golang.org/x/crypto'"
        ),
    ),
)
def go_buildinfo(query: Query) -> Iterator[GoModule]:
    """Modules that Go programs were built from; only a file's headers and build information are read."""
    from .gobinary import build_info

    budget = Budget.of(query)
    for path in asked_paths(query, "path", budget, links=True):
        budget.check()
        try:
            with open_file(past_trusted_links(path)) as file:
                info = build_info(file)
        except Missing:
            continue
        except (Unreadable, OSError) as error:
            query.warn(str(error) if isinstance(error, Unreadable) else f"{path}: {error.strerror or error}")
            continue
        if info is not None:
            budget.add_rows(1 + len(info.dependencies))
            yield from _modules(path, info)


def _modules(path: str, info: "BuildInfo") -> Iterator[GoModule]:
    # Programs that are built without modules, as Go's own are, still have a package.
    module, version = info.main or (info.package, None)
    row = partial(GoModule, path=path, go_version=info.go_version)
    revision, time = info.settings.get("vcs.revision"), info.settings.get("vcs.time")
    yield row(module=module or None, version=version, is_main=True, vcs_revision=revision, vcs_time=time)
    for module, version in info.dependencies:
        yield row(module=module, version=version, is_main=False)
