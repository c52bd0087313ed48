"""Fixture: the project's modules, and the imports that their sources contain."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOTS = (
    "kit/kolide_kit",
    "sdk/osquery_sdk",
    "tables/kolide_tables",
    "plugins/kolide_plugins",
    "extensions/kolide_ext",
)
GENERATED = "osquery_sdk.wire.gen."


class Import(NamedTuple):
    """A name that a module imports.

    Attributes:
        module: the imported module; a relative name is resolved.
        name: the name taken from it; empty for `import module`.
        line: the line of the statement.
        for_types: True if only type checkers run the statement.
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
    def package(self) -> str:
        """Return the package that its relative imports begin from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    def imports(self) -> Iterator[Import]:
        """Yield all of its imports, including those within functions."""
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


@pytest.fixture(scope="session")
def modules() -> dict[str, Module]:
    """Return every module of the project by name, except the generated ones."""
    top = Path(__file__).parents[2]
    found = {}
    for root in ROOTS:
        source = (top / root).parent
        for path in sorted((top / root).rglob("*.py")):
            parts = path.relative_to(source).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if not name.startswith(GENERATED):
                found[name] = Module(name, path, ast.parse(path.read_text(), str(path)))
    assert len(found) > 60
    return found
