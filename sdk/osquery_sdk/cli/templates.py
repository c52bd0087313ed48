"""The projects that `new` makes: which templates there are, which names they take, and their files.

A template is a folder of real files, of a project that is named my_ext: examples/templates in a checkout, a folder of the
package where the SDK is installed. Another name is put in its place wherever it stands.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from osquery_sdk._version import __version__
from osquery_sdk.columns import check_name
from osquery_sdk.errors import DefinitionError

from .outcome import Failed, Misuse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from osquery_sdk.installed import Source

DEFAULT = "table"
TEMPLATES: Mapping[str, str] = {
    "table": "the files of a folder",
    "rest": "a REST API with a token",
    "database": "an SQLite file",
    "async": "many connections at once",
    "writable": "INSERT, UPDATE and DELETE",
    "config": "a config plugin",
    "logger": "a logger plugin",
}
_WITHOUT_TABLE = ("config", "logger")
_COMMON = "common"
# Parts of the README, which are no files of their own.
_PARTS = {"ABOUT": "about.md", "TRY": "try.md"}
_HIDDEN = (".ci", ".github", ".gitignore")
_PROJECT_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
# Templates are formatted for names up to this.
_MAX_LETTERS = 40
# What a project has besides its package, what its environment has besides modules, and what Windows makes no file of.
_TAKEN = {
    "build": "its folder of programs",
    "dist": "its folder of packages",
    "tests": "its folder of tests",
    "osquery": "another distribution",
    **dict.fromkeys(("activate", "python", "python3"), "a program of its environment"),
    **dict.fromkeys(("aux", "con", "nul", "prn"), "a device on Windows"),
}


class Names(NamedTuple):
    """What a project is called."""

    project: str
    """The extension, the distribution and the program."""
    module: str
    """The package and the table."""


def check_names(name: str, template: str = DEFAULT) -> Names:
    """Return what a project of this name is called in Python, in SQL and by pip.

    Raises:
        Misuse: one of them cannot have the name, or something else has it.
    """
    module = re.sub(r"[-.]", "_", name).lower()
    try:
        check_name(module, "the name")
    except DefinitionError as error:
        raise Misuse(str(error)) from error
    if len(name) > _MAX_LETTERS:
        raise Misuse(f"the name {name} has {len(name)} letters; use {_MAX_LETTERS} at the most")
    if not _PROJECT_NAME.fullmatch(name):
        raise Misuse(f"the name {name!r}: begin and end it with a letter or digit, as pip wants it")
    owner = _owner(module, template)
    if owner:
        raise Misuse(f"the name {name} is taken by {owner}; choose another, such as my_{module}")
    return Names(name.lower(), module)


def _owner(module: str, template: str) -> str:
    """What has the name already; "" for nothing."""
    from keyword import iskeyword

    if module in _TAKEN:
        return _TAKEN[module]
    if iskeyword(module):
        return "a word of Python"
    if module in sys.stdlib_module_names:
        return "a module of Python's own"
    tables = Path(__file__).with_name("core_tables.txt").read_text(encoding="ascii").split()
    if template not in _WITHOUT_TABLE and module in tables:
        return "a table of osquery's own"
    return "a module that is installed" if _is_installed(module) else ""


def _is_installed(module: str) -> bool:
    from importlib.machinery import PathFinder

    here = Path.cwd()
    places = [place for place in sys.path if place and Path(place).absolute() != here]
    spec = PathFinder.find_spec(module, places)
    # A folder without Python in it is no module that anybody imports.
    return spec is not None and spec.origin is not None


def render(template: str, names: Names, place: Source) -> dict[str, str]:
    """Return the files of a project: their contents by their paths in it.

    Args:
        template: its name.
        names: of the project.
        place: where the project installs the SDK from.

    Raises:
        Failed: the templates are not there.
    """
    files = {**_read(_COMMON), **_read(template)}
    for word, part in _PARTS.items():
        text = files.pop(part).strip("\n")
        files["README.md"] = files["README.md"].replace(word, text)
    files["pyproject.toml"] = files["pyproject.toml"].replace(
        "osquery-sdk>=0.1", f"osquery-sdk>={__version__}"
    )
    named = {_named(path, names): _named(content, names) for path, content in files.items()}
    return {**named, "requirements.txt": _requirements(place)}


def _named(text: str, names: Names) -> str:
    # The longest first: MY_EXT begins the names of environment variables.
    text = text.replace("MY_EXT", names.module.upper())
    return text.replace("my_ext", names.module).replace("my-ext", names.project)


def _read(template: str) -> dict[str, str]:
    folder = _home() / template
    return {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8") for file in _files(folder)}


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name == "__pycache__" or (path.name.startswith(".") and path.name not in _HIDDEN):
            continue
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _home() -> Path:
    """The folder of the templates: of the installed package, or of the checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "templates", package.parents[1] / "examples" / "templates"):
        if (folder / _COMMON).is_dir():
            return folder
    raise Failed(f"the templates are not there: neither in {package} nor in a checkout around it")


def _requirements(place: Source) -> str:
    """The file that says where the SDK is installed from."""
    lines = ["# Where osquery-sdk is installed from: where the one was that made this project."]
    if place.url.startswith(("file:", "git+file:")):
        lines.append(
            "# That is on this machine alone. For others, name a place that they can reach, such as:"
        )
        lines.append("# osquery-sdk @ git+https://HOST/REPOSITORY@COMMIT")
    return "\n".join([*lines, place.line, ""])
