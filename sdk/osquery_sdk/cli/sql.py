"""Run SQL on the embedded engine: the commands query, explain and shell, which both programs have."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from kolide_kit.spinner import Spinner
from kolide_kit.streams import stdout

from .exit_codes import Misuse, require_input
from .output import Printer, add_forms, ask, check_forms, require_place, save
from .pager import add_pager, chosen_pager
from .parser import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator

    from ..engine import Host


def sql_commands(
    open_host: Callable[[Namespace], Host],
    add_source: Callable[[ArgumentParser], None],
    *,
    source: str,
    sql: str,
) -> list[Command]:
    """Return the commands query, explain and shell.

    Args:
        open_host: makes the host, not yet entered, from the options.
        add_source: adds the arguments that name the extensions to load.
        source: these arguments in an example; "" if there are none.
        sql: a statement for the examples.
    """
    commands = _SqlCommands(open_host, add_source)
    source = f"{source} " if source else ""
    return [
        Command(
            "query",
            "run SQL on the embedded engine",
            (
                f'query {source}"{sql}"',
                f'query {source}--json --typed "{sql}"',
                f"query {source}--csv --output answer.csv - < queries.sql",
            ),
            commands.add_query,
            commands.query,
        ),
        Command(
            "explain",
            "run SQL and show which of its terms reached which table",
            (f'explain {source}"{sql}"', f'explain {source}--json "{sql}"'),
            commands.add_explain,
            commands.explain,
        ),
        Command(
            "shell",
            "open an SQL shell on the embedded engine",
            (f"shell {source}".rstrip(), f"shell {source}--line", f"shell {source}--csv < queries.sql"),
            commands.add_shell,
            commands.shell,
        ),
    ]


class _SqlCommands(NamedTuple):
    """The arguments and the work of each command; the fields are as for `sql_commands`."""

    open_host: Callable[[Namespace], Host]
    add_source: Callable[[ArgumentParser], None]

    def add_query(self, parser: ArgumentParser) -> None:
        """Add the arguments of query."""
        self._add_statement(parser)
        add_forms(parser)
        parser.add_argument(
            "--output", metavar="FILE", help="write to this file, after all statements have succeeded"
        )

    def add_explain(self, parser: ArgumentParser) -> None:
        """Add the arguments of explain."""
        self._add_statement(parser)
        parser.add_argument(
            "--json", action="store_true", help="print a JSON array with one object for each statement"
        )

    def add_shell(self, parser: ArgumentParser) -> None:
        """Add the arguments of shell."""
        self._add_common(parser)
        add_forms(parser)
        add_pager(parser)

    def _add_statement(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "sql", metavar="SQL", help="one statement or several; - reads them from standard input"
        )
        self._add_common(parser)

    def _add_common(self, parser: ArgumentParser) -> None:
        self.add_source(parser)
        parser.add_argument(
            "--timeout", type=_seconds, metavar="SECONDS", help="cancel a statement after this time (never)"
        )
        parser.add_argument("--nullvalue", default="", metavar="TEXT", help="print this for NULL (nothing)")

    def query(self, options: Namespace) -> int:
        """Run statements, and print their rows or write them to a file."""
        import io

        statements = _statements(options.sql)
        check_forms(options)
        if options.output in ("-", "/dev/stdout"):
            options.output = None
        if options.output is not None:
            require_place(options.output)
        file = None if options.output is None else io.BytesIO()
        printer = Printer(file)
        with _opened(self.open_host(options)) as host:
            for statement in statements:
                with Spinner():
                    result = ask(host, statement, typed=options.typed, timeout=options.timeout)
                printer.rows(result.columns, result.rows, options.form)
        if file is not None:
            save(options.output, file.getvalue())
        return 0

    def explain(self, options: Namespace) -> int:
        """Explain statements; 1 if one of them failed."""
        import json

        from ..engine.explain import explain

        statements = _statements(options.sql)
        with _opened(self.open_host(options)) as host, Spinner():
            reports = [explain(host, statement, timeout=options.timeout) for statement in statements]
        if options.json:
            print(json.dumps([report.as_dict() for report in reports], indent=2), file=stdout())
        else:
            print("\n".join(report.as_text() for report in reports), end="", file=stdout())
        return 1 if any(report.error is not None for report in reports) else 0

    def shell(self, options: Namespace) -> int:
        """Run a shell to its end."""
        from .shell import Shell

        check_forms(options)
        require_input()
        pager = chosen_pager(options)
        with _opened(self.open_host(options)) as host:
            return Shell(
                host, form=options.form, typed=options.typed, timeout=options.timeout, pager=pager
            ).run()


@contextmanager
def _opened(host: Host) -> Iterator[Host]:
    """Start a host for the length of a `with` statement; a spinner shows while the start takes long."""
    with ExitStack() as stack:
        with Spinner():
            stack.enter_context(host)
        yield host


def engine_options(options: Namespace) -> dict[str, str]:
    """Return the osquery flags that the arguments of these commands set."""
    return {"nullvalue": options.nullvalue}


def _seconds(text: str) -> float:
    from argparse import ArgumentTypeError

    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def _statements(sql: str) -> list[str]:
    from ..sql.tokens import statements

    if sql == "-":
        require_input()
        sql = sys.stdin.read()
    parts = list(statements(sql))
    if not parts:
        raise Misuse('there is no SQL statement; write one, such as "select * from time"')
    return parts
