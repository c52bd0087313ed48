"""Run an SQL shell: with history and completion on a terminal, or over the statements of a pipe."""

from __future__ import annotations

import io
import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from kolide_kit.author_code import text_of, to_stderr
from kolide_kit.signals import interrupting
from kolide_kit.spelling import did_you_mean
from kolide_kit.spinner import Spinner
from kolide_kit.streams import stdout

from ..errors import OsquerySdkError
from ..sql.tokens import is_complete, statements
from .catalog import describe, extension_tables, schema_of, statement_to_try
from .exit_codes import Failed
from .output import FORMS, JSON_FORMS, Printer, ask, require_place, save

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import BinaryIO

    from ..engine import Host
    from ..tables.schema import ColumnSchema, TableSchema
    from .pager import Pager

_COMMANDS = {
    ".tables": "[WORD]     list all tables, or those with WORD in the name of the table or a column",
    ".schema": "[TABLE]    describe the columns of a table, or of all tables",
    ".explain": "SQL        run a statement and show which of its terms reached which table",
    ".mode": "FORM       print rows as: " + ", ".join(FORMS),
    ".typed": "on|off     in JSON, print numbers as numbers and NULL as null",
    ".output": "[FILE]     write all further results to a file; without FILE, print them again",
    ".once": "FILE       write the next result to a file",
    ".read": "FILE       run the statements and commands in a file",
    ".timer": "on|off     print how long each statement took",
    ".help": "           print this list; so does help",
    ".exit": "           leave the shell; so do exit, quit and Ctrl-D",
}
# Commands without a dot: no SQL statement begins with one of these words.
_WORDS = ("help", "exit", "quit")
_MOST_READERS = 10
_ENGINE = (
    "This is the embedded engine, for development; osqueryd is for production. .help lists the commands."
)


