"""List and describe the tables: the commands `tables` and `schema`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kolide_kit.author_code import SameProcess, describe, one_line, pass_on_interrupt
from kolide_kit.spelling import did_you_mean
from kolide_kit.streams import stdout

from ..tables.schema import SUFFIXES, TableSchema, render
from .exit_codes import Failed
from .output import colours
from .parser import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Mapping, Sequence

    from ..serving.extension import ServingExtension
    from ..tables.encoding import ColumnInfo
    from ..tables.table import Table


class _Listed(NamedTuple):
    """A table in the list, with the reasons if it is not served; a reason may be empty."""

    table: Table
    reasons: tuple[str, ...] = ()
    is_served: bool = True
    columns: tuple[str, ...] = ()
    """Columns that have a searched word which the table's name and description lack."""


def tables_command(extension: ServingExtension) -> Command:
    """Return the command `tables` of an extension's program."""

    def add_arguments(parser: ArgumentParser) -> None:
        parser.add_argument(
            "word",
            nargs="*",
            metavar="WORD",
            help="list only tables that have each WORD in their name, description or columns",
        )
        parser.add_argument(
            "--all", action="store_true", help="list also tables that are not served here, with the reasons"
        )
        parser.add_argument("--json", action="store_true", help="print a JSON array, with the columns")

    def run(options: Namespace) -> int:
        every = _every(extension) if options.all else [_Listed(t) for t in extension.tables.values()]
        matches = [match for listed in every if (match := _match(listed, options.word)) is not None]
        if options.word and not matches:
            raise Failed(_no_match(options.word, every, everywhere=options.all))
        matches.sort(key=lambda listed: listed.table.name)
        text = _as_json(matches) if options.json else _as_text(matches)
        print(text, end="", file=stdout())
        return 0

    names = (column.name for table in extension.tables.values() for column in table.columns)
    examples = ("tables", "tables --all", f"tables {next(names, 'path')}", "tables --json")
    return Command("tables", "list the tables, or search them", examples, add_arguments, run)


def _every(extension: ServingExtension) -> list[_Listed]:
    """Return all tables of the extension, including those that are not served here."""
    listed = [_Listed(t, (_platforms_text(t),), t.is_here) for t in extension.all_tables]
    for table, why in _left_out(extension):
        listed.append(_Listed(table, (f"Off: {_sentence(why)}", _platforms_text(table)), is_served=False))
    return listed


def _sentence(text: str) -> str:
    """Return a reason with a full stop, unless it ends with a command to paste."""
    return text if "; run: " in text else f"{text.rstrip('.')}."


def _match(listed: _Listed, words: Sequence[str]) -> _Listed | None:
    """Return a table with its matching columns; None unless each word is in its texts or columns."""
    table = listed.table
    about = f"{table.name} {table.description}".casefold()
    columns: dict[str, None] = {}
    for word in map(str.casefold, words):
        within = [column.name for column in table.columns if word in _column_text(column)]
        if word in about:
            continue
        if not within:
            return None
        columns.update(dict.fromkeys(within))
    return listed._replace(columns=tuple(columns))


def _column_text(column: ColumnInfo) -> str:
    definition = column.definition
    return " ".join((column.name, *definition.aliases, definition.description)).casefold()


def _no_match(words: Sequence[str], every: Sequence[_Listed], *, everywhere: bool) -> str:
    """Return the error for words that no table has."""
    names = [
        name for listed in every for name in (listed.table.name, *(c.name for c in listed.table.columns))
    ]
    meant = next((text for word in words if (text := did_you_mean(word, names))), "")
    wanted = " and ".join(words)
    hint = meant or (
        "tables lists all of them" if everywhere else "--all searches also tables that are not served here"
    )
    return f"no table has {wanted} in its name, description or columns; {hint}"


