"""Read the servers in crushrc, the Bash script with which Crush is configured, in the form of other clients.

Only the command `mcp` is read, wherever it stands in a line; nothing is run, so that variables stay as they
are written. Source: https://github.com/charmbracelet/crush/blob/main/docs/config/README.md.
"""

import shlex
from collections.abc import Iterator
from itertools import groupby
from typing import Any

__all__ = ["crushrc_document"]

# Lines that one command, with a text in quotes, goes on for.
_MOST_LINES = 50
_LISTS = {"--args": "args"}
_PAIRS = {"--env": "env", "--header": "headers"}
_TEXTS = {"--type": "type", "--command": "command", "--url": "url"}
_ENDS = ";&|"
_OFF = ("true", "1", "yes")


def crushrc_document(text: str) -> dict[str, Any]:
    """Return the servers as an object under mcp."""
    servers: dict[str, Any] = {}
    for words in _commands(text):
        at = words.index("mcp") if "mcp" in words[:-2] else len(words)
        command, *rest = words[at + 1 :] or [""]
        if command == "add":
            servers[rest[0]] = _server(rest[1:])
        elif command in ("remove", "rm"):
            servers.pop(rest[0], None)
    return {"mcp": servers}


def _commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command, over the lines that it goes on for; those of a quote without an end
    are left out.
    """
    begun: list[str] = []
    for line in text.splitlines():
        begun.append(line)
        if line.endswith("\\"):
            begun[-1] = line[:-1]
            continue
        lexer = shlex.shlex("\n".join(begun), posix=True, punctuation_chars=_ENDS)
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:
            if len(begun) < _MOST_LINES:
                continue
            words = []
        begun.clear()
        for is_end, command in groupby(words, lambda word: word and not word.strip(_ENDS)):
            if not is_end:
                yield list(command)


def _server(words: list[str]) -> dict[str, Any]:
    server: dict[str, Any] = {"args": [], "env": {}, "headers": {}}
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if option in _PAIRS:
            name, separator, _ = (value if equals else next(rest, "")).partition("=")
            server[_PAIRS[option]][name] = ""
            if not separator:
                next(rest, "")
        elif option in (*_LISTS, *_TEXTS, "--disabled"):
            value = value if equals else next(rest, "")
            if option in _LISTS:
                server[_LISTS[option]].append(value)
            elif option in _TEXTS:
                server[_TEXTS[option]] = value
            else:
                server["disabled"] = value.lower() in _OFF
    return server