class Shell:
    """A session over a running host.

    Args:
        host: runs the statements.
        form: how rows are printed, one of `FORMS`.
        typed: in JSON, print values of SQL's types instead of their text.
        timeout: seconds after which a statement is cancelled.
        pager: shows results that are longer than the terminal.
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
        """Set up the session; nothing is read yet."""
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
        """Read and run until the end of the input.

        Returns:
            The exit code: 1 if a statement failed, but 0 on a terminal, where a person saw it fail.
        """
        try:
            if sys.stdin.isatty() and stdout().isatty():
                self._converse()
                return 0
            self._run_each(_split(sys.stdin))
            return 1 if self._failed else 0
        finally:
            self._redirect("")

    def _converse(self) -> None:
        """Run the statements and commands that a person types."""
        from .prompt import prompts

        with Spinner():
            greeting = self._greeting()
        print(f"{_ENGINE}\n{greeting}", file=stdout())
        self._printer = Printer(pager=self._pager)
        with interrupting():
            self._run_each(prompts(self._host, tuple(_COMMANDS), _is_command))

    def _greeting(self) -> str:
        """Return a line that counts the tables and offers a statement to try."""
        try:
            count = len(extension_tables(self._host))
            statement = statement_to_try(self._host)
        except OsquerySdkError as error:
            return text_of(error)
        names = [info.name for info in self._host.manager.extensions().values()]
        source = names[0] if len(names) == 1 else f"{len(names)} extensions"
        tables = (
            f"{count} table{'' if count == 1 else 's'} from {source}"
            if count
            else "No extension has a table here"
        )
        return f"{tables}. Try: {statement};"

    def _run_each(self, inputs: Iterable[str]) -> None:
        """Run inputs until one of them ends the shell. Ctrl-C cancels the one that runs."""
        rest = iter(inputs)
        while True:
            try:
                text = next(rest, None)
                if text is None or not self._run_input(text):
                    return
            except KeyboardInterrupt:
                self._failed = True
                to_stderr("cancelled")

    def _run_input(self, text: str) -> bool:
        """Run a command, or statements; False ends the shell."""
        if _is_command(text):
            return self._run_command(text.strip())
        for statement in statements(text):
            self._try(partial(self._print_result, statement))
        return True

    def _run_command(self, line: str) -> bool:
        """Run a command; False ends the shell."""
        name, _, rest = line.rstrip(";").partition(" ")
        if not name.startswith("."):
            name = f".{_word(name)}"
        rest = rest.strip()
        match name:
            case ".exit" | ".quit":
                return False
            case ".tables":
                self._try(lambda: self._print_tables(rest))
            case ".schema":
                self._try(lambda: self._print_schema(rest))
            case ".explain" if rest:
                self._try(lambda: self._explain(rest))
            case ".mode" if rest in FORMS:
                self._form = rest
            case ".typed" if rest in ("on", "off"):
                self._typed = rest == "on"
            case ".output":
                self._try(lambda: self._redirect(_path(rest)))
            case ".once" if rest:
                self._try(lambda: self._write_once(_path(rest)))
            case ".read" if rest:
                return self._run_file(_path(rest))
            case ".timer" if rest in ("on", "off"):
                self._timer = rest == "on"
            case ".help":
                lines = [f"{command:<9}{words}" for command, words in _COMMANDS.items()]
                lines.append("Everything else is SQL. A statement ends with a semicolon.")
                self._printer.text("\n".join(lines) + "\n")
            case _ if name in _COMMANDS:
                meant = did_you_mean(rest, FORMS) if name == ".mode" else ""
                self._error(f"{name} {_COMMANDS[name]}" + (f"; {meant}" if meant else ""))
            case _:
                meant = did_you_mean(name, (*_COMMANDS, ".quit"))
                self._error(f"unknown command {name}; {meant or '.help lists the commands'}")
        return True

    def _redirect(self, path: str) -> None:
        """Write all further results to a file; print them again if the path is ""."""
        file = open(path, "wb") if path else None  # noqa: SIM115, PTH123  it stays open
        before, self._file = self._file, file
        pager = self._pager if sys.stdin.isatty() else None
        self._printer = Printer(file, pager=pager)
        if before is not None:
            before.close()

    def _write_once(self, path: str) -> None:
        """Write the next result to a file."""
        require_place(path)
        self._once = path

    def _run_file(self, path: str) -> bool:
        """Run the statements and commands in a file; False ends the shell."""
        if self._readers >= _MOST_READERS:
            self._error(
                f"{path} is not read: {_MOST_READERS} files are being read already, each by the one before"
            )
            return True
        self._readers += 1
        try:
            with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:  # noqa: PTH123
                return all(map(self._run_input, _split(file)))
        except OSError as error:
            self._error(f"{path}: {error.strerror or error}")
            return True
        finally:
            self._readers -= 1

    def _print_tables(self, word: str) -> None:
        """List the tables: for a person with their descriptions, for a program a name a line."""
        folded = word.casefold()
        names = [
            name
            for name in self._host.tables()
            if folded in name.casefold()
            or any(folded in column.casefold() for column, _ in self._host.columns(name))
        ]
        if self._printer.is_on_terminal:
            width = max(map(len, names), default=0)
            names = [f"{name:<{width}}  {describe(self._host, name)}".rstrip() for name in names]
        self._printer.text("".join(f"{name}\n" for name in names))

    def _print_schema(self, table: str) -> None:
        """Print tables as CREATE TABLE statements, with what else is known about each column as a comment."""
        names = [table] if table else self._host.tables()
        texts = []
        for name in names:
            columns = self._host.columns(name)
            if not columns:
                meant = did_you_mean(name, self._host.tables())
                self._error(f"no table {name}; {meant or '.tables lists them'}")
                continue
            texts.append(_create_table(schema_of(self._host, name), columns))
        self._printer.text("".join(texts))

    def _explain(self, sql: str) -> None:
        from ..engine.explain import explain

        for statement in statements(sql):
            with Spinner():
                explanation = explain(self._host, statement, timeout=self._timeout)
            self._printer.text(explanation.as_text())

    def _print_result(self, sql: str) -> None:
        """Run a statement, and print its rows or write them to the file of `.once`."""
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

    def _try(self, action: Callable[[], None]) -> None:
        """Run an action, and report its failure as one line."""
        try:
            action()
        except (OsquerySdkError, Failed) as error:
            self._error(text_of(error))
        except BrokenPipeError:
            raise  # standard output has no reader any more
        except OSError as error:
            if error.filename is None:
                raise
            self._error(f"{error.filename}: {error.strerror or error}")

    def _error(self, text: str) -> None:
        self._failed = True
        to_stderr(f"Error: {text}")


def _is_command(text: str) -> bool:
    """Return whether a text is a command of the shell, and not SQL."""
    return text.lstrip().startswith(".") or _word(text) in _WORDS


def _word(text: str) -> str:
    return text.strip().removesuffix(";").rstrip().lower()


def _create_table(schema: TableSchema, columns: Sequence[tuple[str, str]]) -> str:
    """Return a CREATE TABLE statement whose comments describe the table and its columns.

    Args:
        schema: of the table.
        columns: names and types of all columns, aliases included.
    """
    known = {column.name: column for column in schema.columns}
    targets = {alias: column.name for column in schema.columns for alias in column.aliases}
    lines = [f"-- {schema.description}"] if schema.description else []
    lines.append(f"CREATE TABLE {schema.name} (")
    fields = [f"    {name} {kind}{',' * (name != columns[-1][0])}" for name, kind in columns]
    width = max(map(len, fields))
    for field, (name, _) in zip(fields, columns, strict=True):
        comment = f"alias of {targets[name]}" if name in targets else _comment(known.get(name))
        lines.append(f"{field:<{width}}  -- {comment}" if comment else field)
    return "\n".join([*lines, ");", ""])


def _comment(column: ColumnSchema | None) -> str:
    """Return the marks of a column and its description: "required, index: the path"."""
    if column is None:
        return ""
    marks = {"required": column.required, "index": column.indexed, "hidden": column.hidden}
    marked = ", ".join(mark for mark, is_set in marks.items() if is_set)
    return ": ".join(text for text in (marked, column.description) if text)


def _path(text: str) -> str:
    """Return a path without the quotes around it, and with ~ replaced by the home folder."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    return os.path.expanduser(text)  # noqa: PTH111  it may be no home's


def _split(lines: Iterable[str]) -> Iterable[str]:
    """Yield commands and statements as they become complete. The last statement needs no semicolon."""
    pending = ""
    for line in lines:
        if not pending and _is_command(line):
            yield line
            continue
        pending += line
        if (";" in line and is_complete(pending)) or not pending.strip():
            yield pending
            pending = ""
    if pending.strip():
        yield pending
