"""Make completion scripts for bash, zsh and fish from a program's commands: the command `completion`."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

from kolide_kit.streams import stdout

from .parser import TAKES, Command, command_parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from .parser import Parser

SHELLS = {
    "bash": "~/.local/share/bash-completion/completions/{0}",
    "zsh": '"${{fpath[1]}}/_{0}"',
    "fish": "~/.config/fish/completions/{0}.fish",
}
"""The shells, with the place where each looks for a program's script."""


class _Option(NamedTuple):
    """An option of a command."""

    flags: tuple[str, ...]
    help: str
    takes: str
    """Kind of its value: "" for no value, "file", "folder", "any", or the words to choose from."""


class _Words(NamedTuple):
    """The words that can follow a command, or the program itself if `name` is empty."""

    name: str
    help: str
    options: tuple[_Option, ...]
    argument: str
    """Kind of a word that is not an option; as `_Option.takes`."""


def completion_command(program: str, others: Sequence[Command], top: Parser) -> Command:
    """Return the command `completion`.

    Args:
        program: name of the program.
        others: the program's other commands.
        top: parser of the program's arguments without a command.
    """

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("shell", choices=SHELLS, help="print the script of this shell")

    def run(options: argparse.Namespace) -> int:
        known = [(each, command_parser(program, each)) for each in (*others, command)]
        words = [_words(each.name, each.help, parser) for each, parser in known]
        makers = {"bash": _bash, "zsh": _zsh, "fish": _fish}
        print(makers[options.shell](program, _words("", "", top), words), end="", file=stdout())
        return 0

    examples = tuple(f"completion {shell} > {place.format(program)}" for shell, place in SHELLS.items())
    others = tuple(others)
    command = Command(
        "completion", "print a script that completes this program's commands", examples, add_arguments, run
    )
    return command


def _words(name: str, text: str, parser: Parser) -> _Words:
    options, argument = [], ""
    for action in parser._actions:  # noqa: SLF001  argparse has no other way to list them
        if action.option_strings:
            options.append(_Option(tuple(action.option_strings), action.help or "", _takes(action)))
        else:
            argument = argument or _takes(action)
    return _Words(name, text, tuple(options), argument)


def _takes(action: argparse.Action) -> str:
    if action.choices is not None:
        return " ".join(map(str, action.choices))
    if action.nargs == 0 or action.nargs == "?":
        return ""
    return " ".join(vars(action).get("names", ())) or TAKES.get(str(action.metavar), "any")


def _identifier(program: str) -> str:
    return "_" + re.sub(r"\W", "_", program)


# -- bash


def _bash(program: str, top: _Words, words: Sequence[_Words]) -> str:
    commands = " ".join(word.name for word in words)
    cases = "\n".join(_bash_case(word) for word in words)
    return f"""# bash completion for {program}
{_identifier(program)}() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} options= argument= takes=
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        options={shlex.quote(_flags(top))} argument={shlex.quote(commands)}
    else
        case ${{COMP_WORDS[1]}} in
{cases}
{_bash_case(top, pattern="*")}
        esac
    fi
    if [[ $takes ]]; then argument=$takes
    elif [[ $current == -* ]]; then argument=$options
    fi
    case $argument in
        file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
        folder) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
        any) ;;
        *) mapfile -t COMPREPLY < <(compgen -W "$argument" -- "$current") ;;
    esac
}}
complete -F {_identifier(program)} {shlex.quote(program)}
"""


def _bash_case(word: _Words, pattern: str = "") -> str:
    lines = [f"            {pattern or word.name})"]
    lines.append(f"                options={shlex.quote(_flags(word))} argument={shlex.quote(word.argument)}")
    valued = [option for option in word.options if option.takes]
    if valued:
        lines.append("                case $previous in")
        lines += [f"                    {'|'.join(o.flags)}) takes={shlex.quote(o.takes)} ;;" for o in valued]
        lines.append("                esac")
    return "\n".join([*lines, "                ;;"])


def _flags(word: _Words) -> str:
    return " ".join(flag for option in word.options for flag in option.flags)


# -- zsh


def _zsh(program: str, top: _Words, words: Sequence[_Words]) -> str:
    listed = "\n".join(f"        {_zsh_quote(f'{word.name}:{word.help}')}" for word in words)
    cases = "\n".join(
        f"        {word.name})\n            _arguments -s {_zsh_arguments(word)}\n            ;;"
        for word in words
    )
    return f"""#compdef {program}
# zsh completion for {program}
{_identifier(program)}() {{
    local -a commands
    commands=(
{listed}
    )
    if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then
        _describe command commands
        return
    fi
    local command=$words[2]
    if [[ $command == -* ]]; then
        _arguments -s {_zsh_arguments(top)}
        return
    fi
    shift words
    ((CURRENT--))
    case $command in
{cases}
    esac
}}
if [[ $funcstack[1] == _{program} ]]; then
    {_identifier(program)} "$@"
else
    compdef {_identifier(program)} {program}
fi
"""


def _zsh_arguments(word: _Words) -> str:
    specs = []
    for option in word.options:
        text = re.sub(r"([\[\]:\\])", r"\\\1", option.help)
        value = f":value:{_zsh_action(option.takes)}" if option.takes else ""
        specs += [_zsh_quote(f"*{flag}[{text}]{value}") for flag in option.flags]
    if word.argument:
        specs.append(_zsh_quote(f"*:argument:{_zsh_action(word.argument)}"))
    return " \\\n                ".join(specs)


def _zsh_action(takes: str) -> str:
    return {"file": "_files", "folder": "_files -/", "any": " "}.get(takes, f"({takes})")


def _zsh_quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# -- fish


def _fish(program: str, top: _Words, words: Sequence[_Words]) -> str:
    names = " ".join(word.name for word in words)
    first = f"not __fish_seen_subcommand_from {names}"
    lines = [f"# fish completion for {program}", f"complete -c {program} -f"]
    lines += [
        f"complete -c {program} -n {_fish_quote(first)} -a {word.name} -d {_fish_quote(word.help)}"
        for word in words
    ]
    lines += _fish_options(program, top, first)
    for word in words:
        condition = f"__fish_seen_subcommand_from {word.name}"
        lines += _fish_options(program, word, condition)
        if word.argument and word.argument != "any":
            lines.append(f"complete -c {program} -n {_fish_quote(condition)} {_fish_takes(word.argument)}")
    return "\n".join(lines) + "\n"


def _fish_options(program: str, word: _Words, condition: str) -> list[str]:
    out = []
    for option in word.options:
        flags = " ".join(
            f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags
        )
        value = f" -x {_fish_takes(option.takes)}".rstrip() if option.takes else ""
        value = value.replace(" -x -F", " -r -F")
        out.append(
            f"complete -c {program} -n {_fish_quote(condition)} {flags}{value} -d {_fish_quote(option.help)}"
        )
    return out


def _fish_takes(takes: str) -> str:
    return {"file": "-F", "folder": "-a '(__fish_complete_directories)'", "any": ""}.get(
        takes, f"-a {_fish_quote(takes)}"
    )


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
