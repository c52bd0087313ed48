"""kolide_mcp_servers: the MCP servers in the configuration of users' AI assistants and editors.

Values of environment variables and headers are not read. Arguments are redacted. URLs lose their credentials,
the values of their parameters, and parts of their path that look like keys.
"""

import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from kolide_kit.limits import Budget
from kolide_kit.redact import REDACTED, redact_arguments, redact_text, redact_url
from kolide_kit.text import decode_kept, printable, shown
from osquery_sdk import Column, Query, Row, table

from ..reading.homes import Home, Mounts, local_homes
from ..reading.parsing import ParseError, as_object
from ..reading.paths import read_or_warn
from .mcp_clients import Client, Server, as_list, clients, managed_files, project_clients, servers_in

__all__ = ["McpServer", "mcp_servers"]

_CLAUDE_CODE = "claude-code"
_MOST_PROJECTS = 1_000
_MOST_PROFILES = 100
# A word of letters and digits without separators: a key, or something that cannot be told from one.
_KEY = r"(?ai:(?=[^\d]*\d)(?=[^a-z]*[a-z])[\w\-]{20,})"
_VARIABLE = r"\w+="
_VARIABLE_OPTION = r"(?:--env=|-e)\w+="


class McpServer(Row):
    """An MCP server in a configuration file."""

    uid: int | None = Column(
        "User whose configuration it is in; NULL if an administrator gave it to all", index=True, key=True
    )
    username: str | None = Column("That user's name")
    client: str = Column(
        "Program that uses it: claude-desktop, claude-code, cursor, vscode, zed, codex, goose, ..."
    )
    scope: str = Column(
        "user: everywhere; local: in one project; project: whoever has the project; managed: all users "
        "of the machine",
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
        "1 unless it is switched off; NULL if the user was not asked yet whether to use it"
    )
    config_sha256: str = Column("SHA-256 of the file")


class _File(NamedTuple):
    """A configuration file that has been read."""

    path: str
    document: object
    sha256: str


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
        self._query = query
        self._budget = Budget.of(query)

    def rows(self) -> Iterator[McpServer]:
        if self._query.equals("uid") is None:
            for client in managed_files():
                yield from self._rows(None, client, client.path, "managed")
        mounts = Mounts()
        for home in local_homes(self._query):
            top = home.path.rstrip("/")
            for client in clients():
                for path in self._places(top, client.path):
                    yield from self._rows(home, client, path, "user")
            yield from self._claude_code(home, f"{top}/.claude.json", mounts)

    def _claude_code(self, home: Home, path: str, mounts: Mounts) -> Iterator[McpServer]:
        """Yield the servers in Claude Code's one file: the user's, the user's in each project, and those of
        the projects.
        """
        file = self._read(path)
        if file is None:
            return
        for server in servers_in(file.document, ("mcpServers",)):
            yield self._row(home, _CLAUDE_CODE, "user", file, server)
        projects = as_object(as_object(file.document).get("projects"))
        if len(projects) > _MOST_PROJECTS:
            self._query.warn(
                f"{path}: of its {len(projects):,} projects only the first {_MOST_PROJECTS:,} are looked at"
            )
        for folder, project in list(projects.items())[:_MOST_PROJECTS]:
            self._budget.check()
            known = as_object(project)
            switched_off = as_list(known.get("disabledMcpServers"))
            for server in servers_in(known, ("mcpServers",)):
                wanted = server._replace(enabled=False) if server.name in switched_off else server
                yield self._row(home, _CLAUDE_CODE, "local", file, wanted)
            top = folder.rstrip("/")
            is_done = top == home.path.rstrip("/")  # the home itself has been searched already
            if is_done or not os.path.isabs(folder) or mounts.is_remote(folder):  # noqa: PTH117
                continue
            for client in project_clients():
                answers = known if client.name == _CLAUDE_CODE else None
                yield from self._rows(home, client, f"{top}/{client.path}", "project", answers)

    def _rows(
        self, home: Home | None, client: Client, path: str, scope: str, answers: dict[str, Any] | None = None
    ) -> Iterator[McpServer]:
        file = self._read(path)
        if file is None:
            return
        for server in servers_in(file.document, client.keys):
            known = server if answers is None else server._replace(enabled=_answer(server.name, answers))
            yield self._row(home, client.name, scope, file, known)

    def _places(self, top: str, path: str) -> list[str]:
        """Return the files that a path stands for; a `*` in it is any folder."""
        before, star, after = path.partition("/*/")
        if not star:
            return [f"{top}/{path}"]
        try:
            with os.scandir(f"{top}/{before}") as entries:
                names = sorted(entry.name for entry in entries)
        except OSError:
            return []
        if len(names) > _MOST_PROFILES:
            self._query.warn(
                f"{top}/{before}: of its {len(names):,} folders only the first {_MOST_PROFILES:,} are "
                "looked at"
            )
            del names[_MOST_PROFILES:]
        return [f"{top}/{before}/{name}/{after}" for name in names]

    def _read(self, path: str) -> _File | None:
        """Return a configuration; None if it is missing, or cannot be read, which is logged."""
        self._budget.check()
        content = read_or_warn(path, self._query)
        if content is None:
            return None
        try:
            document = _document(path, content, self._budget)
        except ParseError as error:
            self._query.warn(f"{path}: {error}")
            return None
        import hashlib

        return _File(path, document, hashlib.sha256(content).hexdigest())

    def _row(self, home: Home | None, client: str, scope: str, file: _File, server: Server) -> McpServer:
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
        )


def _answer(name: str, answers: dict[str, Any]) -> bool | None:
    """Return whether the user wants a project's server, which Claude Code asks; None without an answer."""
    for key, answer in (("disabledMcpjsonServers", False), ("enabledMcpjsonServers", True)):
        if name in as_list(answers.get(key)):
            return answer
    return None


def _document(path: str, content: bytes, budget: Budget) -> object:
    """Return the document in a file, by the file's ending; raises ParseError."""
    text = decode_kept(content)
    if path.endswith((".yaml", ".yml")):
        from ..reading.yamltext import yaml_documents

        return next(iter(yaml_documents(printable(text), budget)), None)
    if path.endswith(".toml"):
        from ..reading.tomltext import toml_document

        return toml_document(printable(text))
    import json

    from ..reading.jsoncomments import without_comments

    try:
        return json.loads(without_comments(text)) if text.strip() else None
    except (ValueError, RecursionError) as error:
        raise ParseError(" ".join(str(error).split())[:200]) from error


def public_url(url: str) -> str:
    """Return a URL without secrets: credentials, values of parameters, the fragment, and keys in its path."""
    before, mark, parameters = redact_url(url).partition("?")
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
