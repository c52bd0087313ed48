"""The command line that every extension program has."""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import sys
from typing import TYPE_CHECKING

from osquery_sdk._version import __version__
from osquery_sdk.errors import DeadlineExceeded, OsquerySdkError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from osquery_sdk.extension import Extension

_COMMANDS = ("version", "tables", "schema", "query", "shell")


def run(extension: Extension, arguments: Sequence[str]) -> int:
    """Do what the arguments say; returns 0 when done, 1 when it failed, 2 for misuse."""
    try:
        if arguments and arguments[0] in _COMMANDS:
            return _command(extension, arguments)
        return _serve(extension, arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    except (OsquerySdkError, DeadlineExceeded) as error:
        print(f"{extension.name}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of the output has closed it; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _serve(extension: Extension, arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog=extension.name,
        description=f"{len(extension.plugins)} osquery tables, served to osqueryd. Commands: {', '.join(_COMMANDS)}.",
        epilog=f"Example: osqueryi --extension ./{extension.name}   or: {extension.name} query 'select 1'",
    )
    parser.add_argument("--socket", help="path of osqueryd's extension socket")
    parser.add_argument("--timeout", type=float, default=3.0, help="seconds to wait for osqueryd (3)")
    parser.add_argument(
        "--interval", type=float, default=3.0, help="seconds between looks at the registration (3)"
    )
    parser.add_argument("--verbose", action="store_true", help="log more")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        print(f"{extension.name}: ignoring unknown arguments: {' '.join(unknown)}", file=sys.stderr)
    if not options.socket:
        parser.error("--socket is required; to try the tables without osqueryd: query 'SQL'")
    # Rows come by the hundred thousand and form no cycles: looking for some after every 700 objects costs a large answer a fifth of its time.
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    extension.catch_signals()
    extension.serve(options.socket, timeout=options.timeout, interval=options.interval)
    return 0


def _command(extension: Extension, arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog=extension.name)
    commands = parser.add_subparsers(dest="command", required=True)
    version = commands.add_parser("version", help="print the version")
    version.add_argument("--full", action="store_true")
    version.add_argument("--json", action="store_true")
    tables = commands.add_parser("tables", help="list the tables")
    tables.add_argument("--all", action="store_true", help="also those that this platform cannot have")
    commands.add_parser("schema", help="print the tables' schema as JSON")
    commands.add_parser("shell", help="an SQL shell on the embedded engine")
    query = commands.add_parser("query", help="run SQL on the embedded engine")
    query.add_argument("sql")
    form = query.add_mutually_exclusive_group()
    for name in ("json", "csv", "line", "table"):
        form.add_argument(f"--{name}", dest="form", action="store_const", const=name, default="table")
    options = parser.parse_args(arguments)
    if options.command == "version":
        facts = {"version": extension.version, "sdk": __version__, "python": platform.python_version()}
        if options.json:
            print(json.dumps(facts))
        elif options.full:
            print("\n".join(f"{key}: {value}" for key, value in facts.items()))
        else:
            print(f"{extension.name} version {extension.version}")
    elif options.command == "tables":
        for plugin in extension.all_plugins:
            here = plugin.name in extension.plugins
            if here or options.all:
                reason = "" if here else f" (not here: only on {', '.join(plugin.options.platforms)})"
                print(f"{plugin.name:<28} {plugin.description}{reason}")
    elif options.command == "schema":
        print(json.dumps([_schema(plugin) for plugin in extension.plugins.values()], indent=2))
    elif options.command == "shell":
        return _shell(extension)
    else:
        return _query(extension, options.sql, options.form)
    return 0


def _shell(extension: Extension) -> int:
    from osquery_sdk.engine import Host

    from .shell import Shell

    with Host([extension.start]) as host:
        return Shell(host, sorted(extension.plugins)).run()


def _schema(plugin: object) -> dict[str, object]:
    from osquery_sdk.tables import Table

    assert isinstance(plugin, Table)
    return {
        "name": plugin.name,
        "description": plugin.description,
        "platforms": list(plugin.options.platforms),
        "evented": False,
        "cacheable": False,
        "examples": list(plugin.options.examples),
        "columns": [
            {
                "name": column.name,
                "description": column.definition.description,
                "type": column.type.value.lower().replace(" ", "_"),
                "hidden": column.definition.hidden,
                "required": column.definition.required,
                "index": column.definition.index,
            }
            for column in plugin.columns
        ],
    }


def _query(extension: Extension, sql: str, form: str) -> int:
    from osquery_sdk.engine import Host, LaunchError, SqlError

    from .output import render

    try:
        with Host([extension.start]) as host:
            result = host.query(sql)
    except (LaunchError, SqlError) as error:
        print(f"{extension.name}: {error}", file=sys.stderr)
        return 1
    sys.stdout.write(render(result.columns, result.rows, form))
    sys.stdout.flush()
    return 0
