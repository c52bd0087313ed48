"""kolide_ai_tools: the AI assistants, agents, editors and model servers on this machine.

They are known by their programs, packages, extensions and configurations, which ai_catalog.py and
mcp_clients.py list. Nothing of them is run or asked.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from kolide_kit.limits import Budget
from kolide_kit.text import decode, printable_or_none, shown
from osquery_sdk import Column, Query, Row, table

from ..reading.applications import application_version
from ..reading.homes import Home, local_homes
from ..reading.parsing import as_list, as_object
from ..reading.paths import names_in, read_or_warn
from .ai_catalog import EXTENSION_FOLDERS, TOOLS, Tool
from .places import expanded

__all__ = ["AiTool", "ai_tools", "tool_rows"]

# Folders with packages of Node.js that are there for all projects: below a home, and for all users.
_NODE_OF_USER = (
    ".npm-global/lib/node_modules",
    ".local/lib/node_modules",
    ".nvm/versions/node/*/lib/node_modules",
    ".local/share/fnm/node-versions/*/installation/lib/node_modules",
    ".volta/tools/image/packages/*/lib/node_modules",
    ".bun/install/global/node_modules",
    ".local/share/pnpm/global/*/node_modules",
    "Library/pnpm/global/*/node_modules",
    "AppData/Roaming/npm/node_modules",
)
_NODE = ("/usr/lib/node_modules", "/usr/local/lib/node_modules", "/opt/homebrew/lib/node_modules")
# The same for Python; in those with braces a tool has an environment of its own.
_PYTHON_OF_USER = (
    ".local/share/uv/tools/{name}/lib/python*/site-packages",
    ".local/share/pipx/venvs/{name}/lib/python*/site-packages",
    ".local/pipx/venvs/{name}/lib/python*/site-packages",
    "AppData/Roaming/uv/tools/{name}/Lib/site-packages",
    ".local/lib/python*/site-packages",
    "AppData/Roaming/Python/Python*/site-packages",
)
_PYTHON = (
    "/opt/pipx/venvs/{name}/lib/python*/site-packages",
    "/usr/local/lib/python*/dist-packages",
    "/usr/local/lib/python*/site-packages",
    "/usr/lib/python*/site-packages",
    "/usr/lib/python3/dist-packages",
)
_INTERPRETERS = re.compile(r"(?:node|bun|deno|python[0-9.]*)(?:\.exe)?")
_VERSION = re.compile(r"v?([0-9]+\.[0-9][\w.\-+]*)")


class AiTool(Row):
    """An installation of a tool, or its configuration alone."""

    uid: int | None = Column(
        "User whose home it is in; NULL if it is installed for all", index=True, key=True
    )
    username: str | None = Column("That user's name")
    tool: str = Column(
        "The tool: claude-code, cursor, cline, ollama, ...; the same names are in client of mcp_servers and "
        "in tool of llm_models",
        key=True,
    )
    kind: str = Column("agent, assistant, editor or server (of models)")
    version: str | None = Column("Its version; empty if its files do not tell")
    path: str | None = Column("Program, application, or folder of the package or extension", key=True)
    source: str = Column(
        "program, npm, python, extension (of an editor), flatpak or snap; configuration if nothing else of "
        "it was found"
    )
    running: bool | None = Column(
        "1 if that user runs it, or anyone if it is installed for all; NULL if its processes cannot be told "
        "from others",
        costly=True,
    )
    config_path: str | None = Column("The first of its configuration files that exist", default=None)


class _Found(NamedTuple):
    """Something of a tool that was found."""

    tool: Tool
    source: str
    path: str | None
    version: str | None


@table(
    "kolide_ai_tools",
    examples=(
        "select username, tool, kind, version, path from kolide_ai_tools where source <> 'configuration'",
        (
            "select u.username, t.tool, t.version, t.config_path from users u "
            "join kolide_ai_tools t using (uid) where t.running = 1"
        ),
    ),
    privilege="Without root: only homes that the user may enter, which are often their own alone.",
)
def ai_tools(query: Query) -> Iterator[AiTool]:
    """AI assistants, agents, editors and local model servers: installed, running, and where configured."""
    return tool_rows(query)


def tool_rows(query: Query, root: str = "", platform: str = sys.platform) -> Iterator[AiTool]:
    """Yield what is installed for all users, below a root folder, and in the homes of local users."""
    search = _Search(query, platform)
    running = _running() if query.wants("running") else {}
    if query.equals("uid") is None:
        for found in search.of_machine(root):
            yield search.row(None, found, running)
    for home in local_homes(query):
        top = home.path.rstrip("/")
        seen: set[str] = set()
        for found in search.of_home(top):
            seen.add(found.tool.name)
            yield search.row(home, found, running)
        for tool in TOOLS:
            if tool.name not in seen and search.configuration(tool.name, top) is not None:
                yield search.row(home, _Found(tool, "configuration", None, None), running)


class _Search:
    """A search for one statement."""

    def __init__(self, query: Query, platform: str) -> None:
        from .mcp_clients import CLIENTS, editor_clients, user_paths

        self._query = query
        self._budget = Budget.of(query)
        self._configurations: dict[str, list[str]] = {}
        for client in (*CLIENTS, *editor_clients(platform)):
            # In the settings of editors there may be nothing of a client; an agent's prompt is no settings.
            paths = [
                path
                for path in user_paths(client.user, platform)
                if not path.endswith(("/settings.json", ".md"))
            ]
            self._configurations.setdefault(client.name, []).extend(paths)
        self._configurations["claude-code"].append(".claude.json")
        self._configurations["gemini-cli"].append(".gemini/settings.json")
        self._configurations["qwen-code"].append(".qwen/settings.json")
        self._extensions = {id_: tool for tool in TOOLS for id_ in tool.extensions}

    def row(self, home: Home | None, found: _Found, running: dict[str, set[int | None]]) -> AiTool:
        """Return the row of something that was found."""
        self._budget.add_rows()
        tool = found.tool
        users = running.get(tool.name, set())
        is_told = bool(tool.processes) and found.source != "extension"
        return AiTool(
            uid=None if home is None else home.uid,
            username=None if home is None else home.username,
            tool=tool.name,
            kind=tool.kind,
            version=found.version,
            path=None if found.path is None else shown(found.path),
            source=found.source,
            running=_is_run(users, home) if is_told else None,
            config_path=None if home is None else self.configuration(tool.name, home.path.rstrip("/")),
        )

    def configuration(self, tool: str, top: str) -> str | None:
        """Return the first configuration file of a tool in a home; None if there is none."""
        self._budget.check()
        for pattern in self._configurations.get(tool, ()):
            for path in expanded(top, pattern, self._query):
                if os.path.lexists(path):
                    return shown(path)
        return None

    def of_machine(self, root: str) -> Iterator[_Found]:
        """Yield what is installed for all users."""
        for tool in TOOLS:
            for program in tool.programs:
                if program.startswith("/"):
                    yield from self._programs(tool, [root + program])
            yield from self._node(tool, [root + folder for folder in _NODE])
            for pattern in _PYTHON if tool.python else ():
                folders = expanded(root, pattern[1:].format(name=tool.python), self._query)
                yield from self._python(tool, folders)
            if tool.flatpak:
                yield from self._flatpak(tool, f"{root}/var/lib/flatpak/app/{tool.flatpak}")
            if tool.snap:
                yield from self._snap(tool, f"{root}/snap/{tool.snap}/current")

    def of_home(self, top: str) -> Iterator[_Found]:
        """Yield what is installed in a home."""
        node = [path for pattern in _NODE_OF_USER for path in expanded(top, pattern, self._query)]
        for tool in TOOLS:
            self._budget.check()
            for program in tool.programs:
                if not program.startswith("/"):
                    yield from self._programs(tool, expanded(top, program, self._query))
            yield from self._node(tool, node)
            for pattern in _PYTHON_OF_USER:
                folders = expanded(top, pattern.format(name=tool.python), self._query) if tool.python else []
                yield from self._python(tool, folders)
            if tool.flatpak:
                yield from self._flatpak(tool, f"{top}/.local/share/flatpak/app/{tool.flatpak}")
        for folder in EXTENSION_FOLDERS:
            yield from self._of_editor(f"{top}/{folder}")

    def _programs(self, tool: Tool, paths: Iterable[str]) -> Iterator[_Found]:
        for path in paths:
            if os.path.lexists(path):
                yield _Found(tool, "program", path, self._version_of(path))

    def _version_of(self, path: str) -> str | None:
        """Return the version of a program: an application's, an editor's, or that in the name it links to."""
        if path.endswith(".app"):
            return application_version(path, self._query)
        if os.path.isdir(path):  # noqa: PTH112
            return printable_or_none(self._object(f"{path}/resources/app/package.json").get("version"))
        try:
            target = os.readlink(path)  # noqa: PTH115
        except (OSError, ValueError):
            return None
        match = _VERSION.fullmatch(shown(target).rpartition("/")[2])
        return None if match is None else match[1]

    def _node(self, tool: Tool, folders: Iterable[str]) -> Iterator[_Found]:
        for path in (f"{folder}/{name}" for folder in folders for name in tool.npm):
            package = self._object(f"{path}/package.json")
            if package:
                yield _Found(tool, "npm", path, printable_or_none(package.get("version")))

    def _python(self, tool: Tool, folders: Iterable[str]) -> Iterator[_Found]:
        """Yield a package by the name of the folder with its metadata: NAME-VERSION.dist-info."""
        wanted = re.sub("[-_.]+", "_", tool.python).lower()
        for folder in folders if wanted else ():
            for entry in names_in(folder):
                name, _, version = entry.removesuffix(".dist-info").partition("-")
                if entry.endswith(".dist-info") and re.sub("[-_.]+", "_", name).lower() == wanted:
                    yield _Found(tool, "python", f"{folder}/{entry}", shown(version))

    def _flatpak(self, tool: Tool, path: str) -> Iterator[_Found]:
        if os.path.isdir(path):  # noqa: PTH112
            yield _Found(tool, "flatpak", path, None)

    def _snap(self, tool: Tool, path: str) -> Iterator[_Found]:
        content = read_or_warn(f"{path}/meta/snap.yaml", self._query)
        if content is not None:
            match = re.search(r"(?m)^version:[ \t]*['\"]?([\w.\-+]+)", decode(content))
            yield _Found(tool, "snap", path, None if match is None else match[1])

    def _of_editor(self, folder: str) -> Iterator[_Found]:
        """Yield the extensions in an editor's list of them."""
        for entry in map(as_object, as_list(self._json(f"{folder}/extensions.json"))):
            id_ = as_object(entry.get("identifier")).get("id")
            tool = self._extensions.get(id_.lower()) if isinstance(id_, str) else None
            if tool is None:
                continue
            place = entry.get("relativeLocation")
            path = f"{folder}/{place}" if isinstance(place, str) else folder
            yield _Found(tool, "extension", path, printable_or_none(entry.get("version")))

    def _object(self, path: str) -> dict[str, Any]:
        return as_object(self._json(path))

    def _json(self, path: str) -> object:
        """Return the document in a file; None if there is none, or it cannot be read or parsed."""
        import json

        self._budget.step()
        content = read_or_warn(path, self._query)
        if content is None:
            return None
        try:
            document: object = json.loads(content)
        except (ValueError, RecursionError):
            self._query.warn(f"{path} is not JSON")
            return None
        return document


