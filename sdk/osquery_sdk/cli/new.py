"""The command `new`: a small extension to begin with, that passes its own test."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from osquery_sdk._version import __version__
from osquery_sdk.columns import check_name
from osquery_sdk.errors import DefinitionError

from .outcome import Failed, Misuse
from .parser import Command, completes

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_PYPROJECT = Template("""\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "$project"
version = "0.1.0"
description = "An osquery extension"
requires-python = ">=3.11"
dependencies = ["osquery-sdk>=$sdk"]

[project.optional-dependencies]
test = ["osquery-sdk[engine]", "pytest>=8", "mypy"]

[project.scripts]
$project = "$module:main"

[tool.hatch.build.targets.wheel]
only-include = ["$module.py"]

[tool.mypy]
strict = true
files = ["$module.py", "test_$module.py"]

[tool.pytest.ini_options]
testpaths = ["test_$module.py"]
""")

_MODULE = Template('''\
#!/usr/bin/env python3
"""An osquery extension with the table $module: space on file systems."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from osquery_sdk import Column, Extension, Query, Row, table


class Space(Row):
    """The file system that a path is on."""

    path: str = Column("A path on the file system; / unless the statement says which", index=True, key=True)
    total: int = Column("Size, in bytes")
    used: int = Column("Used, in bytes")
    free: int = Column("Free for this user, in bytes")


@table(
    "$module",
    examples=("select path, free * 100 / total as percent_free from $module where path in ('/', '/tmp')",),
)
def $module(query: Query) -> Iterator[Space]:
    """Space on the file systems that paths are on."""
    for path in query.equals("path") or ("/",):
        if not Path(path).exists():
            query.warn(f"no such path: {path}")
            continue
        space = shutil.disk_usage(path)
        yield Space(path=path, total=space.total, used=space.used, free=space.free)


def main() -> int:
    """Serve the table, or run one of the commands that every extension has; see --help."""
    return Extension("$project", version="0.1.0", plugins=[$module]).run()


if __name__ == "__main__":
    raise SystemExit(main())
''')

_TEST = Template('''\
"""The table $module, through SQL."""

import shutil
from collections.abc import Callable
from pathlib import Path

from osquery_sdk import Table
from osquery_sdk.engine import Host, TableCall

from $module import $module

Serve = Callable[..., Host]


def test_a_file_system_has_its_size(osquery_host: Serve, tmp_path: Path) -> None:
    host = osquery_host($module)
    sql = f"select total, free > 0 as some from $module where path = '{tmp_path}'"
    assert host.query(sql).rows == [{"some": "1", "total": str(shutil.disk_usage(tmp_path).total)}]


def test_all_paths_of_an_in_arrive_at_once(osquery_host: Serve, tmp_path: Path) -> None:
    calls: list[TableCall] = []
    host = osquery_host($module)
    host.observer = calls.append
    sql = f"select path from $module where path in ('/', '{tmp_path}') order by path"
    assert [row["path"] for row in host.query(sql).rows] == ["/", str(tmp_path)]
    assert len(calls) == 1


def test_a_path_that_is_not_there_has_no_row() -> None:
    table: Table = $module
    assert table.rows(path="/no/such/path") == []
''')

_README = Template("""\
# $project

An osquery extension with one table, `$module`. In an environment that has osquery-sdk:

    pip install -e '.[test]'
    pytest

SQL without osquery; a shell that follows your changes; what reaches the table of a statement:

    $project query "select * from $module"
    osquery-sdk run ./$module.py
    osquery-sdk explain --extension ./$module.py "select * from $module where path = '/tmp'"

With osquery:

    osqueryi --extension ./$module.py --extensions_require=$project "select * from $module"

A program that needs no Python, and packages of it, for osqueryd to load; `doctor` says whether it would:

    osquery-sdk build ./$module.py
    osquery-sdk package build/$project.bundle
    ./build/$project doctor

`$project --help` lists what else it does: `tables`, `schema`, `shell`, `version`, `completion`.
""")


def new_command() -> Command:
    """The command."""

    def add_arguments(parser: ArgumentParser) -> None:
        parser.add_argument(
            "name", metavar="NAME", help="of the extension and its table: letters, digits, - and _"
        )
        folder = parser.add_argument("--folder", metavar="FOLDER", help="where to make it (./NAME)")
        completes(folder, "folder")

    def run(options: Namespace) -> int:
        folder = make(options.name, Path(options.folder or options.name))
        module = module_name(options.name)
        print(f"Made {folder}. Next:\n  cd {folder}\n  osquery-sdk run ./{module}.py")
        return 0

    return Command(
        "new",
        "make an extension to begin with",
        ("new hello", "new acme-usb --folder extensions/usb"),
        add_arguments,
        run,
    )


def module_name(name: str) -> str:
    """The name as Python and SQL take it.

    Raises:
        Misuse: it cannot be one.
    """
    module = re.sub(r"[-.]", "_", name).lower()
    try:
        check_name(module, "the name")
    except DefinitionError as error:
        raise Misuse(str(error)) from error
    if module == "osquery_sdk":
        raise Misuse("the name osquery_sdk is taken; choose another")
    return module


def make(name: str, folder: Path) -> Path:
    """Write the files into a new or empty folder.

    Raises:
        Misuse: the name cannot be one.
        Failed: there is something in the folder.
    """
    module = module_name(name)
    words = {"project": name.lower(), "module": module, "sdk": __version__}
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Failed(f"{folder} is there already and not empty; give --folder, or another name")
    folder.mkdir(parents=True, exist_ok=True)
    for file, template in {
        "pyproject.toml": _PYPROJECT,
        f"{module}.py": _MODULE,
        f"test_{module}.py": _TEST,
        "README.md": _README,
    }.items():
        (folder / file).write_text(template.substitute(words), encoding="utf-8")
    # osquery starts it as a program.
    (folder / f"{module}.py").chmod(0o755)
    return folder
