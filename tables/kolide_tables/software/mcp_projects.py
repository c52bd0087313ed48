"""Find the projects of a user in which a client may have its own configuration.

A home is searched three levels deep, and the folders that the clients themselves list are looked at, wherever
they are: a project needs to be known to one client only, not to the client whose file it has. Sources:

- Claude Code, https://code.claude.com/docs/en/mcp: `projects` in ~/.claude.json.
- Codex, https://developers.openai.com/codex/config-reference: `projects` in config.toml. The caller has read
  these two files, which have servers too.
- Gemini CLI and Qwen Code, https://geminicli.com/docs/cli/trusted-folders: trustedFolders.json.
- Copilot CLI, https://docs.github.com/en/copilot/concepts/agents/about-copilot-cli: trusted_folders.
- VS Code and the editors made from it: folders and workspaces under `User` have their URI in workspace.json.
- IDEs of JetBrains: keys of recentProjects.xml.
- opencode: `worktree` in a file for each project.
"""

import os
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Budget
from osquery_sdk import Query

from ..reading.homes import LEVELS, Folder, Mounts, walk
from ..reading.parsing import as_object, texts_in
from ..reading.paths import read_or_warn
from .places import expanded

if TYPE_CHECKING:
    from .mcp_clients import Client

__all__ = ["Projects"]

_MOST_PROJECTS = 1_000
# Folders at the top of a home in which nobody works; hidden ones are left out as well.
_NOT_SEARCHED = frozenset(("Library", "AppData", "snap"))
_JETBRAINS = r'<entry key="([^"\n]{1,4096})"'


class Projects:
    """The configuration files in the projects of one user."""

    def __init__(self, top: str, platform: str, query: Query, budget: Budget, mounts: Mounts) -> None:
        """Remember a home, given without a slash at its end."""
        self._top = top
        self._platform = platform
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
            is_usable = os.path.isabs(top) and "\0" not in top and top not in seen  # noqa: PTH117
            if is_usable and not self._mounts.is_remote(top):
                seen.add(top)
                yield from self._walk(top, levels=0)
        for folder in self._walk(self._top, levels=LEVELS):
            if folder.path not in seen:
                yield folder

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
        """Yield the folders that clients list, except those in files that have the servers too."""
        import html

        from .mcp_clients import editor_folders

        for name in (".gemini/trustedFolders.json", ".qwen/trustedFolders.json"):
            yield from self._object(name)
        yield from texts_in(self._object(".copilot/config.json").get("trusted_folders"))
        pattern = ".local/share/opencode/storage/project/*.json"
        for path in expanded(self._top, pattern, self._query, most=_MOST_PROJECTS):
            yield from texts_in([self._object(path).get("worktree")])
        for _, folder in editor_folders(self._platform):
            pattern = f"{folder}/workspaceStorage/*/workspace.json"
            for path in expanded(self._top, pattern, self._query, most=_MOST_PROJECTS):
                workspace = self._object(path)
                yield from _local(workspace.get("folder"), self._platform)
                files = _local(workspace.get("workspace"), self._platform)
                yield from (os.path.dirname(file) for file in files)  # noqa: PTH120
        for path in self._jetbrains():
            content = read_or_warn(path, self._query)
            found = re.findall(_JETBRAINS, "" if content is None else content.decode("utf-8", "replace"))
            yield from (html.unescape(key).replace("$USER_HOME$", self._top) for key in found)

    def _jetbrains(self) -> Iterator[str]:
        config = {"darwin": "Library/Application Support", "win32": "AppData/Roaming"}.get(
            self._platform, ".config"
        )
        yield from expanded(self._top, f"{config}/JetBrains/*/options/recentProjects.xml", self._query)

    def _object(self, path: str) -> dict[str, Any]:
        """Return the object in a file of JSON below the home; an empty one if there is none."""
        import json

        self._budget.check()
        content = read_or_warn(path if path.startswith(self._top) else f"{self._top}/{path}", self._query)
        try:
            return {} if content is None else as_object(json.loads(content))
        except (ValueError, RecursionError):
            return {}  # a list that cannot be read names no project


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


def _local(uri: object, platform: str) -> Iterator[str]:
    """Yield the path of a file's URI; none for a folder on another machine."""
    if not isinstance(uri, str) or not uri.startswith("file:///"):
        return
    from urllib.parse import unquote, urlsplit

    path = unquote(urlsplit(uri).path)
    yield path[1:] if platform == "win32" else path