def _is_run(users: set[int | None], home: Home | None) -> bool:
    """Return whether a tool is run by the user of a home, or by anyone."""
    return bool(users) if home is None else home.uid in users or None in users


def _running() -> dict[str, set[int | None]]:
    """Return the tools that run, with the users who run them; a user is None where the system has no uid."""
    import psutil

    by_process = {name: tool.name for tool in TOOLS for name in tool.processes}
    by_package = {name: tool.name for tool in TOOLS for name in tool.npm}
    running: dict[str, set[int | None]] = {}
    for process in psutil.process_iter(["name", "cmdline", "uids"]):
        uids = process.info.get("uids")
        uid = None if uids is None else uids.real
        for tool in _tools_of(process.info, by_process, by_package):
            running.setdefault(tool, set()).add(uid)
    return running


def _tools_of(facts: dict[str, Any], by_process: dict[str, str], by_package: dict[str, str]) -> Iterator[str]:
    """Yield the tool that a process is of: by its name, or by the script that an interpreter runs."""
    words = [word.replace("\\", "/") for word in facts.get("cmdline") or ()][:3]
    names = {str(facts.get("name") or "")}
    if words:
        program = words[0].rpartition("/")[2]
        names.add(program)
        if _INTERPRETERS.fullmatch(program.lower()):
            scripts = [word for word in words[1:] if not word.startswith("-")]
            names.update(word.rpartition("/")[2] for word in scripts)
            for package, tool in by_package.items():
                if any(f"node_modules/{package}/" in word for word in scripts):
                    yield tool
    for name in names:
        tool_name = by_process.get(name.lower().removesuffix(".exe"))
        if tool_name is not None:
            yield tool_name
