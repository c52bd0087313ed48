"""Test the imports between modules: tables use public names, the wire nothing above it; there is no cycle."""

import ast
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import pytest

import osquery_sdk

if TYPE_CHECKING:
    from .conftest import Import, Module

# Parts that each part of the SDK may import. A part is a module or package directly under osquery_sdk. Parts
# without an entry (the command line, freezing, explaining, ...) are on top: they may import every part, and
# no part with an entry imports them.
MAY_KNOW = {
    "_version": set(),
    "errors": set(),
    "vocabulary": set(),
    "projects": {"errors"},
    "wire": {"errors", "vocabulary"},
    "engine": {"errors", "projects", "vocabulary", "wire"},
    "columns": {"errors", "vocabulary"},
    "named": set(),
    "rows": {"columns", "errors", "named"},
    "query": {"columns", "errors", "vocabulary"},
    "programs": {"errors", "query"},
    "answers": {"columns", "errors", "rows", "vocabulary", "wire"},
    "writable": {"errors", "query", "rows"},
    "writes": {"answers", "columns", "decoding", "errors", "query", "rows", "vocabulary", "writable"},
    "tables": {
        "answers",
        "columns",
        "errors",
        "loops",
        "query",
        "required",
        "rows",
        "sqltext",
        "vocabulary",
        "wire",
        "writable",
        "writes",
    },
    "sqltext": set(),
    "conditions": {"sqltext"},
    "required": {"conditions", "sqltext"},
    "loops": set(),
    "quoting": {"sqltext"},
    "decoding": {"errors"},
    "client": {"decoding", "errors", "quoting", "rows", "sqltext", "wire"},
    "statuslog": {"errors"},
    "telemetry": {"_version", "errors", "wire"},
    "plugin": {"errors", "wire"},
    "config": {"errors", "plugin", "vocabulary", "wire"},
    "distributed": {"errors", "plugin", "vocabulary", "wire"},
    "logger": {"errors", "plugin", "vocabulary", "wire"},
    "spool": {"errors"},
    "spooled": {"errors", "logger", "spool", "wire"},
    "session": {"errors", "tables", "wire"},
    "extension": {"client", "errors", "plugin", "session", "tables", "wire"},
}
# The one exception: an extension's method `run` imports the command line, which every extension has.
HANDS_OVER = ("osquery_sdk.cli.extension", "osquery_sdk.cli.program")
# Parts that may not import from above even for type checkers, so that they can be read and used alone.
STRICT = ("wire", "engine")


def part_of(name: str) -> str:
    """Return `wire` for osquery_sdk.wire.codec, and an empty text for osquery_sdk itself."""
    return name.split(".")[1] if "." in name else ""


def target(one: "Import", modules: "dict[str, Module]") -> str | None:
    """Return the module of the project that an import loads, or None."""
    inner = f"{one.module}.{one.name}"
    if inner in modules:
        return inner
    return one.module if one.module in modules else None


def where(module: "Module", one: "Import") -> str:
    return f"{module.name}:{one.line} imports {one.module} {one.name}".strip()


def test_tables_and_plugins_know_only_public_names_of_the_sdk(modules: "dict[str, Module]") -> None:
    found = [
        where(module, one)
        for module in modules.values()
        if module.name.startswith(("kolide_tables", "kolide_plugins"))
        for one in module.imports()
        if one.module.startswith(("osquery_sdk", "kolide_ext", "kolide_tables", "kolide_plugins"))
        and one.module.partition(".")[0] != module.name.partition(".")[0]
        and not (one.module == "osquery_sdk" and one.name in osquery_sdk.__all__)
    ]
    assert found == []


def test_extensions_know_tables_and_public_names_of_the_sdk(modules: "dict[str, Module]") -> None:
    found = [
        where(module, one)
        for module in modules.values()
        if module.name.startswith("kolide_ext")
        for one in module.imports()
        if one.module.startswith("osquery_sdk")
        and not (one.module == "osquery_sdk" and one.name in osquery_sdk.__all__)
    ]
    assert found == []


def test_the_sdk_knows_no_tables_and_no_extension(modules: "dict[str, Module]") -> None:
    found = [
        where(module, one)
        for module in modules.values()
        if module.name.startswith("osquery_sdk")
        for one in module.imports()
        if one.module.startswith(("kolide_tables", "kolide_plugins", "kolide_ext"))
    ]
    assert found == []


@pytest.mark.parametrize("part", MAY_KNOW)
def test_a_part_of_the_sdk_knows_only_those_below_it(part: str, modules: "dict[str, Module]") -> None:
    found = []
    members = [
        module
        for module in modules.values()
        if module.name.startswith("osquery_sdk") and part_of(module.name) == part
    ]
    assert members, f"osquery_sdk.{part} is no more: take it out of MAY_KNOW"
    for module in members:
        for one in module.imports():
            other = target(one, modules)
            if other is None or not other.startswith("osquery_sdk") or (module.name, other) == HANDS_OVER:
                continue
            if one.for_types and part not in STRICT:
                continue
            if part_of(other) not in MAY_KNOW[part] | {part}:
                found.append(where(module, one))
    assert found == [], "if it is right that it knows that, say so in MAY_KNOW"


def test_the_engine_knows_no_table_class(modules: "dict[str, Module]") -> None:
    """The engine is a peer of osqueryd: it gets tables over the socket, as routes."""
    names = {"Table", "Row", "Column", "ColumnDef", "Query", "ColumnInfo"}
    found = [
        where(module, one)
        for module in modules.values()
        if module.name.startswith("osquery_sdk.engine")
        for one in module.imports()
        if one.name in names and one.module.startswith("osquery_sdk")
    ]
    assert found == []


def test_only_a_function_hands_over(modules: "dict[str, Module]") -> None:
    """Importing an extension must not import its command line: osqueryd waits for it to start."""
    module = modules[HANDS_OVER[0]]
    top = [
        node for node in module.tree.body if isinstance(node, ast.ImportFrom) and "cli" in (node.module or "")
    ]
    assert top == []


def test_nobody_goes_round(modules: "dict[str, Module]") -> None:
    """There is no cycle of imports, including those in functions, but without those for type checkers."""
    graph = {
        module.name: {
            other
            for one in module.imports()
            if not one.for_types and (other := target(one, modules)) is not None and other != module.name
        }
        for module in modules.values()
    }
    # Python imports a module's package first. That does not count, because no statement says so.
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a cycle: {' <- '.join(error.args[1])}")


def test_the_test_sees_imports(modules: "dict[str, Module]") -> None:
    """The parser finds imports of each form, so an empty result above means that there are none."""
    seen = {
        (module.name, target(one, modules), one.for_types)
        for module in modules.values()
        for one in module.imports()
    }
    assert ("osquery_sdk.tables", "osquery_sdk.rows", False) in seen  # relative
    assert ("osquery_sdk.cli.extension", "osquery_sdk.cli.program", False) in seen  # within a function
    assert ("osquery_sdk.query", "osquery_sdk.tables", True) in seen  # for type checkers
    assert ("kolide_tables.own.ext_tables", "osquery_sdk", False) in seen  # absolute
    assert ("osquery_sdk.engine.database", "osquery_sdk.wire.protocol", False) in seen  # from two packages up
