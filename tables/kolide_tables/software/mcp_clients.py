"""List the configuration files of programs that use MCP servers, and read the servers in them.

Sources: the clients' own documentation. Paths are relative to a home; `{config}` is the platform's folder for
settings: .config, Library/Application Support, or AppData/Roaming.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kolide_kit.text import printable, printable_or_none

from ..reading.parsing import as_object

__all__ = ["Client", "Server", "as_list", "clients", "managed_files", "project_clients", "servers_in"]

_CODES = (("vscode", "Code"), ("vscode-insiders", "Code - Insiders"), ("vscodium", "VSCodium"))
_EXTENSIONS = (
    ("cline", "saoudrizwan.claude-dev/settings/cline_mcp_settings.json"),
    ("roo-code", "rooveterinaryinc.roo-cline/settings/mcp_settings.json"),
)
_MCP_SERVERS = ("mcpServers",)
# Extensions that are part of goose.
_INNER_TYPES = frozenset(("builtin", "platform", "frontend", "inline_python"))
# An entry without a program and a URL is a server only if it has one of these.
_PARTS = frozenset(("env", "settings", "args", "disabled", "enabled"))
_HTTP = ("remote", "streamable-http", "streamable_http", "streamablehttp")
_TRANSPORTS = {"local": "stdio", **dict.fromkeys(_HTTP, "http")}


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
    place = document
    for step in keys:
        place = as_object(place).get(step)
    rules = as_object(as_object(document).get("mcp"))
    is_list = isinstance(place, list)  # servers that have their names inside
    for key, entry in enumerate(as_list(place)) if is_list else as_object(place).items():
        if not isinstance(entry, dict):
            continue
        name = str((is_list and entry.get("name")) or key)
        server = _server(name, entry)
        if server is not None:
            yield server._replace(enabled=False) if _is_excluded(name, rules) else server


def _server(name: str, entry: Mapping[str, Any]) -> Server | None:
    kind = entry.get("type")
    if isinstance(kind, str) and kind in _INNER_TYPES:
        return None
    entry = {**entry, **as_object(entry.get("transport"))}
    command, args = _command(entry)
    addresses = (entry.get(key) for key in ("url", "httpUrl", "serverUrl", "uri"))
    url = next((address for address in addresses if isinstance(address, str)), None)
    if command is None and url is None and _PARTS.isdisjoint(entry):
        return None
    environment = [str(key) for kind in ("env", "environment", "envs") for key in as_object(entry.get(kind))]
    environment += [key for key in as_list(entry.get("env_keys")) if isinstance(key, str)]
    return Server(
        name=printable(name),
        transport=_transport(entry, command, url),
        command=printable_or_none(command),
        args=[printable(argument) for argument in args],
        url=printable_or_none(url),
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
    return command if isinstance(command, str) else None, [str(argument) for argument in as_list(args)]


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
    return name in as_list(rules.get("excluded")) or (isinstance(allowed, list) and name not in allowed)


def as_list(value: object) -> list[Any]:
    """Return a document's value if it is an array, else an empty one."""
    return value if isinstance(value, list) else []
