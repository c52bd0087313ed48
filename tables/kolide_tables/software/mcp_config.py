"""Read the MCP servers in a client's configuration.

Most clients write a server as an object with the keys `command`, `args` and `env`, or `url` and `headers`.
Some have other names for these, which are all understood here, whichever client the file is of. These are the
names, and the clients that have them:

- `cmd`, `envs`, `env_keys`, `uri`: goose. `environment`, `command` as a list: opencode, Kilo Code, Crush.
- `command` as an object: Zed before 2025. `transport` as an object: Continue before 2025, Cline.
- `httpUrl`: Gemini CLI, Qwen Code. `serverUrl`: Windsurf, Antigravity.
- `env_vars`, `http_headers`, `env_http_headers`, `bearer_token_env_var`: Codex. `api_key_env`: Mistral Vibe.
- `requestInit`: Tabnine. `requestOptions`: Continue. `transportType`: Cline.
- `isActive`: 5ire. `active`: Jan. `mcp.allowed`, `mcp.excluded`,
  `allowMCPServers`, `excludeMCPServers`: Gemini CLI and those made from it.
- `disabledMcpServers`: Copilot CLI. `amp.mcpPermissions`: Amp.
- `tcp`: Gemini CLI. `uses`: Continue, for a server on its hub.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any, NamedTuple

from kolide_kit.text import printable, printable_or_none

from ..reading.parsing import as_list, as_object, texts_in

__all__ = ["Server", "servers_in"]

# Extensions that are part of goose.
_INNER_TYPES = frozenset(("builtin", "platform", "frontend", "inline_python"))
# An entry without a program and a URL is a server only if it has one of these.
_PARTS = frozenset(("env", "settings", "args", "disabled", "enabled", "uses"))
# Spelled with or without hyphens and underscores.
_HTTP = ("remote", "httpstream", "streamable", "streamablehttp")
_TRANSPORTS = {"local": "stdio", "command": "stdio", **dict.fromkeys(_HTTP, "http")}
_URLS = ("httpUrl", "serverUrl", "uri", "url", "tcp")
_ENVIRONMENTS = ("env", "environment", "envs", "env_keys", "env_vars")
_HEADERS = ("headers", "http_headers", "env_http_headers")
# Objects that have the headers inside.
_REQUESTS = ("requestInit", "requestOptions", "request_init")
# Keys with the name of an environment variable that has a token for the header Authorization.
_TOKENS = ("bearer_token_env_var", "api_key_env")
# In a list, a name may have its value behind it, which is not read.
_NAME = r"([\w.\-]{1,128})\s?(?:[=:]|\Z)"


class Server(NamedTuple):
    """A server as a configuration describes it, with its secrets."""

    name: str
    transport: str | None
    command: str | None
    args: list[str]
    url: str | None
    env_keys: list[str]
    header_names: list[str]
    enabled: bool | None


def servers_in(
    document: object,
    keys: tuple[str, ...],
    *,
    bare_url: str = "http",
    is_one: bool = False,
    has_switch: bool = True,
    others: Sequence[object] = (),
    switches: object = None,
) -> Iterator[Server]:
    """Yield the servers that the keys lead to in a document; entries that are not servers are skipped.

    Args:
        document: the configuration.
        keys: keys that lead to an object of servers, or to a list of servers with names inside.
        bare_url: transport of a server with the key `url` and no transport.
        is_one: whether the keys lead to a single server, which has the document's name.
        has_switch: whether a server's own keys can switch it off.
        others: the client's other documents whose lists of allowed and excluded servers count as well.
        switches: an object of the servers that are switched off elsewhere, by name in lower case.
    """
    place = document
    for step in keys:
        place = as_object(place).get(step)
    if is_one:
        place = {str(as_object(document).get("name") or ""): place}
    rules = [_rules(as_object(each)) for each in (document, *others)]
    permissions = [as_list(as_object(each).get("amp.mcpPermissions")) for each in (*others, document)]
    is_list = isinstance(place, list)
    for key, entry in _entries(place):
        if not isinstance(entry, dict):
            continue
        name = str((is_list and (entry.get("name") or entry.get("uses"))) or key)
        server = _server(name, entry, bare_url)
        if server is not None:
            switch = as_object(as_object(switches).get(_folded(name)))
            is_off = (
                (has_switch and _is_off(entry))
                or switch.get("enabled") is False
                or any(_is_excluded(name, each) for each in rules)
                or _is_rejected(server, chain.from_iterable(permissions))
            )
            yield server._replace(enabled=not is_off)


def _entries(place: object) -> Iterator[tuple[object, Any]]:
    """Yield the members of an object or a list; one of a list may have its name around it."""
    if not isinstance(place, list):
        yield from as_object(place).items()
        return
    for number, entry in enumerate(place):
        pairs = list(as_object(entry).items())
        if len(pairs) == 1 and isinstance(pairs[0][1], dict) and pairs[0][0] not in ("transport", "command"):
            yield pairs[0]
        else:
            yield number, entry


def _server(name: str, entry: Mapping[str, Any], bare_url: str) -> Server | None:
    kind = entry.get("type")
    if isinstance(kind, str) and kind in _INNER_TYPES:
        return None
    entry = {**entry, **as_object(entry.get("transport"))}
    command, args = _command(entry)
    url_key = next((key for key in _URLS if isinstance(entry.get(key), str)), None)
    if command is None and url_key is None and _PARTS.isdisjoint(entry):
        return None
    return Server(
        name=printable(name),
        transport=_transport(entry, command, url_key, bare_url),
        command=printable_or_none(command),
        args=[printable(argument) for argument in args],
        url=None if url_key is None else printable(entry[url_key]),
        env_keys=_names(entry.get(key) for key in _ENVIRONMENTS),
        header_names=_header_names(entry),
        enabled=True,
    )


def _command(entry: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """Return the program and its arguments: apart, in one list, or in an object of their own."""
    command: Any = entry.get("command", entry.get("cmd"))
    args: Any = entry.get("args")
    if isinstance(command, dict):
        command, args = command.get("path"), command.get("args")
    if isinstance(command, list):
        command, args = (command[0], [*command[1:], *as_list(args)]) if command else (None, [])
    return command if isinstance(command, str) else None, [str(argument) for argument in as_list(args)]


def _transport(
    entry: Mapping[str, Any], command: str | None, url_key: str | None, bare_url: str
) -> str | None:
    kinds = (entry.get(key) for key in ("type", "transport", "transportType"))
    kind = next((kind for kind in kinds if isinstance(kind, str) and kind), None)
    if kind is not None:
        kind = kind.lower()
        return _TRANSPORTS.get(re.sub("[-_]", "", kind), printable(kind))
    if command is not None:
        return "stdio"
    if url_key is None:
        return None
    return bare_url if url_key == "url" else "http"


def _header_names(entry: Mapping[str, Any]) -> list[str]:
    places = [entry.get(key) for key in _HEADERS]
    places += [as_object(entry.get(key)).get("headers") for key in _REQUESTS]
    if any(isinstance(entry.get(key), str) for key in _TOKENS):
        header = entry.get("api_key_header")
        places.append([header if isinstance(header, str) else "Authorization"])
    return _names(places)


def _names(places: Iterable[Any]) -> list[str]:
    """Return the names in objects, and in lists of names, of `name=value`, and of objects with a name."""
    names: set[str] = set()
    for place in places:
        names.update(map(str, as_object(place)))
        for entry in as_list(place):
            name = entry.get("name", entry.get("key")) if isinstance(entry, dict) else entry
            match = re.match(_NAME, name) if isinstance(name, str) else None
            if match is not None:
                names.add(match[1])
    return sorted(map(printable, names))


def _is_off(entry: Mapping[str, Any]) -> bool:
    return entry.get("disabled") is True or any(
        entry.get(key) is False for key in ("enabled", "isActive", "active")
    )


def _rules(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the lists of allowed and excluded servers, which older versions have at the top."""
    excluded = document.get("excludeMCPServers", document.get("disabledMcpServers"))
    old = {"allowed": document.get("allowMCPServers"), "excluded": excluded}
    return {**old, **as_object(document.get("mcp"))}


def _is_excluded(name: str, rules: Mapping[str, Any]) -> bool:
    """Return whether lists of allowed and excluded servers exclude a server."""
    allowed, excluded = rules.get("allowed"), rules.get("excluded")
    name = _folded(name)
    return name in map(_folded, texts_in(excluded)) or (
        isinstance(allowed, list) and name not in map(_folded, texts_in(allowed))
    )


def _is_rejected(server: Server, permissions: Iterable[object]) -> bool:
    """Return whether the first permission that matches a server rejects it."""
    parts = {"command": server.command, "args": " ".join(server.args), "url": server.url}
    for permission in map(as_object, permissions):
        patterns = as_object(permission.get("matches"))
        if patterns and all(_matches(parts.get(key), pattern) for key, pattern in patterns.items()):
            return permission.get("action") == "reject"
    return False


def _matches(text: str | None, pattern: object) -> bool:
    return text is not None and isinstance(pattern, str) and fnmatchcase(text, pattern)


def _folded(name: str) -> str:
    return name.lower().strip()
