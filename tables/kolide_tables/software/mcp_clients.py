"""List the configuration files of programs that use MCP servers, and read the servers in them.

Sources: the clients' own documentation. Paths are relative to a home; `{config}` is the platform's folder for
settings: .config, Library/Application Support, or AppData/Roaming.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kolide_kit.text import printable

from ..reading.parsing import as_object

__all__ = ["Client", "Server", "clients", "managed_files", "project_clients", "servers_in"]

_CODES = (("vscode", "Code"), ("vscode-insiders", "Code - Insiders"), ("vscodium", "VSCodium"))
_EXTENSIONS = (
    ("cline", "saoudrizwan.claude-dev/settings/cline_mcp_settings.json"),
    ("roo-code", "rooveterinaryinc.roo-cline/settings/mcp_settings.json"),
)
_MCP_SERVERS = ("mcpServers",)
# Extensions that are part of goose.
_INNER_TYPES = frozenset(("builtin", "platform", "frontend", "inline_python"))
_TRANSPORTS = {
    "local": "stdio",
    "remote": "http",
    "streamable-http": "http",
    "streamable_http": "http",
    "streamablehttp": "http",
}


class Client(NamedTuple):
    """A configuration file of a client.

    Attributes:
        name: the client.
        path: the file; a folder `*` stands for any folder.
        keys: keys that lead to the servers in the file.
    """

    name: str
    path: str
    keys: tuple[str, ...] = _MCP_SERVERS


class Server(NamedTuple):
    """A server as a configuration describes it, with its secrets."""

    name: str
    transport: str | None
    command: str | None
    args: list[str]
    url: str | None
    env_keys: list[str]
    enabled: bool | None


def clients(platform: str = sys.platform) -> Iterator[Client]:
    """Yield the configuration files in a home."""
    config = {"darwin": "Library/Application Support", "win32": "AppData/Roaming"}.get(platform, ".config")
    dotted = config if platform == "win32" else ".config"
    yield Client("claude-desktop", f"{config}/Claude/claude_desktop_config.json")
    yield Client("cursor", ".cursor/mcp.json")
    for name, folder in _CODES:
        yield Client(name, f"{config}/{folder}/User/mcp.json", ("servers",))
        yield Client(name, f"{config}/{folder}/User/settings.json", ("mcp", "servers"))
        yield Client(name, f"{config}/{folder}/User/profiles/*/mcp.json", ("servers",))
        for extension, path in _EXTENSIONS:
            yield Client(extension, f"{config}/{folder}/User/globalStorage/{path}")
    yield Client("windsurf", ".codeium/windsurf/mcp_config.json")
    yield Client("gemini-cli", ".gemini/settings.json")
    yield Client("qwen-code", ".qwen/settings.json")
    yield Client("codex", ".codex/config.toml", ("mcp_servers",))
    yield Client(
        "zed", f"{dotted}/{'Zed' if platform == 'win32' else 'zed'}/settings.json", ("context_servers",)
    )
    yield Client("continue", ".continue/config.yaml")
    yield Client("continue", ".continue/config.json", ("experimental", "modelContextProtocolServers"))
    yield Client("amazon-q", ".aws/amazonq/mcp.json")
    yield Client("lm-studio", ".lmstudio/mcp.json")
    yield Client("lm-studio", ".cache/lm-studio/mcp.json")
    goose = "Block/goose/config" if platform == "win32" else "goose"
    yield Client("goose", f"{dotted}/{goose}/config.yaml", ("extensions",))
    yield Client("junie", ".junie/mcp/mcp.json")
    for ending in ("json", "jsonc"):
        yield Client("opencode", f".config/opencode/opencode.{ending}", ("mcp",))
    yield Client("crush", ".config/crush/crush.json", ("mcp",))
    yield Client("copilot-cli", ".copilot/mcp-config.json")
    yield Client("copilot-intellij", f"{dotted}/github-copilot/intellij/mcp.json", ("servers",))
    yield Client("kiro", ".kiro/settings/mcp.json")


def project_clients() -> Iterator[Client]:
    """Yield the configuration files in a project's folder."""
    yield Client("claude-code", ".mcp.json")
    yield Client("cursor", ".cursor/mcp.json")
    yield Client("vscode", ".vscode/mcp.json", ("servers",))
    yield Client("roo-code", ".roo/mcp.json")
    yield Client("gemini-cli", ".gemini/settings.json")
    yield Client("codex", ".codex/config.toml", ("mcp_servers",))
    yield Client("opencode", "opencode.json", ("mcp",))
    yield Client("kiro", ".kiro/settings/mcp.json")


