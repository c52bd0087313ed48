"""kolide_mcp_servers: the MCP servers in the configuration of users' AI assistants and editors.

Values of environment variables and headers are not read. Arguments are redacted. URLs lose their credentials,
the values of their parameters, and parts of their path that look like keys.
"""

import re
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from kolide_kit.limits import Budget
from kolide_kit.redact import REDACTED, redact_arguments, redact_text
from kolide_kit.text import shown
from osquery_sdk import Column, Query, Row, table

from ..reading.homes import Home, Mounts, local_homes
from ..reading.parsing import as_object
from .claude_code import ClaudeCode, Policy
from .mcp_config import Server, servers_in
from .mcp_files import ConfigFile, ConfigFiles
from .mcp_projects import Projects
from .places import expanded

if TYPE_CHECKING:
    from .mcp_clients import Client

__all__ = ["McpServer", "mcp_servers"]

# Path of a file, and the keys under which servers are looked for in it.
_Seen = set[tuple[str, tuple[str, ...]]]
_CLAUDE_CODE = "claude-code"
# Claude Desktop's folder of extensions.
_EXTENSIONS = "Claude Extensions"
# A word of letters and digits without separators: a key, or something that cannot be told from one.
_KEY = r"(?ai:(?=[^\d]*\d)(?=[^a-z]*[a-z])[\w\-]{20,})"
_VARIABLE = r"\w+="
_VARIABLE_OPTION = r"(?:--env=|-e=?)\w+="


class McpServer(Row):
    """An MCP server in a configuration file."""

    uid: int | None = Column(
        "User whose configuration it is in; NULL if an administrator gave it to all", index=True, key=True
    )
    username: str | None = Column("That user's name")
    client: str = Column(
        "Program whose configuration it is in: claude-desktop, claude-code, cursor, vscode, zed, codex, ..."
    )
    scope: str = Column(
        "user: everywhere; local: in one project; project: whoever has the project; plugin: an extension "
        "of the client brings it; managed: all users of the machine",
        key=True,
    )
    config_path: str = Column("File that it is in", key=True)
    server_name: str = Column("Its name there", key=True)
    transport: str | None = Column(
        "stdio for a program that the client starts, http or sse for a URL, as configured"
    )
    command: str | None = Column("Program that is started")
    args: list[str] | None = Column("Its arguments, secrets redacted: a JSON array")
    url: str | None = Column("URL that it is at, without credentials and parameters' values")
    env_keys: list[str] | None = Column("Names of the environment variables that it is given: a JSON array")
    enabled: bool | None = Column(
        "1 unless it is switched off, by the user or an administrator; NULL if the user was not asked yet "
        "whether to use it"
    )
    config_sha256: str = Column("SHA-256 of the file")
    header_names: list[str] | None = Column("Names of the HTTP headers that it is sent: a JSON array")


@table(
    "kolide_mcp_servers",
    privilege="Without root: only homes that the user may enter, which are often their own alone.",
    examples=(
        (
            "select username, client, server_name, command, args from kolide_mcp_servers "
            "where transport = 'stdio' and enabled = 1"
        ),
        (
            "select u.username, m.client, m.url, m.env_keys from users u "
            "join kolide_mcp_servers m using (uid) where m.url not like 'https://%'"
        ),
    ),
)
def mcp_servers(query: Query) -> Iterator[McpServer]:
    """MCP servers configured for AI assistants and editors, by user and project; no secrets' values."""
    return _Search(query).rows()


