"""Freeze an extension into a program that contains all its dependencies: the command `build`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .exit_codes import Misuse
from .parser import Command, add_options, fields_of, given, given_path

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_CONTENTS = {
    "--include": ("MODULE", "include this module; may be given several times"),
    "--exclude": ("MODULE", "exclude this module; may be given several times"),
    "--data": ("PACKAGE", "include the data files of this package; may be given several times"),
    "--metadata": ("DIST", "include the metadata of this distribution; may be given several times"),
    "--entry-points": (
        "GROUP",
        "include the plugins of this group of entry points; may be given several times",
    ),
}


def build_command() -> Command:
    """Return the command `build`."""
    return Command(
        "build",
        "freeze an extension into a program that osqueryd autoloads",
        ("build hello", "build ./hello.py --output dist", "build . --onefile"),
        _add_arguments,
        _run,
    )


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "extension",
        metavar="EXTENSION",
        help="a Python file, a folder with a __main__.py or pyproject.toml, a module, or an entry"
        " module:function",
    )
    parser.add_argument(
        "--onefile", action="store_true", help="make a single file, which unpacks itself at each start"
    )
    parser.add_argument(
        "--tmpdir", metavar="DIR", help="unpack the single file in this folder ($TMPDIR, or /tmp)"
    )
    parser.add_argument(
        "--output", type=given_path, default=Path("build"), metavar="DIR", help="write to this folder (build)"
    )
    parser.add_argument("--name", type=given, metavar="NAME", help="name of the program (the extension's)")
    add_options(parser, _CONTENTS, action="append", type=given)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def _run(options: Namespace) -> int:
    if options.tmpdir and not options.onefile:
        raise Misuse("--tmpdir needs --onefile: a program in a folder is not unpacked")
    from kolide_kit.progress import Progress

    from ..errors import TargetError
    from ..freeze import Options, build

    progress = Progress(steps=4)
    try:
        built = build(options.extension, Options(**fields_of(Options, options)), progress=progress)
    except TargetError as error:
        raise Misuse(str(error)) from error
    finally:
        progress.close()
    if options.json:
        import json

        paths = {"program": built.program, "link": built.link, "sbom": built.sbom}
        texts = {key: path and str(path) for key, path in paths.items()}
        print(json.dumps({**texts, **built.report.as_json()}, indent=2))
        return 0
    for line in built.report.lines():
        print(line)
    print(f"  sbom     {_shown(built.sbom)}")
    print(f"  program  {_shown(built.program)}" + (f", run as {_shown(built.link)}" if built.link else ""))
    if sys.platform != "win32":
        print(f"\nTry it: osqueryi --extension {_shown(built.link or built.program)}")
    return 0


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
