"""An SQL shell: on a terminal with history and completion, otherwise a reader of statements."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from osquery_sdk.authors import text_of
from osquery_sdk.errors import OsquerySdkError
from osquery_sdk.signals import interrupting
from osquery_sdk.spelling import did_you_mean
from osquery_sdk.sqltext import is_complete, statements
from osquery_sdk.streams import stdout

from .output import FORMS, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from osquery_sdk.engine import Host

_COMMANDS = {
    ".tables": "[WORD]     the tables, or those with WORD in their names",
    ".schema": "[TABLE]    the columns of a table, or of all",
    ".explain": "SQL        run a statement and tell which of its terms reached which table",
    ".mode": "FORM       how rows are printed: " + ", ".join(FORMS),
    ".timer": "on|off     print how long each statement took",
    ".help": "           this list",
    ".exit": "           leave, as Ctrl-D does",
}


class Shell:
    """One session over a running host.

    Args:
        host: where statements run.
        form: how rows are printed, one of `FORMS`.
        timeout: seconds after which a statement is given up.
    """

    def __init__(self, host: Host, *, form: str = "table", timeout: float | None = None) -> None:
        """Set up; nothing is read yet."""
        self._host = host
        self._form = form
        self._timeout = timeout
        self._timer = False
        self._failed = False

    def run(self) -> int:
        """Read and run until the end of the input; 1 if a statement failed that no person saw fail."""
        if sys.stdin.isatty() and stdout().isatty():
            from .prompt import prompts

            print(
                "Embedded engine, for development: production has osqueryd. .help lists commands.",
                file=stdout(),
            )
            with interrupting():
                self._all(prompts(self._host, tuple(_COMMANDS)))
            return 0
        self._all(_read(sys.stdin))
        return 1 if self._failed else 0

    def _all(self, inputs: Iterable[str]) -> None:
        rest = iter(inputs)
        while True:
            try:
                text = next(rest, None)
                if text is None:
                    return
                if text.lstrip().startswith("."):
                    if not self._command(text.strip()):
                        return
                else:
                    for statement in statements(text):
                        self._sql(statement)
            except KeyboardInterrupt:
                self._failed = True
                print("cancelled", file=sys.stderr)

    def _command(self, line: str) -> bool:
        """Run a dot command; False is the end."""
        name, _, rest = line.partition(" ")
        rest = rest.strip().rstrip(";")
        match name:
            case ".exit" | ".quit":
                return False
            case ".tables":
                self._try(lambda: self._tables(rest))
            case ".schema":
                self._try(lambda: self._schema(rest))
            case ".explain" if rest:
                self._try(lambda: self._explain(rest))
            case ".mode" if rest in FORMS:
                self._form = rest
            case ".timer" if rest in ("on", "off"):
                self._timer = rest == "on"
            case ".help":
                print(
                    "\n".join(f"{command:<9}{words}" for command, words in _COMMANDS.items()), file=stdout()
                )
                print("Anything else is SQL; a statement ends with a semicolon.", file=stdout())
            case _ if name in _COMMANDS:
                meant = did_you_mean(rest, FORMS) if name == ".mode" else ""
                self._error(f"{name} {_COMMANDS[name]}" + (f"; {meant}" if meant else ""))
            case _:
                meant = did_you_mean(name, (*_COMMANDS, ".quit"))
                self._error(f"{name} is no command; {meant or '.help lists them'}")
        return True

    def _tables(self, word: str) -> None:
        print("\n".join(name for name in self._host.tables() if word in name), file=stdout())

    def _schema(self, table: str) -> None:
        names = [table] if table else self._host.tables()
        for name in names:
            columns = self._host.columns(name)
            if not columns:
                meant = did_you_mean(name, self._host.tables())
                self._error(f"no table {name}; {meant or '.tables lists them'}")
                continue
            inner = ",\n".join(f"    {column} {kind}" for column, kind in columns)
            print(f"CREATE TABLE {name} (\n{inner}\n);", file=stdout())

    def _explain(self, sql: str) -> None:
        from osquery_sdk.explain import explain

        for statement in statements(sql):
            print(explain(self._host, statement, timeout=self._timeout).as_text(), end="", file=stdout())

    def _sql(self, sql: str) -> None:
        self._try(lambda: self._print(sql))

    def _print(self, sql: str) -> None:
        started = time.monotonic()
        result = self._host.query(sql, timeout=self._timeout)
        seconds = time.monotonic() - started
        write(result.columns, result.rows, self._form)
        if self._timer:
            count = len(result.rows)
            print(f"{count} {'row' if count == 1 else 'rows'}, {seconds:.3f} s", file=sys.stderr)

    def _try(self, do: Callable[[], None]) -> None:
        try:
            do()
        except OsquerySdkError as error:
            self._error(text_of(error))

    def _error(self, text: str) -> None:
        self._failed = True
        print(f"Error: {text}", file=sys.stderr)


def _read(lines: Iterable[str]) -> Iterable[str]:
    """Dot commands and statements as they become complete; the last needs no semicolon."""
    pending = ""
    for line in lines:
        if not pending and line.lstrip().startswith("."):
            yield line
            continue
        pending += line
        if is_complete(pending) or not pending.strip():
            yield pending
            pending = ""
    if pending.strip():
        yield pending
