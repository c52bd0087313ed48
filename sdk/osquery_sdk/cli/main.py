"""The `osquery-sdk` command."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from osquery_sdk._version import __version__


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns 0 when done, 1 when it failed, 2 for misuse."""
    parser = argparse.ArgumentParser(
        prog="osquery-sdk",
        description="Run osquery extensions without osquery.",
        epilog="Example: osquery-sdk query --extension ./my_extension.py 'select * from my_table' --json",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("version", help="print the version")
    query = commands.add_parser("query", help="load extensions and run SQL on the embedded engine")
    query.add_argument("sql")
    query.add_argument(
        "--extension", action="append", default=[], metavar="PATH", help="may be given several times"
    )
    form = query.add_mutually_exclusive_group()
    for name in ("json", "csv", "line", "table"):
        form.add_argument(f"--{name}", dest="form", action="store_const", const=name, default="table")
    engine = commands.add_parser("engine", help="a stand-in for osqueryd's extension manager")
    engine.add_argument("--socket", required=True)
    options = parser.parse_args(arguments)
    if options.command == "version":
        print(f"osquery-sdk version {__version__}")
        return 0

    from osquery_sdk.engine import Host, LaunchError, SqlError
    from osquery_sdk.errors import OsquerySdkError

    from .output import render

    try:
        if options.command == "query":
            with Host(options.extension) as host:
                result = host.query(options.sql)
            sys.stdout.write(render(result.columns, result.rows, options.form))
            return 0
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        with Host(socket=options.socket):
            print(f"embedded engine at {options.socket}; stop it with Ctrl-C", file=sys.stderr)
            stop.wait()
    except (LaunchError, SqlError, OsquerySdkError) as error:
        print(f"osquery-sdk: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
