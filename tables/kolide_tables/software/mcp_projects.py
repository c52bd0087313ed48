"""Find the projects of a user in which a client may have its own configuration.

A home is searched three levels deep, and the folders that the clients themselves list are looked at, wherever
they are: a project needs to be known to one client only, not to the client whose file it has. The lists are
in mcp_lists.py.
"""

import os
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Budget
from osquery_sdk import Query

from ..reading.homes import LEVELS, Folder, Mounts, walk
from ..reading.parsing import as_list, as_object, texts_in
from ..reading.paths import read_or_warn
from ..reading.sqlitefiles import database_texts
from .places import expanded

if TYPE_CHECKING:
    from .mcp_clients import Client
    from .mcp_files import ConfigFiles

__all__ = ["Projects"]

_MOST_PROJECTS = 1_000
# Folders at the top of a home in which nobody works; hidden ones are left out as well.
_NOT_SEARCHED = frozenset(("Library", "AppData", "snap"))
_JETBRAINS = r'<(?:entry key|option value)="([^"\n]{1,4096})"'
_URI = r"[A-Za-z][\w+.\-]+:"
# Files in place of a project's folder; those of VS Code name more folders.
_SOLUTIONS = (".sln", ".slnx", ".ipr")
_PROJECT_FILES = (*_SOLUTIONS, ".code-workspace", "workspace.json")


class Projects:
    """The configuration files in the projects of one user."""

    def __init__(
        self, top: str, platform: str, files: "ConfigFiles", query: Query, budget: Budget, mounts: Mounts
    ) -> None:
        """Remember a home, given without a slash at its end."""
        self._top = top
        self._platform = platform
        self._files = files
        self._query = query
        self._budget = budget
        self._mounts = mounts

    def files(self, listed: Iterable[str]) -> Iterator[tuple[str, "Client", str]]:
        """Yield the files that exist, each once: the project, the client, and the path.

        Args:
            listed: projects that are known already, from a file that the caller has read.
        """
        seen: set[tuple[str, tuple[str, ...]]] = set()
        for folder in self._folders(listed):
            for client, path in _files_in(folder, self._query):
                if (path, client.keys) not in seen:
                    seen.add((path, client.keys))
                    yield folder.path, client, path

    def _folders(self, listed: Iterable[str]) -> Iterator[Folder]:
        seen: set[str] = set()
        for path in self._capped([*listed, *self._listed()]):
            top = os.path.normpath(path)
            if top not in seen and self._is_usable(top):
                seen.add(top)
                yield from self._walk(top, levels=0)
        for folder in self._walk(self._top, levels=LEVELS):
            if folder.path not in seen:
                yield folder

    def _is_usable(self, path: str) -> bool:
        """Return whether a path is one of this machine, on its own disks."""
        return os.path.isabs(path) and "\0" not in path and not self._mounts.is_remote(path)  # noqa: PTH117

    def _walk(self, top: str, *, levels: int) -> Iterator[Folder]:
        """Yield folders from `top` down; a hidden folder is in the list of its parent, but not entered."""
        limits = self._budget.limits
        try:
            for folder in walk(
                top,
                levels=levels,
                max_folders=limits.max_folders,
                on_step=self._budget.check,
                mounts=self._mounts,
            ):
                yield folder._replace(folders=list(folder.folders))
                folder.folders[:] = [
                    name
                    for name in folder.folders
                    if not name.startswith(".") and (folder.path != self._top or name not in _NOT_SEARCHED)
                ]
        except LimitExceeded as error:
            if "folders within" not in str(error):
                raise
            # What clients list, and what is nearer, has been found.
            self._query.warn(str(error))

    def _capped(self, paths: list[str]) -> list[str]:
        unique = list(dict.fromkeys(paths))
        if len(unique) > _MOST_PROJECTS:
            self._query.warn(
                f"{self._top}: of {len(unique):,} projects that its clients list only the first "
                f"{_MOST_PROJECTS:,} are looked at"
            )
        return unique[:_MOST_PROJECTS]

    def _listed(self) -> Iterator[str]:
        """Yield the folders that clients list, except those in files that the caller has read."""
        import html

        from .mcp_lists import DATABASES, JETBRAINS, LISTS

        for source in LISTS:
            for path in self._paths(source.paths):
                document = self._files.document(path)
                for steps in source.steps:
                    for text in texts_at(document, steps):
                        yield from self._projects(text)
        for database in DATABASES:
            for path in self._paths(database.paths):
                self._budget.check()
                for text in database_texts(path, database.statements, self._query, most=_MOST_PROJECTS):
                    for line in text.split("\n"):
                        yield from self._projects(line)
        for path in self._paths(JETBRAINS):
            content = read_or_warn(path, self._query)
            found = re.findall(_JETBRAINS, "" if content is None else content.decode("utf-8", "replace"))
            for text in found:
                yield from self._projects(html.unescape(text).replace("$USER_HOME$", self._top))

    def _paths(self, patterns: tuple[str, ...]) -> Iterator[str]:
        from .mcp_clients import user_paths

        for pattern in user_paths(patterns, self._platform):
            yield from expanded(self._top, pattern, self._query, most=_MOST_PROJECTS)

    def _projects(self, text: str) -> Iterator[str]:
        """Yield the folders of a project: itself, or those of the file that a program keeps it in."""
        path = _local(text, self._platform)
        if not path.endswith(_PROJECT_FILES):
            yield path
            return
        top = os.path.dirname(path)  # noqa: PTH120
        yield top
        if path.endswith(_SOLUTIONS) or not self._is_usable(top):
            return
        folders = as_list(as_object(self._files.document(path)).get("folders"))
        for folder in map(as_object, folders):
            place = folder.get("path", folder.get("uri"))
            if isinstance(place, str):
                yield os.path.join(top, _local(place, self._platform))  # noqa: PTH118


def texts_at(document: object, steps: tuple[str, ...]) -> Iterator[str]:
    """Yield the texts that steps lead to in a document; see mcp_lists.py for the steps."""
    from .mcp_lists import MEMBER, NAME

    if not steps:
        yield from texts_in([document])
        return
    step, *rest = steps
    if step == NAME:
        yield from map(str, as_object(document))
    elif step == MEMBER:
        members = document if isinstance(document, list) else as_object(document).values()
        for member in members:
            yield from texts_at(member, tuple(rest))
    else:
        yield from texts_at(as_object(document).get(step), tuple(rest))


def _files_in(folder: Folder, query: Query) -> Iterator[tuple["Client", str]]:
    """Yield the clients' files in a project, of which the folder's own list is known."""
    from .mcp_clients import CLIENTS

    names, folders = set(folder.files), set(folder.folders)
    for client in CLIENTS:
        for pattern in client.project:
            first, _, rest = pattern.partition("/")
            if "*" in first:
                matching = [name for name in folder.files if fnmatchcase(name, first)]
                yield from ((client, f"{folder.path}/{name}") for name in matching)
            elif first in (folders if rest else names):
                yield from ((client, path) for path in expanded(folder.path, pattern, query))


def _local(text: str, platform: str) -> str:
    """Return the path of a file's URI, and any other text as it is; of a URI of another machine nothing."""
    if not re.match(_URI, text):
        return text
    if not text.startswith("file:///"):
        return ""
    from urllib.parse import unquote, urlsplit

    path = unquote(urlsplit(text).path)
    return path[1:] if platform == "win32" else path
