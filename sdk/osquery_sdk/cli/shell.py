"""An SQL shell: on a terminal with history and completion, otherwise a reader of statements."""

from __future__ import annotations

import io
import os
import sys
import time
from typing import TYPE_CHECKING

from osquery_sdk.authors import text_of, to_stderr
from osquery_sdk.errors import OsquerySdkError
from osquery_sdk.signals import interrupting
from osquery_sdk.spelling import did_you_mean
from osquery_sdk.spinner import Spinner
from osquery_sdk.sqltext import is_complete, statements
from osquery_sdk.streams import stdout

from .outcome import Failed
from .output import FORMS, JSON_FORMS, Printer, ask, require_place, save

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import BinaryIO

    from osquery_sdk.engine import Host

    from .pager import Pager

_COMMANDS = {
    ".tables": "[WORD]     the tables, or those with WORD in their names or columns",
    ".schema": "[TABLE]    the columns of a table, or of all",
    ".explain": "SQL        run a statement and tell which of its terms reached which table",
    ".mode": "FORM       how rows are printed: " + ", ".join(FORMS),
    ".typed": "on|off     in JSON, numbers as numbers and NULL as null",
    ".output": "[FILE]     write all that follows to a file; without FILE, print it again",
    ".once": "FILE       write the next result to a file",
    ".read": "FILE       run the statements and commands in a file",
    ".timer": "on|off     print how long each statement took",
    ".help": "           this list",
    ".exit": "           leave, as Ctrl-D does",
}
_MOST_READERS = 10


