"""A module of Python's library that is kept brings what it imports later: compared with their bytecode."""

from __future__ import annotations

import ast
import dis
import sys
import sysconfig
from importlib.machinery import PathFinder
from pathlib import Path
from subprocess import run
from types import CodeType
from typing import TYPE_CHECKING, NamedTuple

import pytest

from osquery_sdk.freeze import graph, statements

if TYPE_CHECKING:
    from collections.abc import Iterator

# Python's tests, its IDE, what installs it, and what runs when it is imported.
NOT_LIBRARY = {"test", "idlelib", "lib2to3", "turtledemo", "tkinter", "turtle", "ensurepip", "site-packages"}
NOT_LIBRARY |= {"this", "antigravity", "__phello__", "config", "_pyrepl", "pydoc_data", "msilib", "venv"}
# What a module works without: its tests of itself, and help and editing for a person at a terminal.
AT_A_DESK = {
    ("_sitebuiltins", "pydoc"),
    ("cmd", "readline"),
    ("code", "readline"),
    ("difflib", "doctest"),
    ("multiprocessing.util", "test"),
    ("multiprocessing.util", "test.support"),
    ("pdb", "readline"),
    ("pickle", "doctest"),
    ("pickletools", "doctest"),
    ("pydoc", "pydoc_data.topics"),
    ("pydoc", "pydoc_data"),
    ("site", "readline"),
    ("site", "rlcompleter"),
    # For whoever asks for a pool of processes: see test_graph.py.
    ("concurrent.futures", "concurrent.futures.process"),
}
BLOCKED = """
import importlib, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[2]:
            raise ImportError(name)
sys.meta_path.insert(0, Block())
importlib.import_module(sys.argv[1])
"""


class Imported(NamedTuple):
    """Return the names in a module's import statements."""

    module: str
    is_in_function: bool


def library() -> dict[str, Path]:
    """The modules of Python's library that have source, by name."""
    top = Path(sysconfig.get_path("stdlib"))
    found = {}
    for file in sorted(top.rglob("*.py")):
        parts = list(file.relative_to(top).with_suffix("").parts)
        if NOT_LIBRARY.isdisjoint(parts) and all(part.isidentifier() for part in parts):
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = file
    return {name: file for name, file in found.items() if name and not name.startswith("_sysconfigdata")}


def exists(name: str) -> bool:
    path = None
    for end in range(1, name.count(".") + 2):
        spec = PathFinder.find_spec(".".join(name.split(".")[:end]), path)
        if spec is None:
            return False
        path = list(spec.submodule_search_locations or ())
    return True


def imports(code: CodeType, package: str, *, is_in_function: bool = False) -> Iterator[Imported]:
    """Read bytecode: a constant with the level and one with the names come before IMPORT_NAME."""
    constants: list[object] = []
    for one in dis.get_instructions(code):
        if one.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
            constants.append(one.argval)
        elif one.opname == "IMPORT_NAME":
            level, names = constants[-2:]
            assert isinstance(level, int)
            above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
            module = ".".join([*above, *([one.argval] if one.argval else [])])
            yield Imported(module, is_in_function)
            for name in names if isinstance(names, tuple) else ():
                yield Imported(f"{module}.{name}", is_in_function)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            is_class = constant.co_flags & 0x2 == 0  # CO_NEWLOCALS is of functions
            yield from imports(constant, package, is_in_function=is_in_function or not is_class)


def imports_of(name: str, file: Path) -> set[Imported]:
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    code = compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
    return set(imports(code, package))


def is_main(file: Path) -> set[str]:
    """Return the modules that are imported only if the module is run as a program."""
    found = set()
    for statement in ast.parse(file.read_bytes()).body:
        if isinstance(statement, ast.If) and "__main__" in ast.unparse(statement.test):
            for one in ast.walk(statement):
                found |= {alias.name for alias in one.names} if isinstance(one, ast.Import) else set()
    return found


def works_without(module: str, target: str) -> bool:
    done = run([sys.executable, "-I", "-c", BLOCKED, module, target], capture_output=True)
    return done.returncode == 0


# Each has a reason of its own to import on some occasions.
SOME = (
    "asyncio.sslproto",
    "concurrent.futures.process",
    "hashlib",
    "multiprocessing.context",
    "shelve",
    "unittest",
)


@pytest.mark.parametrize("names", [SOME, pytest.param((), marks=pytest.mark.slow, id="all")])
def test_what_a_kept_module_imports_later_is_kept(names: tuple[str, ...], tmp_path: Path) -> None:
    modulegraph = pytest.importorskip("PyInstaller.lib.modulegraph.modulegraph")
    whole = modulegraph.ModuleGraph(path=[str(tmp_path), *sys.path])
    modules = library()
    assert len(modules) > 400
    checked = 0
    missing = []
    for name, file in modules.items():
        if names and name not in names:
            continue
        targets = {one for one in imports_of(name, file) if one.module != name and exists(one.module)}
        # All others are followed wherever they stand.
        rare = {
            one for one in targets if not graph.RARE.isdisjoint((one.module, one.module.partition(".")[0]))
        }
        if not rare or name.endswith("__main__"):
            continue
        script = tmp_path / f"asks_for_{name.replace('.', '_')}.py"
        script.write_text(f"import {name}\n")
        kept = graph.needed(whole, [whole.add_script(str(script))])
        assert name in kept
        for one in rare:
            checked += 1
            if one.module in kept or (name, one.module) in AT_A_DESK or one.module in is_main(file):
                continue
            if one.is_in_function or not works_without(name, one.module):
                missing.append((name, one))
    assert checked > (10 if names else 100)
    assert missing == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import a.b", [("a.b", False, False, False)]),
        ("from a import b", [("a", False, False, False), ("a.b", False, False, False)]),
        ("def f():\n  import a", [("a", True, False, False)]),
        ("class C:\n  import a", [("a", False, False, False)]),
        ("if x:\n  import a", [("a", False, True, False)]),
        ("try:\n  import a\nexcept ImportError:\n  a = None", [("a", False, False, True)]),
        ("try:\n  import a\nexcept (OSError, ImportError):\n  a = None", [("a", False, False, True)]),
        ("try:\n  import a\nexcept:\n  pass", [("a", False, False, True)]),
        ("try:\n  import a\nexcept OSError:\n  pass", [("a", False, False, False)]),
        ("try:\n  import a\nexcept ImportError:\n  raise X", [("a", False, False, False)]),
        ("try:\n  import a\nexcept ImportError:\n  def f():\n    raise X", [("a", False, False, True)]),
        ("try:\n  import a\nfinally:\n  pass", [("a", False, False, False)]),
        ("try:\n  pass\nexcept ImportError:\n  import a", [("a", False, False, False)]),
        (
            "from . import a\nfrom .b import c\nfrom ..d import e",
            [
                ("p.q", False, False, False),
                ("p.q.a", False, False, False),
                ("p.q.b", False, False, False),
                ("p.q.b.c", False, False, False),
                ("p.d", False, False, False),
                ("p.d.e", False, False, False),
            ],
        ),
    ],
)
def test_where_statements_stand(source: str, found: list[tuple[str, bool, bool, bool]]) -> None:
    assert [tuple(one) for one in statements.imports_of(source.encode(), "p.q")] == found
