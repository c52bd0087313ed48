"""Run the command line of an extension program.

osqueryd starts the program with options alone, such as `--socket PATH`: the program serves. A person starts
it with a command, such as `shell`.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from kolide_kit.author_code import to_stderr
from kolide_kit.signals import ending_cleanly
from kolide_kit.streams import apart

from .exit_codes import outcome, require_output

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from kolide_kit.settings import Configuration

    from ..engine import Host
    from ..serving.extension import ServingExtension
    from .parser import Command, Parser


def run(extension: ServingExtension, arguments: Sequence[str]) -> int:
    """Serve, or run a command; returns the exit code: 0 for done, 1 for failed, 2 for misuse."""
    if "multiprocessing.process" in sys.modules:
        from kolide_kit.frozen_children import UNGUARDED, is_defining

        if is_defining():
            to_stderr(f"{extension.name}: {UNGUARDED}")
            return 1
    if arguments and not arguments[0].startswith("-"):
        return run_command(extension.name, commands(extension), arguments, around=apart)
    return outcome(extension.name, lambda: _serve(extension, arguments), verbose="--verbose" in arguments)


def show_settings(prog: str, settings: Configuration[Any]) -> int:
    """Print each setting, or the error of one; returns the exit code."""
    from kolide_kit.streams import stdout

    def show() -> int:
        require_output()
        print(settings.show(), file=stdout())
        return 0

    return outcome(prog, show)


def run_command(
    prog: str,
    known: Sequence[Command],
    arguments: Sequence[str],
    *,
    around: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> int:
    """Run one of a program's commands; returns the exit code.

    Args:
        prog: the program's name.
        known: the program's commands.
        arguments: the name of a command, and its arguments.
        around: makes the context that the command runs in.
    """
    from .parser import command_parser, find

    def run_it() -> int:
        command = find(known, arguments[0])
        require_output()
        options = command_parser(prog, command).parse_args(list(arguments[1:]))
        with around():
            return command.run(options)

    with ending_cleanly():
        return outcome(prog, run_it, verbose="--verbose" in arguments)


def commands(extension: ServingExtension) -> list[Command]:
    """Return every command of the program."""
    from .completion import completion_command
    from .doctor import extension_doctor_command
    from .sql import engine_options, sql_commands
    from .tables import absent, extension_schema_command, tables_command
    from .version import version_command

    def open_host(options: Namespace) -> Host:
        from .hints import HintingHost

        return HintingHost(
            [extension.start], options=engine_options(options), absent=lambda name: absent(extension, name)
        )

    known = [
        tables_command(extension),
        extension_schema_command(extension),
        *sql_commands(open_host, lambda parser: None, source="", sql=_example(extension)),
        extension_doctor_command(),
        version_command(extension.name, extension.version, extension.name),
    ]
    known.append(completion_command(extension.name, known, serve_parser(extension)))
    return known


def _example(extension: ServingExtension) -> str:
    """Return an example that needs no table of osquery's own and can stand in double quotes."""
    from ..sql.tokens import tables_of

    for table in extension.tables.values():
        for example in table.definition.examples:
            if '"' not in example and extension.tables.keys() >= set(tables_of(example).values()):
                return example.rstrip("; ")
    return "select * from time"


def _served(extension: ServingExtension) -> str:
    """Count the tables and plugins that are served: "2 tables and 1 logger plugin"."""
    from ..sql.required import listed

    kinds = {} if extension.plugins and not extension.tables else {"table": len(extension.tables)}
    kinds |= Counter(f"{p.registry} plugin" for p in extension.plugins if p.registry != "table")
    return listed([f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in kinds.items()])


