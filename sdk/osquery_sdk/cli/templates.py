"""Check the name of a new project, and return its files from a template.

A template is a folder with the files of a project named my_ext. In a checkout the templates are in
examples/templates, in an installed SDK in a folder of the package. The new project's name replaces my_ext
wherever it stands.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .._version import __version__
from ..errors import DefinitionError
from ..tables.columns import check_name
from .exit_codes import Failed, Misuse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kolide_kit.installed import Source

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
# These files become parts of the README.
_PARTS = {"ABOUT": "about.md", "TRY": "try.md"}
_HIDDEN = (".ci", ".github", ".gitignore")
_PROJECT_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
# Longer names would break the templates' line lengths.
_MAX_LETTERS = 40
# Names of a project's other folders, of programs in its environment, and of devices on Windows.
_TAKEN = {
    "build": "its folder of programs",
    "dist": "its folder of packages",
    "tests": "its folder of tests",
    "osquery": "another distribution",
    **dict.fromkeys(("activate", "python", "python3"), "a program of its environment"),
    **dict.fromkeys(("aux", "con", "nul", "prn"), "a device on Windows"),
}


class Names(NamedTuple):
    """Names of a project."""

    project: str
    """Name of the extension, the distribution and the program."""
    module: str
    """Name of the package and the table."""


def check_names(name: str, template: str = DEFAULT) -> Names:
    """Return the names that a project has in Python, in SQL and for pip.

    Raises:
        Misuse: the name is not valid in one of them, or it is taken.
    """
    module = re.sub(r"[-.]", "_", name).lower()
    try:
        check_name(module, "the name")
    except DefinitionError as error:
        raise Misuse(str(error)) from error
    if len(name) > _MAX_LETTERS:
        raise Misuse(f"the name {name} has {len(name)} characters; use at most {_MAX_LETTERS}")
    if not _PROJECT_NAME.fullmatch(name):
        raise Misuse(f"the name {name!r}: begin and end it with a letter or digit, as pip requires")
    owner = _owner(module, template)
    if owner:
        raise Misuse(f"the name {name} is taken by {owner}; choose another, such as my_{module}")
    return Names(name.lower(), module)


def _owner(module: str, template: str) -> str:
    """Return what has the name already; "" if nothing has."""
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
    # A folder without Python files has a spec without an origin; nothing imports it.
    return spec is not None and spec.origin is not None


def render(template: str, names: Names, place: Source) -> dict[str, str]:
    """Return the files of a project: contents by path within the project.

    Args:
        template: name of the template.
        names: names of the project.
        place: the source that the project installs the SDK from.

    Raises:
        Failed: the templates are missing.
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
    # MY_EXT begins the names of environment variables.
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
    """Return the folder of the templates, in the installed package or in the checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "templates", package.parents[1] / "examples" / "templates"):
        if (folder / _COMMON).is_dir():
            return folder
    raise Failed(
        f"the templates are missing from {package} and from a checkout around it; install the SDK again"
    )


def _requirements(place: Source) -> str:
    """Return the text of requirements.txt, which says where to install the SDK from."""
    lines = ["# Where osquery-sdk is installed from: where the one was that made this project."]
    if place.url.startswith(("file:", "git+file:")):
        lines.append(
            "# That is on this machine alone. For others, name a place that they can reach, such as:"
        )
        lines.append("# osquery-sdk @ git+https://HOST/REPOSITORY@COMMIT")
    return "\n".join([*lines, place.line, ""])
