"""Read clients' configuration files, which are JSON with comments, TOML, YAML, XML, the YAML of an agent's
prompt, or Crush's script.
"""

import re
from typing import NamedTuple

from kolide_kit.limits import Budget
from kolide_kit.text import decode_kept, printable
from osquery_sdk import Query

from ..reading.parsing import ParseError
from ..reading.paths import read_or_warn

__all__ = ["ConfigFile", "ConfigFiles"]


# Larger files, and those beyond this number, are read again.
_MOST_KEPT_BYTES = 1 << 16
_MOST_KEPT = 32


class ConfigFile(NamedTuple):
    """A configuration file that has been read."""

    path: str
    document: object
    sha256: str


class ConfigFiles:
    """The configuration files of one statement; what cannot be read is logged.

    Several clients share an editor's settings, so a file that is not large is read once.
    """

    def __init__(self, query: Query, budget: Budget) -> None:
        """Remember whom to tell."""
        self._query = query
        self._budget = budget
        self._known: dict[str, ConfigFile | None] = {}

    def forget(self) -> None:
        """Let go of the files that have been read."""
        self._known.clear()

    def read(self, path: str) -> ConfigFile | None:
        """Return a file; None if it is missing, or cannot be read or parsed."""
        if path in self._known:
            return self._known[path]
        self._budget.check()
        content = read_or_warn(path, self._query)
        if content is None:
            return None
        file = self._parsed(path, content)
        if len(content) <= _MOST_KEPT_BYTES and len(self._known) < _MOST_KEPT:
            self._known[path] = file
        return file

    def _parsed(self, path: str, content: bytes) -> ConfigFile | None:
        try:
            document = _document(path, content, self._budget)
        except ParseError as error:
            self._query.warn(f"{path}: {error}")
            return None
        import hashlib

        return ConfigFile(path, document, hashlib.sha256(content).hexdigest())

    def document(self, path: str) -> object:
        """Return the document in a file; None without one."""
        file = self.read(path)
        return None if file is None else file.document


def _front_matter(text: str) -> str:
    """Return the YAML before an agent's prompt, on the lines where it is; nothing if it has no servers."""
    match = re.match(r"---[ \t]*\r?\n((?:(?!---).*\n)*)---", text)
    return f"\n{match[1]}" if match is not None and "mcp" in match[1] else ""


def _document(path: str, content: bytes, budget: Budget) -> object:
    """Return the document in a file, by the file's ending; raises ParseError."""
    if path.endswith(".xml"):
        from .mcp_jetbrains import jetbrains_document

        return jetbrains_document(content)
    text = decode_kept(content)
    if path.endswith(".md"):
        text = _front_matter(text)
    if path.endswith((".yaml", ".yml", ".md")):
        from ..reading.yamltext import yaml_documents

        return next(iter(yaml_documents(printable(text), budget)), None)
    if path.endswith("crushrc"):
        from .mcp_crushrc import crushrc_document

        return crushrc_document(printable(text))
    if path.endswith(".toml"):
        from ..reading.tomltext import toml_document

        return toml_document(printable(text))
    import json

    from ..reading.jsoncomments import without_comments

    try:
        return json.loads(without_comments(text)) if text.strip() else None
    except (ValueError, RecursionError) as error:
        raise ParseError(" ".join(str(error).split())[:200]) from error
