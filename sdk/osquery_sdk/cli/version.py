"""Print the version and the build of a program: the command `version`.

A build writes `build.json` beside the program's package: an object with the texts commit, branch, date and
user. A program that runs from a git checkout has no such file; only the command `version` then asks git.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kolide_kit.streams import stdout

from .._version import __version__
from .parser import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable

STAMP = "build.json"
"""Name of the file that a build writes beside the program's package."""

_STAMPED = ("commit", "branch", "date", "user")
_NAMES = {"date": "build date", "user": "build user", "sdk": "osquery-sdk"}


def version_command(program: str, version: str, package: str) -> Command:
    """Return the command `version`.

    Args:
        program: name of the program.
        version: version of the program.
        package: name of the program's package; the program need not be a package.
    """

    def add_arguments(parser: ArgumentParser) -> None:
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--full", action="store_true", help="print the build, Python and platform as well")
        form.add_argument("--json", action="store_true", help="print everything, as a JSON object")

    def run(options: Namespace) -> int:
        if options.json:
            facts = {"name": program, "version": version, **facts_of(package)}
            print(json.dumps(facts, indent=2), file=stdout())
            return 0
        print(f"{program} version {version}", file=stdout())
        if options.full:
            for key, value in facts_of(package).items():
                print(f"  {_NAMES.get(key, key)}: {value}", file=stdout())
        return 0

    return Command(
        "version",
        "print the version of this program",
        ("version", "version --full", "version --json"),
        add_arguments,
        run,
    )


def facts_of(package: str) -> dict[str, str]:
    """Return the facts about this build by name; "unknown" for those that were not recorded."""
    import platform

    from kolide_kit.git import facts_of_checkout

    folders = list(_folders(package))
    stamps = [stamp for folder in folders if (stamp := _stamp(folder))]
    stamp = stamps[0] if stamps else next(filter(None, map(facts_of_checkout, folders)), {})
    return {
        **{key: stamp.get(key, "unknown") for key in _STAMPED},
        "python": platform.python_version(),
        "platform": f"{platform.system().lower()} {platform.machine()}",
        "sdk": __version__,
    }


def _folders(package: str) -> Iterable[Path]:
    """Yield the folders of the program: a frozen program's bundle, its package, and its main file's."""
    from importlib.util import find_spec

    if bundle := getattr(sys, "_MEIPASS", None):
        yield Path(bundle)
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is not None and spec.origin:
        yield Path(spec.origin).parent
    if main := getattr(sys.modules.get("__main__"), "__file__", None):
        yield Path(main).resolve().parent


def _stamp(folder: Path) -> dict[str, str] | None:
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return {key: str(value) for key, value in stamp.items()} if isinstance(stamp, dict) else None
