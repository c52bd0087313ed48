"""The command `new`: a project to begin with, that passes its own tests, lint and build."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from osquery_sdk.authors import to_stderr
from osquery_sdk.spelling import did_you_mean

from .outcome import Failed
from .parser import Command, completes

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def new_command() -> Command:
    """The command."""
    from .templates import DEFAULT, TEMPLATES

    def add_arguments(parser: ArgumentParser) -> None:
        parser.add_argument(
            "name", metavar="NAME", help="of the extension and its table: letters, digits, - and _"
        )
        about = "; ".join(f"{name}: {text}" for name, text in TEMPLATES.items())
        parser.add_argument(
            "--template",
            metavar="TEMPLATE",
            type=_template,
            choices=list(TEMPLATES),
            default=DEFAULT,
            help=f"what to begin with ({DEFAULT} unless given). {about}",
        )
        folder = parser.add_argument("--folder", metavar="FOLDER", help="where to make it (./NAME)")
        completes(folder, "folder")

    def run(options: Namespace) -> int:
        from osquery_sdk.installed import source

        from .templates import check_names, render

        names = check_names(options.name, options.template)
        folder = Path(options.folder or options.name)
        place = source()
        write_project(folder, render(options.template, names, place))
        if not place.is_there:
            text = (
                f"{place.path or 'git'} is not there: name another place for osquery-sdk in requirements.txt"
            )
            to_stderr(f"osquery-sdk new: {text}")
        print(f"Made {folder}. Next:\n  cd {folder}\n  make deps test\n  make run")
        return 0

    return Command(
        "new",
        "make an extension to begin with",
        ("new hello", "new inventory --template rest", "new acme-usb --folder extensions/usb"),
        add_arguments,
        run,
    )


def _template(name: str) -> str:
    """The name of a template; argparse's own error for another one would not say what was meant."""
    from argparse import ArgumentTypeError

    from .templates import TEMPLATES

    if name not in TEMPLATES:
        instead = did_you_mean(name, list(TEMPLATES)) or f"there are {', '.join(TEMPLATES)}"
        raise ArgumentTypeError(f"no template {name!r}; {instead}")
    return name


def write_project(folder: Path, files: dict[str, str]) -> None:
    """Write the files into a new or empty folder: all of them, or none.

    Args:
        folder: which is made if it is not there; the folders above it as well.
        files: their contents by their paths in it. What begins with `#!` becomes executable.

    Raises:
        Failed: there is something in the folder, or it cannot be written; what was there before is all that is there.
    """
    import os

    from osquery_sdk.files import write_files

    place = Path(os.path.abspath(folder))  # noqa: PTH100  a folder `a/..` need not be there
    try:
        if os.path.lexists(place) and (not place.is_dir() or any(place.iterdir())):
            raise Failed(f"{folder} is there already and not empty; give --folder, or another name")
        write_files(place, files, programs=[name for name, text in files.items() if text.startswith("#!")])
    except OSError as error:
        raise Failed(f"cannot make {folder}: {error.strerror or error}") from error
