"""Read the import statements of a module of Python's library: their places, and their fallbacks.

A statement has a fallback if it stands in a `try` whose handler catches the ImportError and goes on. A
statement in a function has none: the function fails when it is called. If a module has both, PyInstaller's
graph does not tell them apart.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_CATCHES = frozenset(("ImportError", "ModuleNotFoundError", "Exception", "BaseException"))


class Import(NamedTuple):
    """A module that a statement names."""

    module: str
    """The absolute name; `from package import name` gives `package`, and also `package.name`."""
    is_in_function: bool
    is_conditional: bool
    """True if the statement stands in an `if`."""
    has_fallback: bool
    """True if its failure is caught and not raised again."""


def imports_of(source: bytes, package: str) -> list[Import]:
    """Return the imports of a module.

    Args:
        source: of the module.
        package: the package that relative imports begin from; the module itself if it is a package.

    Raises:
        SyntaxError: the source is not valid Python.
    """
    return list(_walk(ast.parse(source), package, Import("", False, False, False)))


def _walk(node: ast.AST, package: str, place: Import) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for name in node.names:
            yield place._replace(module=name.name)
    elif isinstance(node, ast.ImportFrom):
        module = _absolute(node, package)
        yield place._replace(module=module)
        for name in node.names:
            yield place._replace(module=f"{module}.{name.name}")
    elif isinstance(node, (ast.Try, ast.TryStar)):
        caught = place.has_fallback or any(map(_goes_on, node.handlers))
        for statement in node.body:
            yield from _walk(statement, package, place._replace(has_fallback=caught))
        for part in (*node.handlers, *node.orelse, *node.finalbody):
            yield from _walk(part, package, place)
    else:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            place = place._replace(is_in_function=True)
        elif isinstance(node, ast.If):
            place = place._replace(is_conditional=True)
        for child in ast.iter_child_nodes(node):
            yield from _walk(child, package, place)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join((*above, *([node.module] if node.module else [])))


def _goes_on(handler: ast.ExceptHandler) -> bool:
    """Return True for a handler that catches an ImportError and raises nothing itself."""
    if handler.type is None:
        names = {"ImportError"}
    else:
        names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
    return bool(names & _CATCHES) and not _raises(handler)


def _raises(node: ast.AST) -> bool:
    """Return True if there is a `raise`, not counting functions that are defined there."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        return False
    return isinstance(node, ast.Raise) or any(map(_raises, ast.iter_child_nodes(node)))
