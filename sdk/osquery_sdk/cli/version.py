"""Which build of a program this is.

A build writes `build.json` beside the program's package: an object with commit, branch, date and user, all texts. A
program that runs out of a git checkout has no such file, and git is asked; only by the command `version`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from osquery_sdk._version import __version__
from osquery_sdk.streams import stdout

from .parser import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable

STAMP = "build.json"
"""Name of the file that a build leaves beside the program's package."""

_STAMPED = ("commit", "branch", "date", "user")
_NAMES = {
    "version": "version",
    "commit": "commit",
    "branch": "branch",
    "date": "build date",
    "user": "build user",
    "python": "python",
    "platform": "platform",
    "sdk": "osquery-sdk",
}


def version_command(program: str, version: str, package: str) -> Command:
    """The command `version`.

    Args:
        program: its name.
        version: its version.
        package: the importable package that the program is, where it is one.
    """

    def add_arguments(parser: ArgumentParser) -> None:
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--full", action="store_true", help="also the build, Python and platform")
        form.add_argument("--json", action="store_true", help="everything, as a JSON object")

    def run(options: Namespace) -> int:
        if not (options.full or options.json):
            print(f"{program} version {version}", file=stdout())
            return 0
        facts = facts_of(version, package)
        if options.json:
            print(json.dumps({"name": program, **facts}, indent=2), file=stdout())
        else:
            print(f"{program} version {version}", file=stdout())
            print(
                "\n".join(f"  {_NAMES[key]}: {value}" for key, value in facts.items() if key != "version"),
                file=stdout(),
            )
        return 0

    return Command(
        "version",
        "print which version this is",
        ("version", "version --full", "version --json"),
        add_arguments,
        run,
    )


def facts_of(version: str, package: str) -> dict[str, str]:
    """Everything there is to know of this build; "unknown" for what nobody wrote down."""
    import platform

    from osquery_sdk.checkout import facts_of_checkout

    folders = list(_folders(package))
    stamp = next((found for folder in folders if (found := _stamp(folder))), None)
    if stamp is None:
        stamp = next((found for folder in folders if (found := facts_of_checkout(folder))), {})
    return {
        "version": version,
        **{key: stamp.get(key, "unknown") for key in _STAMPED},
        "python": platform.python_version(),
        "platform": f"{platform.system().lower()} {platform.machine()}",
        "sdk": __version__,
    }


def _folders(package: str) -> Iterable[Path]:
    """Where the program's files are: of a frozen one, its bundle; its package; its main file."""
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