def serve_parser(extension: ServingExtension) -> Parser:
    """Return the parser of the arguments that osqueryd starts the program with."""
    from .parser import Parser

    served = _served(extension)
    parser = Parser(
        extension.name,
        description=f"Serve {served} to osquery, or try them without it.",
        examples=["--socket /var/osquery/osquery.em"],
    )
    parser.add_argument(
        "--socket", metavar="PATH", help="serve osquery at this extension socket, until osquery ends"
    )
    parser.add_argument(
        "--timeout", type=float, default=3.0, metavar="SECONDS", help="wait this long for osquery (3)"
    )
    parser.add_argument(
        "--interval", type=float, default=3.0, metavar="SECONDS", help="check the registration this often (3)"
    )
    parser.add_argument(
        "--verbose", nargs="?", type=_truth, const=True, default=False, metavar="BOOL", help="log more lines"
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"{extension.name} version {extension.version}",
        help="print the version and exit",
    )
    if extension.settings is not None:
        parser.add_argument(
            "--show-settings",
            action="store_true",
            help="print each setting, its value and where it comes from, and exit",
        )
    return parser


class _Serving(NamedTuple):
    """The socket to serve at, and times in seconds."""

    socket: str
    timeout: float = 3.0
    interval: float = 3.0
    verbose: bool = False


def _read_usual(arguments: Sequence[str]) -> _Serving | None:
    """Read the arguments that osqueryd itself gives; None if there are others.

    Only those need the parser, which takes a tenth of the time that a start takes.
    """
    given: dict[str, str] = {}
    verbose = False
    rest = list(arguments)
    while rest:
        name = rest.pop(0)
        if name == "--verbose" and (not rest or rest[0].startswith("--")):
            verbose = True
            continue
        if name not in ("--socket", "--timeout", "--interval") or not rest or rest[0].startswith("-"):
            return None
        given[name[2:]] = rest.pop(0)
    try:
        numbers = {name: float(given[name]) for name in ("timeout", "interval") if name in given}
    except ValueError:
        return None
    return _Serving(given["socket"], **numbers, verbose=verbose) if given.get("socket") else None


def _parse(extension: ServingExtension, arguments: Sequence[str]) -> _Serving:
    """Read any arguments for serving, and print the help."""
    parser = serve_parser(extension)
    if "--help" in arguments or "-h" in arguments:
        from .parser import overview

        name = extension.name
        parser.usage = f"{name} --socket PATH [options]\n       {name} COMMAND [options]"
        parser.epilog = (
            f"commands, each with a --help of its own:\n{overview(commands(extension))}\n\n"
            f"examples:\n  osqueryi --extension {sys.argv[0]}\n  {name} tables\n  {name} shell"
        )
    options, unknown = parser.parse_known_args(list(arguments))
    if unknown:
        # A later osquery may pass further arguments; the extension serves all the same.
        meant = parser.meant(unknown)
        hint = f"; {meant}" if meant else ""
        to_stderr(f"{extension.name}: ignored arguments that it does not know: {' '.join(unknown)}{hint}")
    if not options.socket:
        parser.error("--socket is missing; to try the tables without osquery, use: shell, or query SQL")
    return _Serving(options.socket, options.timeout, options.interval, options.verbose)


def _serve(extension: ServingExtension, arguments: Sequence[str]) -> int:
    serving = _read_usual(arguments) or _parse(extension, arguments)
    # Rows come by the hundred thousand and form no reference cycles. To look for cycles after every 700
    # objects costs time. The collector is not turned off: classes or parsers that are made for one answer
    # form cycles, which would pile up by the megabyte.
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    # The extension inherits osquery's standard output, where osquery prints its rows.
    with apart():
        extension.catch_signals(verbose=serving.verbose)
        extension.serve(serving.socket, timeout=serving.timeout, interval=serving.interval)
    return 0


def _truth(text: str) -> bool:
    """Read a boolean as gflags, and so osquery, writes it."""
    if text.lower() in ("1", "t", "true", "y", "yes"):
        return True
    if text.lower() in ("0", "f", "false", "n", "no"):
        return False
    from argparse import ArgumentTypeError

    raise ArgumentTypeError(f"{text!r} is not a boolean; write true or false")