def _as_text(matches: Sequence[_Listed]) -> str:
    """Return the list for people: under the line of each family its tables, with reasons and columns."""
    width = max((len(listed.table.name) for listed in matches), default=0)
    families = sorted(
        {listed.table.options.family for listed in matches}, key=lambda family: (not family, family)
    )
    lines: list[str] = []
    for family in families:
        if len(families) > 1 or family:
            lines.append(_bold(f"{family or 'Others'}:"))
        for table, reasons, _, columns in (
            listed for listed in matches if listed.table.options.family == family
        ):
            writable = " (writable)" if table.is_writable else ""
            lines.append(f"{table.name:<{width}}  {table.description}{writable}")
            matching = f"Columns: {', '.join(columns)}" if columns else ""
            below = (*reasons, table.options.privilege, matching)
            lines += [f"{'':<{width}}  {text}" for text in below if text]
    return "".join(f"{line}\n" for line in lines)


def _bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if colours(stdout()) else text


def _as_json(matches: Sequence[_Listed]) -> str:
    import json

    objects = []
    for table, reasons, is_served, _ in matches:
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
                "privilege": schema.privilege,
                "platforms": list(schema.platforms),
                "writes": list(schema.writes),
                "served": is_served,
                "why": " ".join(filter(None, reasons)),
                "examples": list(schema.examples),
                "columns": columns,
            }
        )
    return json.dumps(objects, indent=2, ensure_ascii=False) + "\n"


def absent(extension: ServingExtension, name: str) -> str:
    """Return why a table of the extension is not served here; "" for an unknown table."""
    for table in extension.all_tables:
        if table.name == name and not table.is_here:
            return _platforms_text(table)
    try:
        return next((f"Off: {why}" for table, why in _left_out(extension) if table.name == name), "")
    except Failed as error:
        return str(error)


def _left_out(extension: ServingExtension) -> list[tuple[Table, str]]:
    """Return the tables that the current settings turn off, each with the reason."""
    try:
        with SameProcess():
            return [(table, one_line(why)) for table, why in extension.left_out()]
    except BaseException as error:
        pass_on_interrupt(error)
        raise Failed(f"the extension's left_out fails: {describe(error)}") from error


def _platforms_text(table: Table) -> str:
    """Return the platforms of a table and the reason; "" if it is for all platforms."""
    schema = TableSchema.of(table)
    only = schema.only
    return f"Not here. {only}" if only and not table.is_here else only


def extension_schema_command(extension: ServingExtension) -> Command:
    """Return the command `schema` of an extension's program, for all of its tables on all platforms."""
    # Two tables for different platforms may share a name; the one for this platform wins.
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
    """Return a command `schema`.

    Args:
        source: returns the extension's name and the schemas, from the options.
        add_source: adds the arguments that say whose tables are described.
        examples: examples of the help.
        names: names of the tables, if they are known before the options are read.
        absent: returns the reason why a table is missing; "" if it knows none.
    """

    def add_arguments(parser: ArgumentParser) -> None:
        add_source(parser)
        parser.add_argument(
            "--format", choices=sorted(SUFFIXES), default="json", help="print in this form (json)"
        )
        parser.add_argument("--output", metavar="FOLDER", help="write a file for each table in this folder")
        table = parser.add_argument("table", nargs="*", metavar="TABLE", help="describe these tables (all)")
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

    return Command("schema", "describe the tables and their columns", examples, add_arguments, run)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    from kolide_kit.atomic import write_files

    try:
        write_files(folder, files)
    except OSError as error:
        if os.path.lexists(folder) and not folder.is_dir():
            raise Failed(f"{folder} is not a folder; give --output a folder") from error
        raise Failed(f"cannot write to {folder}: {error.strerror or error}") from error


def _choose(
    schemas: Sequence[TableSchema], names: Sequence[str], absent: Callable[[str], str]
) -> list[TableSchema]:
    by_name = {schema.name: schema for schema in schemas}
    for name in names:
        if name not in by_name:
            why = absent(name)
            hint = why[:1].lower() + why[1:] or did_you_mean(name, sorted(by_name))
            raise Failed(f"no table {name}; {hint or 'there are ' + (', '.join(sorted(by_name)) or 'none')}")
    return [by_name[name] for name in dict.fromkeys(names)] or list(schemas)
