"""Make a new project, which passes its own tests, lint and build: the command `new`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kolide_kit.author_code import to_stderr
from kolide_kit.spelling import did_you_mean

from .exit_codes import Failed
from .parser import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def new_command() -> Command:
    """Return the command `new`."""
    from .templates import DEFAULT, TEMPLATES

    def add_arguments(parser: ArgumentParser) -> None:
        parser.add_argument(
            "name", metavar="NAME", help="name of the extension and its table: letters, digits, - and _"
        )
        about = "; ".join(f"{name}: {text}" for name, text in TEMPLATES.items())
        parser.add_argument(
            "--template",
            metavar="TEMPLATE",
            type=_template,
            choices=list(TEMPLATES),
            default=DEFAULT,
            help=f"start from this template ({DEFAULT}). {about}",
        )
        parser.add_argument("--folder", metavar="FOLDER", help="make the project in this folder (./NAME)")

    def run(options: Namespace) -> int:
        from kolide_kit.installed import source

        from .templates import check_names, render

        names = check_names(options.name, options.template)
        folder = Path(options.folder or options.name)
        place = source()
        write_project(folder, render(options.template, names, place))
        if not place.is_there:
            text = f"{place.path or 'git'} does not exist; name another source in requirements.txt"
            to_stderr(f"osquery-sdk new: {text}")
        print(f"Made {folder}. Next:\n  cd {folder}\n  make deps test\n  make run")
        return 0

    return Command(
        "new",
        "make the project of a new extension",
        ("new hello", "new inventory --template rest", "new acme-usb --folder extensions/usb"),
        add_arguments,
        run,
    )


def _template(name: str) -> str:
    """Return the name of a template. Unlike argparse, the error for an unknown name suggests a known one."""
    from argparse import ArgumentTypeError

    from .templates import TEMPLATES

    if name not in TEMPLATES:
        instead = did_you_mean(name, list(TEMPLATES)) or f"there are {', '.join(TEMPLATES)}"
        raise ArgumentTypeError(f"unknown template {name!r}; {instead}")
    return name


def write_project(folder: Path, files: dict[str, str]) -> None:
    """Write all files of a project into a new or empty folder, or none of them.

    Args:
        folder: made if it does not exist, with the folders above it.
        files: contents by path within the folder. A text that begins with `#!` becomes executable.

    Raises:
        Failed: the folder is not empty or cannot be written. It is left as it was.
    """
    import os

    from kolide_kit.atomic import write_files

    place = Path(os.path.abspath(folder))  # noqa: PTH100  in `a/..` the folder a need not exist
    try:
        if os.path.lexists(place) and (not place.is_dir() or any(place.iterdir())):
            raise Failed(f"{folder} exists and is not empty; give --folder, or another name")
        write_files(place, files, programs=[name for name, text in files.items() if text.startswith("#!")])
    except OSError as error:
        raise Failed(f"cannot make {folder}: {error.strerror or error}") from error
