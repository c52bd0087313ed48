"""The commands that run SQL on the embedded engine: query, explain and shell. Both programs have them."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from osquery_sdk.spinner import Spinner
from osquery_sdk.streams import stdout

from .outcome import Misuse, require_input
from .output import Printer, add_forms, ask, check_forms, require_place, save
from .pager import add_pager, chosen_pager
from .parser import Command, completes

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator

    from osquery_sdk.engine import Host


def sql_commands(
    open_host: Callable[[Namespace], Host],
    add_source: Callable[[ArgumentParser], None],
    *,
    source: str,
    sql: str,
) -> list[Command]:
    """The commands.

    Args:
        open_host: makes the host, not yet entered, by the options.
        add_source: adds the arguments that say which extensions are loaded.
        source: how these are written in an example; "" if there are none.
        sql: a statement for the examples.
    """
    source = f"{source} " if source else ""

    def add_statement(parser: ArgumentParser) -> None:
        add_source(parser)
        parser.add_argument(
            "sql", metavar="SQL", help="one statement or several; - reads them from standard input"
        )
        _add_common(parser)

    def add_query(parser: ArgumentParser) -> None:
        add_statement(parser)
        add_forms(parser)
        output = parser.add_argument(
            "--output", metavar="FILE", help="write to this file, once every statement has been answered"
        )
        completes(output, "file")

    def add_explain(parser: ArgumentParser) -> None:
        add_statement(parser)
        parser.add_argument("--json", action="store_true", help="print a JSON array, one object a statement")

    def add_shell(parser: ArgumentParser) -> None:
        add_source(parser)
        _add_common(parser)
        add_forms(parser)
        add_pager(parser)

    def query(options: Namespace) -> int:
        import io

        statements = _statements(options.sql)
        check_forms(options)
        if options.output in ("-", "/dev/stdout"):
            options.output = None
        if options.output is not None:
            require_place(options.output)
        file = None if options.output is None else io.BytesIO()
        printer = Printer(file)
        with _opened(open_host(options)) as host:
            for statement in statements:
                with Spinner():
                    answer = ask(host, statement, typed=options.typed, timeout=options.timeout)
                printer.rows(answer.columns, answer.rows, options.form)
        if file is not None:
            save(options.output, file.getvalue())
        return 0

    def explain(options: Namespace) -> int:
        import json

        from osquery_sdk.explain import explain

        statements = _statements(options.sql)
        with _opened(open_host(options)) as host, Spinner():
            told = [explain(host, statement, timeout=options.timeout) for statement in statements]
        if options.json:
            print(json.dumps([one.as_dict() for one in told], indent=2), file=stdout())
        else:
            print("\n".join(one.as_text() for one in told), end="", file=stdout())
        return 1 if any(one.error is not None for one in told) else 0

    def shell(options: Namespace) -> int:
        from .shell import Shell

        check_forms(options)
        require_input()
        with _opened(open_host(options)) as host:
            return Shell(
                host,
                form=options.form,
                typed=options.typed,
                timeout=options.timeout,
                pager=chosen_pager(options),
            ).run()

    return [
        Command(
            "query",
            "run SQL on the embedded engine",
            (
                f'query {source}"{sql}"',
                f'query {source}--json --typed "{sql}"',
                f"query {source}--csv --output answer.csv - < queries.sql",
            ),
            add_query,
            query,
        ),
        Command(
            "explain",
            "run SQL and tell which of its terms reached which table",
            (f'explain {source}"{sql}"', f'explain {source}--json "{sql}"'),
            add_explain,
            explain,
        ),
        Command(
            "shell",
            "an SQL shell on the embedded engine",
            (f"shell {source}".rstrip(), f"shell {source}--line", f"shell {source}--csv < queries.sql"),
            add_shell,
            shell,
        ),
    ]


@contextmanager
def _opened(host: Host) -> Iterator[Host]:
    """A host that is started, with a sign of life if that takes its time."""
    with ExitStack() as stack:
        with Spinner():
            stack.enter_context(host)
        yield host


def engine_options(options: Namespace) -> dict[str, str]:
    """osquery's flags that the common arguments set."""
    return {"nullvalue": options.nullvalue}


def _add_common(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--timeout", type=_seconds, metavar="SECONDS", help="give a statement up after so long (never)"
    )
    parser.add_argument("--nullvalue", default="", metavar="TEXT", help="print this for NULL (nothing)")


def _seconds(text: str) -> float:
    from argparse import ArgumentTypeError

    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def _statements(sql: str) -> list[str]:
    from osquery_sdk.sqltext import statements

    if sql == "-":
        require_input()
        sql = sys.stdin.read()
    found = list(statements(sql))
    if not found:
        raise Misuse('there is no SQL; write for example "select * from time"')
    return found