def managed_files(platform: str = sys.platform) -> Iterator[Client]:
    """Yield the files that an administrator lays down for all users; their paths are absolute."""
    folder = {
        "darwin": "/Library/Application Support/ClaudeCode",
        "win32": "C:/Program Files/ClaudeCode",
    }.get(platform, "/etc/claude-code")
    yield Client("claude-code", f"{folder}/managed-mcp.json")


def servers_in(document: object, keys: tuple[str, ...]) -> Iterator[Server]:
    """Yield the servers that the keys lead to in a document; entries that are not servers are skipped."""
    root = document if isinstance(document, dict) else {}
    place: object = root
    for key in keys:
        place = place.get(key) if isinstance(place, dict) else None
    if isinstance(place, list):  # a list of servers that have their names inside
        pairs = [
            (str(entry.get("name") or index), entry)
            for index, entry in enumerate(place)
            if isinstance(entry, dict)
        ]
    else:
        pairs = [(str(name), entry) for name, entry in as_object(place).items() if isinstance(entry, dict)]
    rules = as_object(root.get("mcp"))
    for name, entry in pairs:
        server = _server(name, entry)
        if server is not None:
            yield server._replace(enabled=False) if _is_excluded(name, rules) else server


def _server(name: str, entry: Mapping[str, Any]) -> Server | None:
    kind = entry.get("type")
    if isinstance(kind, str) and kind in _INNER_TYPES:
        return None
    entry = {**entry, **as_object(entry.get("transport"))}
    command, args = _command(entry)
    url = next(
        (entry[key] for key in ("url", "httpUrl", "serverUrl", "uri") if isinstance(entry.get(key), str)),
        None,
    )
    if (
        command is None
        and url is None
        and not {"env", "settings", "args", "disabled", "enabled"} & entry.keys()
    ):
        return None
    environment = [str(key) for kind in ("env", "environment", "envs") for key in as_object(entry.get(kind))]
    environment += [key for key in _list(entry.get("env_keys")) if isinstance(key, str)]
    return Server(
        name=printable(name),
        transport=_transport(entry, command, url),
        command=None if command is None else printable(command),
        args=[printable(argument) for argument in args],
        url=None if url is None else printable(url),
        env_keys=sorted({printable(name) for name in environment}),
        enabled=not (entry.get("disabled") is True or entry.get("enabled") is False),
    )


def _command(entry: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """Return the program and its arguments: apart, in one list, or in an object of their own."""
    command: Any = entry.get("command", entry.get("cmd"))
    args: Any = entry.get("args")
    if isinstance(command, dict):
        command, args = command.get("path"), command.get("args")
    if isinstance(command, list):
        command, args = (command[0], command[1:]) if command else (None, [])
    return command if isinstance(command, str) else None, [str(argument) for argument in _list(args)]


def _transport(entry: Mapping[str, Any], command: str | None, url: str | None) -> str | None:
    kind = entry.get("type")
    if isinstance(kind, str):
        return _TRANSPORTS.get(kind.lower(), printable(kind.lower()))
    if command is not None:
        return "stdio"
    return None if url is None else "http"


def _is_excluded(name: str, rules: Mapping[str, Any]) -> bool:
    """Return whether Gemini's lists of allowed and excluded servers exclude a server."""
    allowed = rules.get("allowed")
    return name in _list(rules.get("excluded")) or (isinstance(allowed, list) and name not in allowed)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
