"""Run the command line of the program `osquery-sdk`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kolide_kit.author_code import to_stderr

from .._version import __version__
from .exit_codes import Failed, outcome
from .parser import Command, Parser, overview
from .program import run_command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from ..engine import Host
    from ..tables.schema import TableSchema

_PROGRAM = "osquery-sdk"
_SOURCE = "--extension hello"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 for done, 1 for failed, 2 for misuse."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given and not given[0].startswith("-"):
        return run_command(_PROGRAM, commands(), given)
    return outcome(_PROGRAM, lambda: _without_command(given))


def commands() -> list[Command]:
    """Return every command of the program."""
    from .build import build_command
    from .completion import completion_command
    from .doctor import doctor_command
    from .engine import engine_command
    from .new import new_command
    from .package import package_command
    from .run import run_extension_command
    from .sql import sql_commands
    from .tables import schema_command
    from .version import version_command

    known = [
        new_command(),
        run_extension_command(),
        *sql_commands(open_host, add_extensions, source=_SOURCE, sql="select * from hello"),
        schema_command(
            _schemas,
            _add_schema_source,
            (
                f"schema {_SOURCE}",
                f"schema {_SOURCE} --format markdown hello",
                "schema --socket ~/.osquery/shell.em",
            ),
        ),
        engine_command(add_extensions, _SOURCE),
        build_command(),
        package_command(),
        doctor_command(),
        version_command(_PROGRAM, __version__, "osquery_sdk"),
    ]
    known.append(completion_command(_PROGRAM, known, _top_parser()))
    return known


def add_extensions(parser: ArgumentParser) -> None:
    """Add the argument that names the extensions to load."""
    parser.add_argument(
        "--extension",
        action="append",
        default=[],
        metavar="PATH",
        help="load this program, Python file, folder or module; may be given several times",
    )


def open_host(options: Namespace) -> Host:
    """Return a host, not yet entered, for the extensions that the options name."""
    from .hints import HintingHost
    from .sql import engine_options

    return HintingHost(
        options.extension, options=engine_options(options), verbose=options.verbose, on_line=to_stderr
    )


def _top_parser() -> Parser:
    return Parser(_PROGRAM, description="Write, run and try osquery extensions, without osquery.")


def _without_command(arguments: Sequence[str]) -> int:
    parser = _top_parser()
    parser.usage = f"{_PROGRAM} COMMAND [options]"
    parser.epilog = (
        f"commands, each with a --help of its own:\n{overview(commands())}\n\n"
        f"examples:\n  {_PROGRAM} new hello\n  {_PROGRAM} run hello\n  {_PROGRAM} shell {_SOURCE}"
    )
    parser.add_argument("--version", action="version", version=f"{_PROGRAM} version {__version__}")
    parser.parse_args(list(arguments))
    parser.error("a command is missing")


def _add_schema_source(parser: ArgumentParser) -> None:
    add_extensions(parser)
    parser.add_argument(
        "--socket", metavar="PATH", help="ask the extensions of the manager at this socket instead"
    )


def _schemas(options: Namespace) -> tuple[str, list[TableSchema]]:
    """Return a name for the extensions, and their tables. Extensions tell osquery no descriptions."""
    if options.socket:
        return _ask_manager(options.socket)
    if not options.extension:
        raise Failed(
            "no extension is named; give --extension PATH, or --socket PATH of a manager that has extensions"
        )
    from ..engine import Host

    with Host(options.extension, verbose=options.verbose, on_line=to_stderr) as host:
        return _ask_manager(host.socket)


def _ask_manager(socket: str) -> tuple[str, list[TableSchema]]:
    from ..asking.client import Client
    from ..tables.options import this_platform
    from ..tables.schema import TableSchema
    from .catalog import TABLES_OF_EXTENSIONS

    client = Client(socket, timeout=10.0)
    names = [row["name"] for row in client.query(TABLES_OF_EXTENSIONS)]
    infos = list(client.extensions().values())
    routes = {name: client.call("table", name, {"action": "columns"}) for name in names}
    schemas = [TableSchema.from_routes(name, rows, [this_platform()]) for name, rows in routes.items()]
    return infos[0].name if len(infos) == 1 else "extension", schemas


if __name__ == "__main__":
    raise SystemExit(main())