class Shell:
    """One session over a running host.

    Args:
        host: where statements run.
        form: how rows are printed, one of `FORMS`.
        typed: print the values that SQL has, where the form is JSON, and not their text.
        timeout: seconds after which a statement is given up.
        pager: shows what is longer than the terminal.
    """

    def __init__(
        self,
        host: Host,
        *,
        form: str = "table",
        typed: bool = False,
        timeout: float | None = None,
        pager: Pager | None = None,
    ) -> None:
        """Set up; nothing is read yet."""
        self._host = host
        self._form = form
        self._typed = typed
        self._timeout = timeout
        self._pager = pager
        self._printer = Printer()
        self._file: BinaryIO | None = None
        self._once = ""
        self._readers = 0
        self._timer = False
        self._failed = False

    def run(self) -> int:
        """Read and run until the end of the input; 1 if a statement failed that no person saw fail."""
        try:
            if sys.stdin.isatty() and stdout().isatty():
                self._converse()
                return 0
            self._all(_read(sys.stdin))
            return 1 if self._failed else 0
        finally:
            self._output("")

    def _converse(self) -> None:
        """Run what a person types."""
        from .prompt import prompts

        print(
            "Embedded engine, for development: production has osqueryd. .help lists commands.",
            file=stdout(),
        )
        self._printer = Printer(pager=self._pager)
        with interrupting():
            self._all(prompts(self._host, tuple(_COMMANDS)))

    def _all(self, inputs: Iterable[str]) -> None:
        rest = iter(inputs)
        while True:
            try:
                text = next(rest, None)
                if text is None or not self._input(text):
                    return
            except KeyboardInterrupt:
                self._failed = True
                to_stderr("cancelled")

    def _input(self, text: str) -> bool:
        """Run a dot command, or statements; False is the end."""
        if text.lstrip().startswith("."):
            return self._command(text.strip())
        for statement in statements(text):
            self._sql(statement)
        return True

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
            case ".typed" if rest in ("on", "off"):
                self._typed = rest == "on"
            case ".output":
                self._try(lambda: self._output(_path(rest)))
            case ".once" if rest:
                self._try(lambda: self._write_once(_path(rest)))
            case ".read" if rest:
                return self._read(_path(rest))
            case ".timer" if rest in ("on", "off"):
                self._timer = rest == "on"
            case ".help":
                lines = [f"{command:<9}{words}" for command, words in _COMMANDS.items()]
                lines.append("Anything else is SQL; a statement ends with a semicolon.")
                self._printer.text("\n".join(lines) + "\n")
            case _ if name in _COMMANDS:
                meant = did_you_mean(rest, FORMS) if name == ".mode" else ""
                self._error(f"{name} {_COMMANDS[name]}" + (f"; {meant}" if meant else ""))
            case _:
                meant = did_you_mean(name, (*_COMMANDS, ".quit"))
                self._error(f"{name} is no command; {meant or '.help lists them'}")
        return True

    def _output(self, path: str) -> None:
        """Write to a file from now on; without one, print."""
        file = open(path, "wb") if path else None  # noqa: SIM115, PTH123  it stays open
        before, self._file = self._file, file
        pager = self._pager if sys.stdin.isatty() else None
        self._printer = Printer(file, pager=pager)
        if before is not None:
            before.close()

    def _write_once(self, path: str) -> None:
        require_place(path)
        self._once = path

    def _read(self, path: str) -> bool:
        """Run what is in a file; False is the end."""
        if self._readers >= _MOST_READERS:
            self._error(f"{path} is not read: {_MOST_READERS} files read one another already")
            return True
        self._readers += 1
        try:
            with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:  # noqa: PTH123
                return all(map(self._input, _read(file)))
        except OSError as error:
            self._error(f"{path}: {error.strerror or error}")
            return True
        finally:
            self._readers -= 1

    def _tables(self, word: str) -> None:
        folded = word.casefold()
        names = [
            name
            for name in self._host.tables()
            if folded in name.casefold()
            or any(folded in column.casefold() for column, _ in self._host.columns(name))
        ]
        self._printer.text("".join(f"{name}\n" for name in names))

    def _schema(self, table: str) -> None:
        names = [table] if table else self._host.tables()
        texts = []
        for name in names:
            columns = self._host.columns(name)
            if not columns:
                meant = did_you_mean(name, self._host.tables())
                self._error(f"no table {name}; {meant or '.tables lists them'}")
                continue
            inner = ",\n".join(f"    {column} {kind}" for column, kind in columns)
            texts.append(f"CREATE TABLE {name} (\n{inner}\n);\n")
        self._printer.text("".join(texts))

    def _explain(self, sql: str) -> None:
        from osquery_sdk.explain import explain

        for statement in statements(sql):
            with Spinner():
                told = explain(self._host, statement, timeout=self._timeout)
            self._printer.text(told.as_text())

    def _sql(self, sql: str) -> None:
        self._try(lambda: self._print(sql))

    def _print(self, sql: str) -> None:
        once, self._once = self._once, ""
        started = time.monotonic()
        typed = self._typed and self._form in JSON_FORMS
        with Spinner():
            answer = ask(self._host, sql, typed=typed, timeout=self._timeout)
        seconds = time.monotonic() - started
        if once:
            file = io.BytesIO()
            Printer(file).rows(answer.columns, answer.rows, self._form)
            save(once, file.getvalue())
        else:
            self._printer.rows(answer.columns, answer.rows, self._form)
        if self._timer:
            count = len(answer.rows)
            to_stderr(f"{count} {'row' if count == 1 else 'rows'}, {seconds:.3f} s")

    def _try(self, do: Callable[[], None]) -> None:
        try:
            do()
        except (OsquerySdkError, Failed) as error:
            self._error(text_of(error))
        except BrokenPipeError:
            raise  # of standard output
        except OSError as error:
            if error.filename is None:
                raise
            self._error(f"{error.filename}: {error.strerror or error}")

    def _error(self, text: str) -> None:
        self._failed = True
        to_stderr(f"Error: {text}")


def _path(text: str) -> str:
    """A path as it is typed: with quotes around it or not, and ~ for the home."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    return os.path.expanduser(text)  # noqa: PTH111  it may be no home's


def _read(lines: Iterable[str]) -> Iterable[str]:
    """Dot commands and statements as they become complete; the last needs no semicolon."""
    pending = ""
    for line in lines:
        if not pending and line.lstrip().startswith("."):
            yield line
            continue
        pending += line
        if (";" in line and is_complete(pending)) or not pending.strip():
            yield pending
            pending = ""
    if pending.strip():
        yield pending
