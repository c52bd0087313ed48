"""Claude Code's MCP servers beside those in files of servers, and who may switch a server off.

Sources: https://code.claude.com/docs/en/mcp for the scopes and approvals, managed-mcp for an administrator's
lists, plugins-reference for plugins, and settings for the files. A key `disabled` of a server means nothing
(https://github.com/anthropics/claude-code/issues/39662).
"""

import os
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any, NamedTuple, TypeGuard

from ..reading.homes import Mounts
from ..reading.parsing import as_list, as_object
from ..reading.paths import names_in
from .mcp_config import Server, servers_in
from .mcp_files import ConfigFile, ConfigFiles

__all__ = ["ClaudeCode", "Policy"]

_SETTINGS = ("settings.json", "settings.local.json")


class Policy(NamedTuple):
    """The rules of an administrator.

    Attributes:
        is_exclusive: True if only the administrator's own servers are started.
        allowed: the list of allowed servers; None if all are.
        denied: the list of denied servers.
    """

    is_exclusive: bool = False
    allowed: list[Any] | None = None
    denied: list[Any] = []  # noqa: RUF012  never changed

    @classmethod
    def read(cls, files: ConfigFiles, folder: str, *, is_exclusive: bool) -> "Policy":
        """Read the administrator's settings in a folder."""
        drop_ins = [f"managed-settings.d/{name}" for name in names_in(f"{folder}/managed-settings.d")]
        names = ("managed-settings.json", *(name for name in drop_ins if name.endswith(".json")))
        settings = [as_object(files.document(f"{folder}/{name}")) for name in names]
        lists = [each["allowedMcpServers"] for each in settings if "allowedMcpServers" in each]
        return cls(
            is_exclusive,
            list(chain.from_iterable(map(as_list, lists))) if lists else None,
            list(chain.from_iterable(as_list(each.get("deniedMcpServers")) for each in settings)),
        )

    def applied(self, server: Server, *, is_managed: bool = False) -> Server:
        """Return a server as it is under this policy: switched off, or as the user has it."""
        is_kept = (is_managed or not self.is_exclusive) and not _is_denied(server, self.denied)
        return server if is_kept and self._allows(server) else server._replace(enabled=False)

    def _allows(self, server: Server) -> bool:
        """Return whether the list of allowed servers has a server.

        Where the list has commands, a program must be one of them, its name does not matter; in the same way
        a URL must be one of its URLs.
        """
        if self.allowed is None:
            return True
        if server.command is not None and (commands := _values(self.allowed, "serverCommand")):
            return [server.command, *server.args] in commands
        if server.url is not None and (urls := _values(self.allowed, "serverUrl")):
            return any(_matches(server.url, pattern) for pattern in urls)
        return server.name in _values(self.allowed, "serverName")