class _Search:
    """A search for one statement: the administrator's files, then each home and its projects."""

    def __init__(self, query: Query) -> None:
        # The table of clients would cost the start of an extension that is never asked for them.
        from .mcp_clients import CLIENTS, editor_clients

        self._query = query
        self._budget = Budget.of(query)
        self._files = ConfigFiles(query, self._budget)
        self._mounts = Mounts()
        self._platform: str = sys.platform
        self._user_clients = (*CLIENTS, *editor_clients(self._platform))

    def rows(self) -> Iterator[McpServer]:
        policy, managed = self._managed()
        if self._query.equals("uid") is None:
            yield from managed
        for home in local_homes(self._query):
            top = home.path.rstrip("/")
            seen: _Seen = set()
            claude_code = ClaudeCode(top, self._files, policy, self._mounts)
            yield from self._of_user(home, top, claude_code, seen)
            yield from self._of_claude_code(home, claude_code)
            yield from self._of_projects(home, top, claude_code, seen)
            self._files.forget()

    def _managed(self) -> tuple[Policy, list[McpServer]]:
        """Return what the administrator allows Claude Code, and the administrator's own servers."""
        from .mcp_clients import CLIENTS, managed_paths

        policy, rows = Policy(), []
        for client in CLIENTS:
            for path in managed_paths(client, self._platform):
                file = self._files.read(path)
                if client.name == _CLAUDE_CODE:
                    folder = path.rpartition("/")[0]
                    policy = Policy.read(self._files, folder, is_exclusive=file is not None)
                if file is None:
                    continue
                for server in self._servers(None, client, file):
                    known = policy.applied(server, is_managed=True) if client.name == _CLAUDE_CODE else server
                    rows.append(self._row(None, client.name, "managed", file, known))
        return policy, rows

    def _of_user(self, home: Home, top: str, claude_code: ClaudeCode, seen: _Seen) -> Iterator[McpServer]:
        """Yield the servers in the user's own files; `seen` gets the files."""
        from .mcp_clients import user_paths

        for client in self._user_clients:
            change = claude_code.applied if client.name == _CLAUDE_CODE else None
            for scope, patterns in (("user", client.user), ("plugin", client.plugin)):
                for pattern in user_paths(patterns, self._platform):
                    for path in expanded(top, pattern, self._query):
                        if (path, client.keys) not in seen:
                            seen.add((path, client.keys))
                            yield from self._of_file(home, client, scope, path, change)

    def _of_claude_code(self, home: Home, claude_code: ClaudeCode) -> Iterator[McpServer]:
        if claude_code.file is not None:
            for scope, server in claude_code.servers():
                yield self._row(home, _CLAUDE_CODE, scope, claude_code.file, server)
        for file, server in claude_code.plugin_servers():
            yield self._row(home, _CLAUDE_CODE, "plugin", file, server)

    def _of_projects(
        self,
        home: Home,
        top: str,
        claude_code: ClaudeCode,
        seen: _Seen,
    ) -> Iterator[McpServer]:
        projects = Projects(top, self._platform, self._files, self._query, self._budget, self._mounts)
        for folder, client, path in projects.files(claude_code.projects):
            if (path, client.keys) in seen:
                continue  # the home is a project itself, with the user's own files in it
            change = None
            if client.name == _CLAUDE_CODE:
                # The user is asked about the servers in .mcp.json alone.
                is_agent = path.endswith(".md")
                change = claude_code.applied if is_agent else claude_code.approver(folder)
            yield from self._of_file(home, client, "project", path, change)

    def _of_file(
        self,
        home: Home,
        client: "Client",
        scope: str,
        path: str,
        change: Callable[[Server], Server] | None = None,
    ) -> Iterator[McpServer]:
        file = self._files.read(path)
        if file is None:
            return
        for server in self._servers(home, client, file):
            yield self._row(home, client.name, scope, file, server if change is None else change(server))

    def _servers(self, home: Home | None, client: "Client", file: ConfigFile) -> Iterator[Server]:
        """Yield the servers in a file, as the lists in the client's other files have them."""
        from .mcp_clients import managed_paths

        others = list(managed_paths(client, self._platform)) if client.rules else []
        switches = None
        is_off = self._is_extension_off(file.path)
        if home is not None:
            top = home.path.rstrip("/")
            others += (f"{top}/{path}" for path in client.rules)
            switches = self._files.document(f"{top}/{client.switches}") if client.switches else None
        for server in servers_in(
            file.document,
            client.keys,
            bare_url=client.bare_url,
            is_one=client.is_one,
            has_switch=client.has_switch,
            others=[self._files.document(path) for path in others if path != file.path],
            switches=switches,
        ):
            yield server._replace(enabled=False) if is_off else server

    def _is_extension_off(self, path: str) -> bool:
        """Return whether the user has switched off the extension of Claude Desktop whose manifest this is."""
        top, is_one, rest = path.partition(f"/{_EXTENSIONS}/")
        if not is_one:
            return False
        name = rest.partition("/")[0]
        settings = self._files.document(f"{top}/{_EXTENSIONS} Settings/{name}.json")
        return as_object(settings).get("isEnabled") is False

    def _row(self, home: Home | None, client: str, scope: str, file: ConfigFile, server: Server) -> McpServer:
        self._budget.add_rows()
        return McpServer(
            uid=None if home is None else home.uid,
            username=None if home is None else home.username,
            client=client,
            scope=scope,
            config_path=shown(file.path),
            server_name=server.name,
            transport=server.transport,
            command=None if server.command is None else redact_text(server.command),
            args=public_arguments(server.command or "", server.args),
            url=None if server.url is None else public_url(server.url),
            env_keys=server.env_keys,
            enabled=server.enabled,
            config_sha256=file.sha256,
            header_names=server.header_names,
        )


def public_url(url: str) -> str:
    """Return a URL without secrets: credentials, values of parameters, the fragment, and keys in its path."""
    before, mark, parameters = redact_text(url).partition("?")
    scheme, slashes, rest = before.partition("#")[0].partition("://")
    host, slash, path = rest.partition("/") if slashes else ("", "", scheme)
    start = f"{scheme}{slashes}{host}{slash}" if slashes else ""
    shown_path = "/".join(re.sub(_KEY, REDACTED, part) for part in path.split("/"))
    names = (pair.partition("=") for pair in parameters.partition("#")[0].split("&"))
    shown_names = "&".join(name + equals + (REDACTED if value else "") for name, equals, value in names)
    return f"{start}{shown_path}{mark}{shown_names}"


def public_arguments(command: str, arguments: list[str]) -> list[str]:
    """Return arguments without secrets, and without the values of environment variables that are passed to a
    container.
    """
    # The program's name decides how its arguments are read.
    _, *shown_ = redact_arguments([command, *arguments])
    result: list[str] = []
    for before, argument in zip(("", *arguments), shown_, strict=False):
        pair = re.match(_VARIABLE if before in ("-e", "--env") else _VARIABLE_OPTION, argument)
        result.append(pair[0] + REDACTED if pair is not None else _without_keys(argument))
    return result


def _without_keys(argument: str) -> str:
    if "://" in argument and not re.search(r"\s", argument):
        return public_url(argument)
    return REDACTED if re.fullmatch(_KEY, argument) else argument
