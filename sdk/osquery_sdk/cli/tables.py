"""The commands that tell which tables there are, and what they look like."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from osquery_sdk.authors import SameProcess, describe, one_line, pass_on_interrupt
from osquery_sdk.schema import SUFFIXES, TableSchema, render
from osquery_sdk.spelling import did_you_mean
from osquery_sdk.streams import stdout

from .outcome import Failed
from .output import colours
from .parser import Command, completes

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Mapping, Sequence

    from osquery_sdk.extension import ServingExtension
    from osquery_sdk.tables import Table


class _Listed(NamedTuple):
    """A table in a list, and why it is not served, if it is not."""

    table: Table
    reasons: tuple[str, ...] = ()
    is_served: bool = True
    columns: tuple[str, ...] = ()
    """Those in which what was looked for is."""


def tables_command(extension: ServingExtension) -> Command:
    """The command `tables` of an extension's program."""

    def add_arguments(parser: ArgumentParser) -> None:
        parser.add_argument(
            "word",
            nargs="*",
            metavar="WORD",
            help="only those with each WORD in a name, description or column",
        )
        parser.add_argument(
            "--all", action="store_true", help="also those that are not served here, each with the reason"
        )
        parser.add_argument("--json", action="store_true", help="print a JSON array, with the columns")

    def run(options: Namespace) -> int:
        every = _every(extension) if options.all else [_Listed(t) for t in extension.tables.values()]
        found = [match for one in every if (match := _match(one, options.word)) is not None]
        if options.word and not found:
            raise Failed(_nothing(options.word, every, everywhere=options.all))
        found.sort(key=lambda one: one.table.name)
        text = _as_json(found) if options.json else _as_text(found)
        print(text, end="", file=stdout())
        return 0

    examples = ("tables", "tables --all", f"tables {_a_word(extension)}", "tables --json")
    return Command("tables", "list the tables, or find some", examples, add_arguments, run)


def _a_word(extension: ServingExtension) -> str:
    """A word for the examples."""
    return next((column.name for table in extension.tables.values() for column in table.columns), "path")


def _every(extension: ServingExtension) -> list[_Listed]:
    """The tables of the extension, those included that are not served here."""
    listed = [_Listed(t, _lines(_where(t)), t.is_here) for t in extension.all_tables]
    for table, why in _left_out(extension):
        listed.append(_Listed(table, _lines(f"Off: {_sentence(why)}", _where(table)), is_served=False))
    return listed


def _sentence(text: str) -> str:
    """A reason with a full stop; behind a command, which is to be pasted, there is none."""
    return text if "; run: " in text else f"{text.rstrip('.')}."


def _match(listed: _Listed, words: Sequence[str]) -> _Listed | None:
    """A table in which each of the words is, with the columns that have one which its name and description have not."""
    table = listed.table
    about = f"{table.name} {table.description}".casefold()
    columns: dict[str, None] = {}
    for word in map(str.casefold, words):
        within = [
            column.name
            for column in table.columns
            if word
            in f"{column.name} {' '.join(column.definition.aliases)} {column.definition.description}".casefold()
        ]
        if word in about:
            continue
        if not within:
            return None
        columns.update(dict.fromkeys(within))
    return listed._replace(columns=tuple(columns))


def _nothing(words: Sequence[str], every: Sequence[_Listed], *, everywhere: bool) -> str:
    """What to say where no table has the words."""
    names = [name for one in every for name in (one.table.name, *(c.name for c in one.table.columns))]
    meant = next((text for word in words if (text := did_you_mean(word, names))), "")
    what = " and ".join(words)
    hint = meant or (
        "tables lists all of them" if everywhere else "--all looks at those that are not served here as well"
    )
    return f"no table has {what} in its name, description or columns; {hint}"


def _as_text(found: Sequence[_Listed]) -> str:
    """A line for each table, below the line of its family, and what else there is to say of it."""
    width = max((len(one.table.name) for one in found), default=0)
    families = sorted({one.table.options.family for one in found}, key=lambda family: (not family, family))
    lines: list[str] = []
    for family in families:
        if len(families) > 1 or family:
            lines.append(_bold(f"{family or 'Others'}:"))
        for table, reasons, _, columns in (one for one in found if one.table.options.family == family):
            writable = " (writable)" if table.is_writable else ""
            lines.append(f"{table.name:<{width}}  {table.description}{writable}")
            if columns:
                lines.append(f"{'':<{width}}  Columns: {', '.join(columns)}")
            lines += [f"{'':<{width}}  {reason}" for reason in reasons]
    return "".join(f"{line}\n" for line in lines)


def _bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if colours(stdout()) else text


def _as_json(found: Sequence[_Listed]) -> str:
    import json

    objects = []
    for table, reasons, is_served, _ in found:
        schema = TableSchema.of(table)
        columns = [
            {
                "name": column.name,
                "type": column.type,
                "description": column.description,
                "required": column.required,
                "index": column.indexed,
                "hidden": column.hidden,
            }
            for column in schema.columns
        ]
        objects.append(
            {
                "name": schema.name,
                "family": table.options.family,
                "description": schema.description,
                "platforms": list(schema.platforms),
                "writes": list(schema.writes),
                "served": is_served,
                "why": " ".join(reasons),
                "examples": list(schema.examples),
                "columns": columns,
            }
        )
    return json.dumps(objects, indent=2, ensure_ascii=False) + "\n"


def absent(extension: ServingExtension, name: str) -> str:
    """Why the extension has no such table here; "" if that is not known."""
    for table in extension.all_tables:
        if table.name == name and not table.is_here:
            return _where(table)
    try:
        return next((f"Off: {why}" for table, why in _left_out(extension) if table.name == name), "")
    except Failed as error:
        return str(error)


def _left_out(extension: ServingExtension) -> list[tuple[Table, str]]:
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


def _lines(*texts: str) -> tuple[str, ...]:
    return tuple(text for text in texts if text)


def extension_schema_command(extension: ServingExtension) -> Command:
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
        files = {
            f"{schema.name}{SUFFIXES[options.format]}": render([schema], options.format, program=program)
            for schema in chosen
        }
        _write(Path(options.output), files)
        return 0

    return Command("schema", "print what the tables look like", examples, add_arguments, run)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    from osquery_sdk.files import write_files

    try:
        write_files(folder, files)
    except OSError as error:
        if os.path.lexists(folder) and not folder.is_dir():
            raise Failed(f"{folder} is no folder, and --output has to be one") from error
        raise Failed(f"cannot write to {folder}: {error.strerror or error}") from error


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