class ClaudeCode:
    """Claude Code in one home.

    Attributes:
        file: ~/.claude.json; None without one.
        projects: the projects in it, by their folders.
    """

    def __init__(self, top: str, files: ConfigFiles, policy: Policy, mounts: Mounts) -> None:
        """Read the user's two files."""
        self._top = top
        self._files = files
        self._mounts = mounts
        self._settings = as_object(files.document(f"{top}/.claude/settings.json"))
        denied = [*policy.denied, *as_list(self._settings.get("deniedMcpServers"))]
        self._policy = policy._replace(denied=denied)
        self.file = files.read(f"{top}/.claude.json")
        document = as_object(None if self.file is None else self.file.document)
        self._document = document
        self.projects = {
            folder.rstrip("/"): as_object(project)
            for folder, project in as_object(document.get("projects")).items()
        }

    def applied(self, server: Server) -> Server:
        """Return a server as it is under the administrator's policy and the user's list of denied ones."""
        return self._policy.applied(server)

    def servers(self) -> Iterator[tuple[str, Server]]:
        """Yield scope and server of those in ~/.claude.json: the user's own, and those in each project."""
        for server in servers_in(self._document, ("mcpServers",), has_switch=False):
            yield "user", self.applied(server)
        for project in self.projects.values():
            off = as_list(project.get("disabledMcpServers"))
            for server in servers_in(project, ("mcpServers",), has_switch=False):
                known = server._replace(enabled=False) if server.name in off else server
                yield "local", self.applied(known)

    def approver(self, folder: str) -> Callable[[Server], Server]:
        """Return a function that tells whether the user wants a server of a project's .mcp.json.

        Claude Code asks before it starts one. The answers are in the user's files and in the project's.
        """
        answers = [self.projects.get(folder.rstrip("/"), {}), self._settings]
        answers += [as_object(self._files.document(f"{folder}/.claude/{name}")) for name in _SETTINGS]
        refused, wanted = (
            [name for each in answers for name in as_list(each.get(key))]
            for key in ("disabledMcpjsonServers", "enabledMcpjsonServers")
        )
        wants_all = any(each.get("enableAllProjectMcpServers") is True for each in answers)

        def approve(server: Server) -> Server:
            if server.name in refused:
                return server._replace(enabled=False)
            is_wanted = wants_all or server.name in wanted
            return self.applied(server if is_wanted else server._replace(enabled=None))

        return approve

    def plugin_servers(self) -> Iterator[tuple[ConfigFile, Server]]:
        """Yield the servers that installed plugins bring, and the files that they are in."""
        installed = as_object(self._files.document(f"{self._top}/.claude/plugins/installed_plugins.json"))
        for plugin, entries in as_object(installed.get("plugins")).items():
            for entry in map(as_object, entries if isinstance(entries, list) else [entries]):
                folder = entry.get("installPath")
                if not self._is_local(folder):
                    continue
                is_on = self._has_plugin(plugin, entry)
                for file, server in self._servers_of(folder.rstrip("/")):
                    yield file, self.applied(server if is_on else server._replace(enabled=False))

    def _has_plugin(self, plugin: str, entry: dict[str, Any]) -> bool:
        """Return whether a plugin is enabled: by the user, or in the project that it was installed for."""
        settings = [self._settings]
        project = entry.get("projectPath")
        if self._is_local(project):
            settings += [as_object(self._files.document(f"{project}/.claude/{name}")) for name in _SETTINGS]
        choices = [as_object(each.get("enabledPlugins")).get(plugin) for each in settings]
        return next((choice is True for choice in reversed(choices) if choice is not None), False)

    def _is_local(self, folder: object) -> TypeGuard[str]:
        """Return whether a value is an absolute path on this machine."""
        if not isinstance(folder, str) or not os.path.isabs(folder) or "\0" in folder:  # noqa: PTH117
            return False
        return not self._mounts.is_remote(folder.rstrip("/"))

    def _servers_of(self, folder: str) -> Iterator[tuple[ConfigFile, Server]]:
        manifest = self._files.read(f"{folder}/.claude-plugin/plugin.json")
        named = None if manifest is None else as_object(manifest.document).get("mcpServers")
        places = [".mcp.json", *(named if isinstance(named, list) else [named])]
        for place in dict.fromkeys(each for each in places if isinstance(each, str)):
            if ".." in place.split("/"):
                continue
            file = self._files.read(f"{folder}/{place.removeprefix('./')}")
            if file is not None:
                # The servers are within mcpServers, or are the whole of the file.
                keys = ("mcpServers",) if "mcpServers" in as_object(file.document) else ()
                yield from ((file, server) for server in servers_in(file.document, keys, has_switch=False))
        for place in places:
            if manifest is not None and isinstance(place, dict):
                yield from ((manifest, server) for server in servers_in(place, (), has_switch=False))


def _is_denied(server: Server, denied: list[Any]) -> bool:
    command = [] if server.command is None else [server.command, *server.args]
    return (
        server.name in _values(denied, "serverName")
        or (bool(command) and command in _values(denied, "serverCommand"))
        or any(_matches(server.url, pattern) for pattern in _values(denied, "serverUrl"))
    )


def _values(entries: list[Any], key: str) -> list[Any]:
    return [entry[key] for entry in entries if isinstance(entry, dict) and key in entry]


def _matches(url: str | None, pattern: object) -> bool:
    """Return whether a URL is of a pattern, in which only `*` is special."""
    if url is None or not isinstance(pattern, str):
        return False
    return fnmatchcase(url, pattern.replace("[", "[[]").replace("?", "[?]"))
