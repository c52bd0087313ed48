"""What can stand at the cursor of an SQL shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit.completion import Completer, Completion

from osquery_sdk.errors import OsquerySdkError
from osquery_sdk.sqltext import tables_of, tokens

from .output import FORMS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    from osquery_sdk.engine import Host

_WORDS = (
    "SELECT FROM WHERE JOIN LEFT JOIN ON USING GROUP BY ORDER BY HAVING LIMIT OFFSET AND OR NOT IN IS NULL LIKE GLOB BETWEEN"
    " AS DISTINCT UNION ALL EXCEPT INTERSECT WITH RECURSIVE CASE WHEN THEN ELSE END EXISTS ASC DESC COUNT SUM MIN MAX AVG"
    " GROUP_CONCAT COALESCE LOWER UPPER LENGTH SUBSTR ROUND CAST DATETIME"
)
_TAKE_FILES = (".read", ".output", ".once")
_BEFORE_A_TABLE = ("FROM", "JOIN", "INTO", "UPDATE")


class SqlCompleter(Completer):
    """Words of SQL, tables, and the columns of the tables that a statement names, or of all.

    Args:
        host: whose tables they are; it is asked anew when its extensions change.
        commands: the shell's dot commands.
    """

    def __init__(self, host: Host, commands: Iterable[str]) -> None:
        """Nothing is asked yet."""
        self._host = host
        self._commands = tuple(commands)
        self._words = tuple(dict.fromkeys(_WORDS.split()))
        self._known: dict[str, tuple[str, ...]] = {}
        self._extensions: tuple[int, ...] = ()

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """For the word before the cursor."""
        before = document.text_before_cursor
        if before.lstrip().startswith("."):
            if before.split(maxsplit=1)[0] in _TAKE_FILES and " " in before.lstrip():
                yield from self._files(before.lstrip().partition(" ")[2].lstrip(), complete_event)
                return
            found = self._command(before.lstrip())
            word = before.rpartition(" ")[2]
        else:
            word, found = self._sql(before, document.text)
        for text, kind in found:
            if text.lower().startswith(word.lower()) and text.lower() != word.lower():
                # Words of SQL follow the case that was begun.
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
        """The word that has been begun, and what it may become."""
        known = self._tables()
        found = tokens(before)
        word = ""
        if found and found[-1].end == len(before):
            if found[-1].kind in ("text", "quoted", "number"):
                return "", []
            if found[-1].kind == "word":
                word = found.pop().text
        # The statement that the cursor is in, by what it names before and behind it.
        start = max((token.end for token in found if token.text == ";"), default=0)
        named = tables_of(text[start:])
        folded = {name.lower(): columns for name, columns in known.items()}
        if len(found) > 1 and found[-1].text == "." and (alias := found[-2].name):
            table = named.get(alias.lower(), alias)
            return word, [(column, table) for column in folded.get(table.lower(), ())]
        if found and (found[-1].upper in _BEFORE_A_TABLE or _lists_tables(before[start:], word)):
            return word, [(table, "table") for table in known]
        tables = [name for name in dict.fromkeys(named.values()) if name.lower() in folded] or list(known)
        columns = {column: table for table in tables for column in folded[table.lower()]}
        out = list(columns.items()) if found else []
        out += [(keyword, "SQL") for keyword in self._words]
        out += [(table, "table") for table in known] if found else []
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
    """Whether the word stands behind a comma of a FROM."""
    found = tokens(before[: len(before) - len(word)])
    if not found or found[-1].text != ",":
        return False
    for token in reversed(found):
        if token.upper:
            if token.upper in _BEFORE_A_TABLE:
                return True
            if token.upper in ("SELECT", "WHERE", "BY", "ON", "VALUES", "SET"):
                return False
    return False
