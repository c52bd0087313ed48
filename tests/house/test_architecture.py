"""ARCHITECTURE.md is true: the paths, names and rules in it exist, and the table of eight lines works."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

import kolide_tables.machine
from kolide_tables import catalog
from osquery_sdk import Extension
from osquery_sdk.engine import Host

from ..support.paths import ROOT
from . import layers
from .modules import ROOTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from .modules import Module

TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
PICTURE = TEXT.partition("## The picture")[2].split("```")[1]
QUOTED = sorted(set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))))
PATHS = [word for word in QUOTED if "/" in word and " " not in word]
# Words of others: programs, packages, the protocol, commands and options.
FOREIGN = {"PyPI", "osquery", "call", "generate", "main", "str()", "sqlite3", "__all__", "key=True"}
LINKS = re.findall(r"\]\(([^)#\s]+)", TEXT)


def block(mark: str) -> str:
    """Return the code below `<!-- mark -->`."""
    return TEXT.partition(f"<!-- {mark} -->\n```")[2].partition("\n")[2].partition("```")[0]


def rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of the lines of tables."""
    for line in text.splitlines():
        if line.strip().startswith("|") and not set(line) <= set("|- "):
            yield [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def names_in(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module defines: functions, classes, their members, and constants."""
    for node in tree.body:
        yield from _defined(node)
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{name}" for inner in node.body for name in _defined(inner))


def _defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id


def names_by_file(modules: Mapping[str, Module]) -> dict[str, set[str]]:
    return {str(m.path.relative_to(ROOT)): set(names_in(m.tree)) for m in modules.values()}


@pytest.mark.parametrize("path", [*PATHS, *LINKS])
def test_paths_exist(path: str) -> None:
    assert (ROOT / path).exists()


def test_names_after_a_file_are_defined_in_it(modules: Mapping[str, Module]) -> None:
    """In a row of a table a file is followed by the names in it."""
    defined = names_by_file(modules)
    pairs = []
    for cells in rows(TEXT):
        file = ""
        for word in re.findall(r"`([^`]+)`", " ".join(cells)):
            if word.endswith(".py"):
                file = word
            elif file and word in QUOTED and "/" not in word and not word.startswith("checks_"):
                pairs.append((file, word))
    assert len(pairs) > 60
    assert [pair for pair in pairs if pair[1] not in defined[pair[0]]] == []


def test_all_other_names_exist(modules: Mapping[str, Module]) -> None:
    known = set().union(*names_by_file(modules).values())
    known |= {part for name in modules for part in name.split(".")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known |= {name.removeprefix("osquery_sdk.") for name in modules}
    known |= {project["name"], *project["optional-dependencies"], "@table", *FOREIGN}
    words = [word for word in QUOTED if word not in PATHS and not word.startswith("osquery-sdk ")]
    assert [word for word in words if word not in known] == []


def test_the_picture_has_every_root_and_every_room(modules: Mapping[str, Module]) -> None:
    shown = set(re.findall(r"[\w/]+", PICTURE))
    folders = {line.split()[0].rstrip("/") for line in PICTURE.splitlines() if line and line[0] != " "}
    assert folders >= {*ROOTS, "tests", "build"}
    assert all((ROOT / folder).is_dir() for folder in folders)
    rooms = {layers.room(name) for name in modules if layers.member(name) == "osquery_sdk"}
    rooms = {room for room in rooms if room and f"osquery_sdk.{room}" in modules} - {"_version"}
    assert {room for room in rooms if not {room, f"{room}/"} & shown} == set()
    assert {family for family in (*layers.FAMILIES, "reading") if f"{family}/" not in shown} == set()


def test_the_folders_of_the_picture_are_there() -> None:
    """A folder stands below the last line that is less indented."""
    above: list[tuple[int, Path]] = [(-1, ROOT)]
    for line in PICTURE.splitlines():
        indent = len(line) - len(line.lstrip())
        while above[-1][0] >= indent:
            above.pop()
        names = re.split(r" {3,}", line.strip())[0].split()
        for name in names:
            if name.endswith("/"):
                assert (above[-1][1] / name).is_dir(), name
        if names:
            above.append((indent, above[-1][1] / names[0]))


def test_the_floors_are_those_of_the_rules() -> None:
    floors = {
        int(cells[0]): set(re.findall(r"`(\w+)`", cells[1])) for cells in rows(TEXT) if cells[0].isdigit()
    }
    assert [floors[number] for number in sorted(floors)] == [set(names) for names in layers.FLOORS]
    beside = {}
    for cells in rows(TEXT):
        if cells[0].isdigit() and cells[2:]:
            for phrase in filter(None, cells[2].split("; ")):
                room, *known = re.findall(r"`([\w.]+)`", phrase)
                beside[room] = set(known)
    assert beside == {room: known for room, known in layers.BESIDE.items() if known}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc/mounts")
def test_the_eight_lines_are_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = block("eight lines")
    assert len([line for line in code.splitlines() if line]) == 8
    (tmp_path / "mount_points.py").write_text(code)
    monkeypatch.setattr(kolide_tables.machine, "__path__", [*kolide_tables.machine.__path__, str(tmp_path)])
    entry = eval(block("catalogue line"), vars(catalog))
    with Host([Extension("eight_lines", version="1", plugins=[entry.load()]).start]) as host:
        mounted = host.query("select path from kolide_mount_points where path = '/'").rows
    assert mounted[0] == {"path": "/"}


def test_the_image_has_every_root() -> None:
    """The Dockerfile copies the roots, its context has them, and the compose file mounts them."""
    tops = {root.partition("/")[0] for root in ROOTS}
    copied = set(re.findall(r"^COPY (\w+) \1$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    context = set(re.findall(r"^!(\w+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    mounted = set(re.findall(r"source: \./(\w+),", (ROOT / "compose.yaml").read_text()))
    assert tops <= copied & context & mounted
