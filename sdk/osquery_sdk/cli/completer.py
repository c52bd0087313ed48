"""Complete SQL and shell commands at the cursor of the shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit.completion import Completer, Completion

from ..errors import OsquerySdkError
from ..sql.tokens import tables_of, tokens
from .output import FORMS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    from ..engine import Host

_WORDS = (
    "SELECT FROM WHERE JOIN LEFT JOIN ON USING GROUP BY ORDER BY HAVING LIMIT OFFSET AND OR NOT IN IS "
    "NULL LIKE GLOB BETWEEN AS DISTINCT UNION ALL EXCEPT INTERSECT WITH RECURSIVE CASE WHEN THEN ELSE "
    "END EXISTS ASC DESC COUNT SUM MIN MAX AVG GROUP_CONCAT COALESCE LOWER UPPER LENGTH SUBSTR ROUND "
    "CAST DATETIME"
)
_TAKE_FILES = (".read", ".output", ".once")
_BEFORE_A_TABLE = ("FROM", "JOIN", "INTO", "UPDATE")


class SqlCompleter(Completer):
    """A completer that offers SQL keywords, tables and columns.

    The columns are those of the tables that the statement names, or else those of all tables.

    Args:
        host: has the tables; they are read again when its extensions change.
        commands: the shell's dot commands.
    """

    def __init__(self, host: Host, commands: Iterable[str]) -> None:
        """Set up; the host is not asked yet."""
        self._host = host
        self._commands = tuple(commands)
        self._words = tuple(dict.fromkeys(_WORDS.split()))
        self._known: dict[str, tuple[str, ...]] = {}
        self._extensions: tuple[int, ...] = ()

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield the completions of the word before the cursor."""
        before = document.text_before_cursor
        if before.lstrip().startswith("."):
            if before.split(maxsplit=1)[0] in _TAKE_FILES and " " in before.lstrip():
                yield from self._files(before.lstrip().partition(" ")[2].lstrip(), complete_event)
                return
            choices = self._command(before.lstrip())
            word = before.rpartition(" ")[2]
        else:
            word, choices = self._sql(before, document.text)
        for text, kind in choices:
            if text.lower().startswith(word.lower()) and text.lower() != word.lower():
                # Keywords follow the case of the typed letters.
                shown = text.lower() if kind == "SQL" and not word.isupper() else text
                yield Completion(shown, start_position=-len(word), display_meta=kind)

    def _files(self, path: str, complete_event: CompleteEvent) -> Iterable[Completion]:
        from prompt_toolkit.completion import PathCompleter
        from prompt_toolkit.document import Document

        return PathCompleter(expanduser=True).get_completions(Document(path, len(path)), complete_event)

    def _command(self, line: str) -> list[tuple[str, str]]:
        name, space, _ = line.partition(" ")
        if not space:
            return [(command, "command") for command in self._commands]
        if name in (".schema", ".tables"):
            return [(table, "table") for table in self._tables()]
        choices = {".mode": tuple(FORMS), ".timer": ("on", "off"), ".typed": ("on", "off")}.get(name, ())
        if name == ".explain":
            return self._sql(line, line)[1]
        return [(choice, "") for choice in choices]

    def _sql(self, before: str, text: str) -> tuple[str, list[tuple[str, str]]]:
        """Return the word that ends at the cursor, and its possible completions with their kinds."""
        known = self._tables()
        typed = tokens(before)
        word = ""
        if typed and typed[-1].end == len(before):
            if typed[-1].kind in ("text", "quoted", "number"):
                return "", []
            if typed[-1].kind == "word":
                word = typed.pop().text
        # The statement around the cursor may name its tables before or behind the cursor.
        start = max((token.end for token in typed if token.text == ";"), default=0)
        named = tables_of(text[start:])
        folded = {name.lower(): columns for name, columns in known.items()}
        if len(typed) > 1 and typed[-1].text == "." and (alias := typed[-2].name):
            table = named.get(alias.lower(), alias)
            return word, [(column, table) for column in folded.get(table.lower(), ())]
        if typed and (typed[-1].upper in _BEFORE_A_TABLE or _lists_tables(before[start:], word)):
            return word, [(table, "table") for table in known]
        tables = [name for name in dict.fromkeys(named.values()) if name.lower() in folded] or list(known)
        columns = {column: table for table in tables for column in folded[table.lower()]}
        out = list(columns.items()) if typed else []
        out += [(keyword, "SQL") for keyword in self._words]
        out += [(table, "table") for table in known] if typed else []
        return word, out

    def _tables(self) -> dict[str, tuple[str, ...]]:
        extensions = tuple(self._host.manager.extensions())
        if not self._known or extensions != self._extensions:
            try:
                self._known = {
                    table: tuple(column for column, _ in self._host.columns(table))
                    for table in self._host.tables()
                }
                self._extensions = extensions
            except OsquerySdkError:
                return {}
        return self._known


def _lists_tables(before: str, word: str) -> bool:
    """Return whether the word follows a comma in the list of a FROM."""
    typed = tokens(before[: len(before) - len(word)])
    if not typed or typed[-1].text != ",":
        return False
    for token in reversed(typed):
        if token.upper:
            if token.upper in _BEFORE_A_TABLE:
                return True
            if token.upper in ("SELECT", "WHERE", "BY", "ON", "VALUES", "SET"):
                return False
    return False
