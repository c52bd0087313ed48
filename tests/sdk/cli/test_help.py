"""Check that each command has a help with examples, and that the program accepts each example."""

import shlex

import pytest

from osquery_sdk.cli import main as sdk
from osquery_sdk.cli import program
from osquery_sdk.cli.parser import command_parser

from ...support.commands import EXTENSION, SDK, run


def commands(which, extension):
    return sdk.commands() if which == "osquery-sdk" else program.commands(extension)


NAMES = {
    "osquery-sdk": "new run query explain shell schema engine doctor build package version completion",
    "sample": "tables schema query explain shell doctor version completion",
}
EACH = pytest.mark.parametrize(
    ("which", "name"), [(w, name) for w, names in NAMES.items() for name in names.split()]
)


@pytest.mark.parametrize("which", NAMES)
def test_the_commands(which, extension):
    assert sorted(c.name for c in commands(which, extension)) == sorted(NAMES[which].split())


@EACH
def test_a_command_explains_itself(which, name, extension):
    (command,) = (c for c in commands(which, extension) if c.name == name)
    parser = command_parser(which, command)
    text = parser.format_help()
    _, heading, examples = text.partition("examples:\n")
    assert heading
    assert command.help
    assert not command.help.endswith(".")
    for action in parser._actions:
        assert action.help, f"{which} {name}: {action.dest} has no help"
    assert all(line.startswith(f"  {which} {name}") for line in examples.splitlines())
    assert len(examples.splitlines()) == len(command.examples) > 0


@EACH
def test_its_examples_are_taken(which, name, extension):
    (command,) = (c for c in commands(which, extension) if c.name == name)
    for example in command.examples:
        words = shlex.split(example.partition(" < ")[0].partition(" > ")[0])
        assert words[0] == name
        command_parser(which, command).parse_args(words[1:])


@pytest.mark.parametrize(("which", "start"), [("sample", EXTENSION), ("osquery-sdk", SDK)])
def test_the_program_s_own_help_lists_its_commands(which, start):
    done = run(start, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for name in NAMES[which].split():
        assert f"\n  {name} " in done.stdout
    assert "examples:" in done.stdout
    done = run(start, "query", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {which} query")
