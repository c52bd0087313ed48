"""Commands, and a parser of their arguments with errors of one line and examples in its help."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from kolide_kit.author_code import to_stderr
from kolide_kit.spelling import did_you_mean

from .exit_codes import Misuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from _typeshed import SupportsWrite

TAKES = {
    "PATH": "file",
    "FILE": "file",
    "EXTENSION": "file",
    "BUNDLE": "file",
    "DIR": "folder",
    "FOLDER": "folder",
}
"""Kinds of values that shell completion offers, by the name that the help has for a value."""
_UNKNOWN = re.compile(r"unrecognized arguments: (.*)", re.DOTALL)
_NO_CHOICE = re.compile(r"argument ([^:]*): invalid choice: '(.*)' \(choose from")


class Command(NamedTuple):
    """A command of a program."""

    name: str
    help: str
    """One line, without a full stop."""
    examples: tuple[str, ...]
    """Command lines, without the program's name."""
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    """Does the work; returns the exit code."""


class Parser(argparse.ArgumentParser):
    """An argument parser with errors of one line, and with examples at the end of its help."""

    def __init__(self, prog: str, *, description: str, examples: Iterable[str] = ()) -> None:
        """Make a parser whose only argument is `--help`."""
        lines = "\n".join(f"  {prog.split(maxsplit=1)[0]} {example}".rstrip() for example in examples)
        super().__init__(
            prog=prog,
            description=description,
            epilog=f"examples:\n{lines}" if lines else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:
        """Add an argument; one for a file or folder refuses an empty path."""
        if settings.get("metavar") in TAKES:
            settings.setdefault("type", given)
        return super().add_argument(*names, **settings)

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, the likely correction, and where to read more; exit with 2."""
        meant = self._meant(message)
        hint = f"; {meant}" if meant else ""
        self.exit(2, f"{self.prog}: {message}{hint}; see {self.prog} --help\n")

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """Write help or an error. Unwritable help is a failure; an unwritable error changes no exit code."""
        # argparse treats both alike, and differs between versions of Python.
        if file is not None and file is sys.stdout:
            file.write(message)
        else:
            to_stderr(message.removesuffix("\n"))

    def meant(self, arguments: Iterable[str]) -> str:
        """Return "did you mean --json?" for misspelled options; "" if they resemble no option."""
        flags = [flag for action in self._actions for flag in action.option_strings if flag[:2] == "--"]
        given = [word.partition("=")[0] for word in arguments if word.startswith("--")]
        return " ".join(dict.fromkeys(text for word in given if (text := did_you_mean(word, flags))))

    def _meant(self, message: str) -> str:
        if unknown := _UNKNOWN.fullmatch(message):
            return self.meant(unknown[1].split())
        if wrong := _NO_CHOICE.match(message):
            for action in self._actions:
                # Its error names the argument in one of these ways.
                names = ("/".join(action.option_strings), action.metavar, action.dest)
                if action.choices is not None and wrong[1] in names:
                    return did_you_mean(wrong[2], map(str, action.choices))
        return ""


def command_parser(prog: str, command: Command) -> Parser:
    """Return the parser of one command."""
    description = command.help[:1].upper() + command.help[1:] + "."
    parser = Parser(f"{prog} {command.name}", description=description, examples=command.examples)
    parser.add_argument("--verbose", action="store_true", help="show a traceback with an error")
    command.add_arguments(parser)
    return parser


def overview(commands: Sequence[Command]) -> str:
    """Return a line for each command, for the program's own help."""
    width = max(len(command.name) for command in commands)
    return "\n".join(f"  {command.name:<{width}}  {command.help}" for command in commands)


def find(commands: Sequence[Command], name: str) -> Command:
    """Return the command with a name.

    Raises:
        Misuse: no command has the name; the text says what to write instead.
    """
    for command in commands:
        if command.name == name:
            return command
    meant = did_you_mean(name, [command.name for command in commands])
    raise Misuse(f"unknown command {name!r}; {meant or 'see --help'}")


def given(value: str) -> str:
    """Return an argument's value; serves as the `type` of an argument.

    Raises:
        ArgumentTypeError: the value is empty, as when a variable of the calling shell is not set.
    """
    if not value.strip():
        raise argparse.ArgumentTypeError("is empty; give it a value, or leave it out")
    return value


def given_path(value: str) -> Path:
    """Return an argument as a path; refuse an empty one, which would name the working folder. See `given`."""
    from pathlib import Path  # not at the start of every extension

    return Path(given(value))


def add_options(
    parser: argparse.ArgumentParser, options: Mapping[str, tuple[str, str]], **settings: Any
) -> None:
    """Add options that take a value.

    Args:
        parser: gets the options.
        options: the name of the value and the help, by option.
        settings: further arguments of `add_argument`, for each of them.
    """
    for option, (metavar, text) in options.items():
        parser.add_argument(option, metavar=metavar, help=text, **settings)


def fields_of(kind: type[Any], options: argparse.Namespace) -> dict[str, Any]:
    """Return the options that were given and are fields of a named tuple; lists become tuples."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in vars(options).items()
        if value is not None and name in kind._fields
    }
