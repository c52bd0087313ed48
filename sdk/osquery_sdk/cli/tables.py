"""The commands that tell which tables there are, and what they look like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from osquery_sdk.authors import SameProcess, describe, one_line, pass_on_interrupt
from osquery_sdk.schema import SUFFIXES, TableSchema, render
from osquery_sdk.spelling import did_you_mean
from osquery_sdk.streams import stdout

from .outcome import Failed
from .parser import Command, completes

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence

    from osquery_sdk.extension import Extension
    from osquery_sdk.tables import Table


def tables_command(extension: Extension) -> Command:
    """The command `tables` of an extension's program."""

    def add_arguments(parser: ArgumentParser) -> None:
        parser.add_argument(
            "--all", action="store_true", help="also those that are not served here, each with the reason"
        )

    def run(options: Namespace) -> int:
        shown: list[tuple[Table, list[str]]]
        if options.all:
            shown = [(table, _lines(_where(table))) for table in extension.all_tables]
            shown += [
                (table, _lines(f"Off: {why.rstrip('.')}.", _where(table)))
                for table, why in _left_out(extension)
            ]
        else:
            shown = [(table, []) for table in extension.tables.values()]
        width = max((len(table.name) for table, _ in shown), default=0)
        for table, reasons in sorted(shown, key=lambda one: one[0].name):
            writable = " (writable)" if table.is_writable else ""
            print(f"{table.name:<{width}}  {table.description}{writable}", file=stdout())
            for reason in reasons:
                print(f"{'':<{width}}  {reason}", file=stdout())
        return 0

    return Command("tables", "list the tables", ("tables", "tables --all"), add_arguments, run)


def absent(extension: Extension, name: str) -> str:
    """Why the extension has no such table here; "" if that is not known."""
    for table in extension.all_tables:
        if table.name == name and not table.is_here:
            return _where(table)
    try:
        return next((f"Off: {why}" for table, why in _left_out(extension) if table.name == name), "")
    except Failed as error:
        return str(error)


def _left_out(extension: Extension) -> list[tuple[Table, str]]:
    """The tables that there would be with other settings, and why they are not there."""
    try:
        with SameProcess():
            return [(table, one_line(why)) for table, why in extension.left_out()]
    except BaseException as error:
        pass_on_interrupt(error)
        raise Failed(f"the extension's left_out fails: {describe(error)}") from error


def _where(table: Table) -> str:
    """Which platforms it is for, and why, unless it is for all of them."""
    schema = TableSchema.of(table)
    only = schema.only
    return f"Not here. {only}" if only and not table.is_here else only


def _lines(*texts: str) -> list[str]:
    return [text for text in texts if text]


def extension_schema_command(extension: Extension) -> Command:
    """The command `schema` of an extension's program: all of its tables, whatever the platform."""
    # Of two tables with a name, for different platforms, the one that is here.
    tables = {table.name: table for table in (*extension.all_tables, *extension.tables.values())}
    known = [TableSchema.of(tables[name]) for name in sorted(tables)]
    first = known[0].name if known else "TABLE"
    examples = (
        "schema",
        f"schema --format markdown {first}",
        "schema --format fleet-yaml --output schema/tables",
    )
    return schema_command(
        lambda options: (extension.name, known),
        lambda parser: None,
        examples,
        [t.name for t in known],
        lambda name: absent(extension, name),
    )


def schema_command(
    source: Callable[[Namespace], tuple[str, Sequence[TableSchema]]],
    add_source: Callable[[ArgumentParser], None],
    examples: tuple[str, ...],
    names: Sequence[str] = (),
    absent: Callable[[str], str] = lambda name: "",
) -> Command:
    """A command `schema`.

    Args:
        source: the extension's name and the schemas, by the options.
        add_source: adds the arguments that say where the tables are.
        examples: for the help.
        names: of the tables, where they are known before the options are.
        absent: says why there is no table of a name; "" where it does not know.
    """

    def add_arguments(parser: ArgumentParser) -> None:
        add_source(parser)
        parser.add_argument(
            "--format", choices=sorted(SUFFIXES), default="json", help="the form (json unless told otherwise)"
        )
        output = parser.add_argument(
            "--output", metavar="FOLDER", help="write a file for each table there, not to standard output"
        )
        completes(output, "folder")
        table = parser.add_argument(
            "table", nargs="*", metavar="TABLE", help="these tables; all unless given"
        )
        completes(table, "table")
        vars(table)["names"] = tuple(names)

    def run(options: Namespace) -> int:
        program, schemas = source(options)
        chosen = _choose(schemas, options.table, absent)
        if options.output is None:
            stdout().write(render(chosen, options.format, program=program))
            return 0
        folder = Path(options.output)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise Failed(f"{folder} is no folder, and --output has to be one") from error
        for schema in chosen:
            text = render([schema], options.format, program=program)
            (folder / f"{schema.name}{SUFFIXES[options.format]}").write_text(text, encoding="utf-8")
        return 0

    return Command("schema", "print what the tables look like", examples, add_arguments, run)


def _choose(
    schemas: Sequence[TableSchema], names: Sequence[str], absent: Callable[[str], str]
) -> list[TableSchema]:
    by_name = {schema.name: schema for schema in schemas}
    for name in names:
        if name not in by_name:
            raise Failed(f"no table {name}; {_instead(name, sorted(by_name), absent(name))}")
    return [by_name[name] for name in dict.fromkeys(names)] or list(schemas)


def _instead(name: str, names: Sequence[str], why: str) -> str:
    """What to say to somebody who has named a table that is not there."""
    if why:
        return why[:1].lower() + why[1:]
    return did_you_mean(name, names) or f"there are {', '.join(names) or 'none'}"
