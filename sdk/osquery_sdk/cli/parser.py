"""Commands and their arguments: what one is, and a parser that says in one line what is wrong."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class Command(NamedTuple):
    """A command of a program."""

    name: str
    help: str
    """One line, without a full stop."""
    examples: tuple[str, ...]
    """What follows the program's name."""
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    """Does it; returns the exit code."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, and whose help ends with examples."""

    def __init__(self, prog: str, *, description: str, examples: Iterable[str] = ()) -> None:
        """Make a parser without arguments but `--help`."""
        lines = "\n".join(f"  {prog.split(maxsplit=1)[0]} {example}".rstrip() for example in examples)
        super().__init__(
            prog=prog,
            description=description,
            epilog=f"examples:\n{lines}" if lines else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where to read more; exit with 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def command_parser(prog: str, command: Command) -> Parser:
    """The parser of one command."""
    description = command.help[:1].upper() + command.help[1:] + "."
    parser = Parser(f"{prog} {command.name}", description=description, examples=command.examples)
    parser.add_argument("--verbose", action="store_true", help="show a traceback with an error")
    command.add_arguments(parser)
    return parser


def overview(commands: Sequence[Command]) -> str:
    """A line for each command, for the program's own help."""
    width = max(len(command.name) for command in commands)
    return "\n".join(f"  {command.name:<{width}}  {command.help}" for command in commands)


def find(commands: Sequence[Command], name: str) -> Command:
    """The command of that name.

    Raises:
        LookupError: there is none; the text says what to write instead.
    """
    for command in commands:
        if command.name == name:
            return command
    meant = did_you_mean(name, [command.name for command in commands])
    raise LookupError(f"no command {name!r}; {meant or 'see --help'}")


def did_you_mean(name: str, names: Sequence[str], *, cutoff: float = 0.6) -> str:
    """The question after the one of the names that looks most like it; "" if none is as alike as `cutoff`, of 1."""
    from difflib import get_close_matches

    close = get_close_matches(name, names, n=1, cutoff=cutoff)
    return f"did you mean {close[0]}?" if close else ""


def completes(action: argparse.Action, what: str) -> None:
    """Note for shell completion what an argument's values are: "file", "folder" or "table"."""
    vars(action)["completes"] = what
