"""The command `build`: a program made of an extension, with all that it needs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .outcome import Misuse
from .parser import Command, completes, given, given_path

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def build_command() -> Command:
    """The command."""

    def add_arguments(parser: ArgumentParser) -> None:
        extension = parser.add_argument(
            "extension",
            type=given,
            metavar="EXTENSION",
            help="a Python file, a folder with a __main__.py or pyproject.toml, a module, or an entry module:function",
        )
        completes(extension, "file")
        parser.add_argument(
            "--onefile", action="store_true", help="make a single file, which unpacks itself at each start"
        )
        parser.add_argument(
            "--tmpdir",
            type=given,
            metavar="DIR",
            help="where the single file unpacks itself ($TMPDIR, or else /tmp)",
        )
        output = parser.add_argument(
            "--output", type=given_path, default=Path("build"), metavar="DIR", help="where to (build)"
        )
        completes(output, "folder")
        parser.add_argument(
            "--name", type=given, metavar="NAME", help="of the program, instead of the extension's"
        )
        for option, metavar, what in (
            ("--include", "MODULE", "also put this module in; may be given several times"),
            ("--exclude", "MODULE", "leave this module out; may be given several times"),
            ("--data", "PACKAGE", "also put in the data files of this package; may be given several times"),
            ("--metadata", "DIST", "also put in what importlib.metadata says of this distribution; likewise"),
            ("--entry-points", "GROUP", "also put in the plugins with such entry points; likewise"),
        ):
            parser.add_argument(option, action="append", type=given, default=[], metavar=metavar, help=what)
        parser.add_argument("--json", action="store_true", help="print the report as JSON")

    return Command(
        "build",
        "freeze an extension into a program that osqueryd autoloads",
        ("build hello", "build ./hello.py --output dist", "build . --onefile"),
        add_arguments,
        _run,
    )


def _run(options: Namespace) -> int:
    if options.tmpdir and not options.onefile:
        raise Misuse("--tmpdir is for --onefile: the folder form unpacks nothing")
    from osquery_sdk.errors import TargetError
    from osquery_sdk.freeze import Options, build
    from osquery_sdk.freeze.progress import Progress

    progress = Progress(steps=4)
    try:
        built = build(
            options.extension,
            Options(
                output=options.output,
                name=options.name,
                onefile=options.onefile,
                tmpdir=options.tmpdir,
                include=tuple(options.include),
                exclude=tuple(options.exclude),
                data=tuple(options.data),
                metadata=tuple(options.metadata),
                entry_points=tuple(options.entry_points),
            ),
            progress=progress,
        )
    except TargetError as error:
        raise Misuse(str(error)) from error
    finally:
        progress.close()
    if options.json:
        import json

        paths = {"program": built.program, "link": built.link, "sbom": built.sbom}
        print(
            json.dumps(
                {**{key: path and str(path) for key, path in paths.items()}, **built.report.as_json()},
                indent=2,
            )
        )
        return 0
    for line in built.report.lines():
        print(line)
    print(f"  sbom     {_shown(built.sbom)}")
    print(f"  program  {_shown(built.program)}" + (f", run as {_shown(built.link)}" if built.link else ""))
    if sys.platform != "win32":
        print(f"\nTry it: osqueryi --extension {_shown(built.link or built.program)}")
    return 0


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
