"""kolide_go_buildinfo: the modules, and the version of Go, that programs were built from."""

import os
import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from kolide_kit.files import Missing, Unreadable, open_file
from kolide_kit.limits import Budget
from kolide_kit.redact import is_secret_name, redact_text
from osquery_sdk import Column, Query, Row, TableError, table

from ..reading.leftout import LeftOut
from ..reading.paths import asked_paths, past_trusted_links

if TYPE_CHECKING:
    from .gobinary import BuildInfo

__all__ = ["GoModule", "go_buildinfo"]

_QUOTED_PAIR = re.compile(r"""(['"])([\w./-]+)=(?:(?!\1).)*\1""")


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
    vcs_modified: bool | None = Column(
        "1 if files had been changed since that revision; NULL if that was not recorded", default=None
    )
    settings: dict[str, str] | None = Column(
        "JSON object of the settings that the program was built with, such as CGO_ENABLED, GOARCH, "
        "-ldflags and -trimpath; secrets redacted; empty for its other modules",
        default=None,
    )


@table(
    "kolide_go_buildinfo",
    privilege="Without root: only files that the user may read.",
    examples=(
        (
            "select path, go_version, module, vcs_revision from kolide_go_buildinfo "
            "where path like '/usr/local/bin/%' and is_main = 1 and vcs_modified = 1"
        ),
        (
            "select p.pid, p.path, g.go_version, g.version as crypto from processes p "
            "join kolide_go_buildinfo g using (path) where g.module = 'golang.org/x/crypto'"
        ),
    ),
)
def go_buildinfo(query: Query) -> Iterator[GoModule]:
    """Modules that Go programs were built from; only a file's headers and build information are read."""
    from .gobinary import BrokenProgram, build_info

    budget, left_out = Budget.of(query), LeftOut(query)
    for path in asked_paths(query, "path", budget, links=True):
        budget.check()
        target = past_trusted_links(path)
        if target != path and os.path.isdir(target):  # noqa: PTH112
            continue  # a link such as /usr/bin/X11, which leads to its own folder
        try:
            with open_file(target) as file:
                info = build_info(file)
        except Missing:
            continue
        except (Unreadable, OSError) as error:
            left_out.add(
                str(error) if isinstance(error, Unreadable) else f"{path}: {error.strerror or error}"
            )
            continue
        except BrokenProgram as error:
            problem = f"{path}: a Go program whose build information is broken, or the file is cut off"
            if query.equals("path") is not None:
                # Without any row it would look like a program of another language.
                raise TableError(problem) from error
            query.warn(problem)
            continue
        if info is not None:
            budget.add_rows(1 + len(info.dependencies))
            yield from _modules(path, info)
    left_out.finish()


def _redacted(value: str) -> str:
    """Return a setting without secrets: `-X 'main.token=a b'` in -ldflags sets a variable to a text."""
    return redact_text(_QUOTED_PAIR.sub(_hidden, value))


def _hidden(pair: re.Match[str]) -> str:
    quote, name = pair[1], pair[2]
    return f"{quote}{name}=[redacted]{quote}" if is_secret_name(name.rpartition(".")[2]) else pair[0]


def _modules(path: str, info: "BuildInfo") -> Iterator[GoModule]:
    # Programs that are built without modules, as Go's own are, still have a package.
    module, version = info.main or (info.package, None)
    row = partial(GoModule, path=path, go_version=info.go_version)
    modified = {"true": True, "false": False}.get(info.settings.get("vcs.modified", ""))
    yield row(
        module=module or None,
        version=version,
        is_main=True,
        vcs_revision=info.settings.get("vcs.revision"),
        vcs_time=info.settings.get("vcs.time"),
        vcs_modified=modified,
        # Programs before Go 1.18 have none.
        settings={name: _redacted(value) for name, value in info.settings.items()} or None,
    )
    for module, version in info.dependencies:
        yield row(module=module, version=version, is_main=False)
