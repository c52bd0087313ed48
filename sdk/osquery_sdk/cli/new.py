"""The command `new`: a project to begin with, that passes its own tests, lint and build."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .outcome import Failed
from .parser import Command, completes, did_you_mean

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from types import TracebackType


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
            print(f"osquery-sdk new: {text}", file=sys.stderr)
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
    import tempfile

    place = Path(os.path.abspath(folder))  # noqa: PTH100  a folder `a/..` need not be there
    try:
        is_new = not os.path.lexists(place)
        if not is_new and (not place.is_dir() or any(place.iterdir())):
            raise Failed(f"{folder} is there already and not empty; give --folder, or another name")
        beside = place.parent if is_new else place
        # Next to where they belong, so that they get there in one step.
        with (
            _Folders(beside),
            tempfile.TemporaryDirectory(prefix=".new-", dir=beside, ignore_cleanup_errors=True) as work,
        ):
            project = Path(work, "project")
            _write_files(project, files)
            for path in [project] if is_new else list(project.iterdir()):
                path.rename(place if is_new else place / path.name)
    except OSError as error:
        raise Failed(f"cannot make {folder}: {error.strerror or error}") from error


def _write_files(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8", newline="\n")
        if content.startswith("#!"):
            file.chmod(0o755)


class _Folders:
    """A folder, and those above it, which go again if what they are made for fails."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: list[Path] = []

    def __enter__(self) -> None:
        try:
            for folder in reversed((self._folder, *self._folder.parents)):
                if not folder.is_dir():
                    folder.mkdir()
                    self._made.append(folder)
        except OSError:
            self._remove()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._remove()

    def _remove(self) -> None:
        for folder in reversed(self._made):
            try:
                folder.rmdir()
            except OSError:  # somebody has put something in
                return
