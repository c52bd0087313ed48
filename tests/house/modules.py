"""The modules of the house, as their source says what they import."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from ..support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOTS = (
    "kit/kolide_kit",
    "sdk/osquery_sdk",
    "tables/kolide_tables",
    "plugins/kolide_plugins",
    "extensions/kolide_ext",
)
_GENERATED = "osquery_sdk.wire.gen."


class Import(NamedTuple):
    """A name that a module imports.

    Attributes:
        module: the module that it leads to, as the import statement names it.
        name: what is taken from it; empty for `import module`.
        line: the line's number.
        for_types: only type checkers see it.
    """

    module: str
    name: str
    line: int
    for_types: bool


class Module(NamedTuple):
    """A module and its syntax tree."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        """True for a package's `__init__`."""
        return self.path.name == "__init__.py"

    @property
    def package(self) -> str:
        """The package that its relative imports begin from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    def exports(self) -> frozenset[str]:
        """Return the names in its `__all__`; none without one."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                return frozenset(ast.literal_eval(node.value))
        return frozenset()

    def imports(self) -> Iterator[Import]:
        """Yield all of its imports, those within functions included."""
        hidden = {
            id(node)
            for block in ast.walk(self.tree)
            if isinstance(block, ast.If)
            and ast.unparse(block.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
            for statement in block.body
            for node in ast.walk(statement)
        }
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(alias.name, "", node.lineno, id(node) in hidden)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    above = self.package.split(".")[: len(self.package.split(".")) - node.level + 1]
                    base = ".".join((*above, base) if base else above)
                for alias in node.names:
                    yield Import(base, alias.name, node.lineno, id(node) in hidden)


def read_modules() -> dict[str, Module]:
    """Return every module of the house but the generated ones, by name."""
    found = {}
    for root in ROOTS:
        source = (ROOT / root).parent
        for path in sorted((ROOT / root).rglob("*.py")):
            parts = path.relative_to(source).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if not name.startswith(_GENERATED):
                found[name] = Module(name, path, ast.parse(path.read_text(), str(path)))
    return found
