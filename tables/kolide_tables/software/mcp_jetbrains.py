"""Read the servers that JetBrains' AI Assistant keeps in llm.mcpServers.xml, in the form of other clients.

Sources: https://youtrack.jetbrains.com/issue/LLM-22682 for the file, and public copies of it. Servers are in
the component, or in its lists `commands` and `urls`. Since 2025.3 they are in ~/.ai/mcp/mcp.json, and this
file has their names alone.
"""

import shlex
from typing import TYPE_CHECKING, Any

from ..reading.parsing import ParseError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["jetbrains_document"]

_COMPONENTS = ("McpApplicationServerCommands", "McpProjectServerCommands")
_LISTS = ("commands", "urls")
_ENVIRONMENTS = ("envs", "env", "environment")
# Far more than any such file has; a tree takes many times the memory of its text.
_MOST = 1 << 20


def jetbrains_document(content: bytes) -> dict[str, Any]:
    """Return the servers as an object under mcpServers; raises ParseError."""
    from xml.etree import ElementTree

    # In UTF-16, which has null characters, a document type would be spelled otherwise.
    if len(content) > _MOST or b"<!DOCTYPE" in content or b"\0" in content:
        raise ParseError("too large, in UTF-16 or with a document type, which no such file is")
    try:
        root = ElementTree.fromstring(content)  # noqa: S314  without a document type there are no entities
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ParseError(" ".join(str(error).split())[:200]) from error
    servers: dict[str, Any] = {}
    for component in root.iterfind("component"):
        if component.get("name") in _COMPONENTS:
            for child in component:
                for element in child if child.tag in _LISTS else (child,):
                    name, server = _server(element)
                    if name and (server["command"] or server["url"]):
                        servers[name] = server
    return {"mcpServers": servers}


def _server(element: "Element") -> tuple[str | None, dict[str, Any]]:
    """Return the name and the parts of a server, which are options at any depth."""
    options = {option.get("name"): option.get("value") for option in element.iter("option")}
    return options.get("name"), {
        "command": options.get("programPath") or options.get("command"),
        "args": _words(options.get("arguments") or ""),
        "url": options.get("url") or options.get("serverUrl"),
        "env": _names(element, _ENVIRONMENTS),
        "headers": _names(element, ("headers",)),
        "enabled": options.get("enabled") != "false",
    }


def _names(element: "Element", places: tuple[str, ...]) -> list[str]:
    """Return the names in elements or options of one of the names."""
    found = (place for place in element.iter() if place.tag in places or place.get("name") in places)
    pairs = (pair for place in found for pair in place.iter() if pair is not place)
    return [name for pair in pairs if (name := pair.get("name") or pair.get("key"))]


def _words(arguments: str) -> list[str]:
    try:
        return shlex.split(arguments)
    except ValueError:
        return arguments.split()  # a quote without an end
