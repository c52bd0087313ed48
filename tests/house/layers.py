"""The rules of ARCHITECTURE.md's "Who may know whom", as functions that return the imports that break them.

Imports for type checkers count like any other. Each rule takes the modules by name, so a test can hand it a
made-up house.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .modules import Import, Module

    Modules = Mapping[str, Module]
    Rule = Callable[[Modules], list[str]]

MEMBERS = ("kolide_kit", "osquery_sdk", "kolide_tables", "kolide_plugins", "kolide_ext")

# The rooms of the SDK from the bottom up. A room may know those of the lines below its own, and the rooms or
# modules of its own line that BESIDE names for it.
FLOORS = (
    ("vocabulary", "errors", "_version"),
    ("wire", "sql"),
    ("tables", "plugins", "asking", "engine"),
    ("serving",),
    ("client", "statuslog", "telemetry", "compat", "freeze", "packaging", "doctor", "testing", "cli"),
)
BESIDE = {
    "errors": {"vocabulary"},
    "tables": set[str](),
    "asking": {"tables"},
    "plugins": set[str](),
    "engine": set[str](),
    "testing": set[str](),
    "cli": {"freeze", "packaging", "doctor"},
    # A program of PyPI's `osquery` package runs the command line of an `Extension`. The probe of a frozen
    # program's script stops the script where that `Extension` would run.
    "compat": {"cli.extension"},
    "freeze": {"cli.extension"},
}
FAMILIES = ("documents", "software", "secrets", "exposure", "machine", "own")


# Files that run by their path, outside of their package: there are no relative imports in them.
SCRIPTS = ("osquery_sdk.freeze.probe", "osquery_sdk.freeze.runtime.", "osquery_sdk.freeze.hooks.")


class Edge(NamedTuple):
    """An import of one module of the house by another."""

    module: Module
    line: Import
    target: str

    def __str__(self) -> str:
        """Return the place, and what is imported there."""
        return f"{self.module.name}:{self.line.line} imports {self.target} {self.line.name}".rstrip()


def edges(modules: Modules) -> Iterator[Edge]:
    """Yield the imports that lead to another module of the house."""
    for module in modules.values():
        for line in module.imports():
            target = f"{line.module}.{line.name}"
            if target not in modules:
                target = line.module
            if target in modules and target != module.name:
                yield Edge(module, line, target)


def member(name: str) -> str:
    """Return the member that a module belongs to: `osquery_sdk` for osquery_sdk.wire.codec."""
    return name.partition(".")[0]


def room(name: str) -> str:
    """Return a module's room in its member: `wire` for osquery_sdk.wire.codec, "" for the package itself."""
    return name.split(".")[1] if "." in name else ""


def kit_knows_nothing(modules: Modules) -> list[str]:
    """kolide_kit imports nothing of the house."""
    return [str(e) for e in edges(modules) if member(e.module.name) == "kolide_kit" != member(e.target)]


def the_sdk_knows_the_kit_alone(modules: Modules) -> list[str]:
    """osquery_sdk imports no member but the kit."""
    return [
        str(e)
        for e in edges(modules)
        if member(e.module.name) == "osquery_sdk" and member(e.target) not in ("osquery_sdk", "kolide_kit")
    ]


def rooms_know_lower_floors(modules: Modules) -> list[str]:
    """Each room of the SDK knows the floors below it, and on its own floor those that BESIDE names."""
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    found = []
    for edge in edges(modules):
        if not member(edge.module.name) == member(edge.target) == "osquery_sdk":
            continue
        own, other = room(edge.module.name), room(edge.target)
        if own in ("", other):
            continue  # the package itself exports the public names of all
        if own not in floor:
            found.append(f"{edge.module.name}: no floor is known of the room {own!r}; add it to FLOORS")
        elif (
            not other
            or floor.get(other, len(FLOORS)) > floor[own]
            or (
                floor[other] == floor[own]
                and not {other, edge.target.partition(".")[2]} & BESIDE.get(own, set())
            )
        ):
            found.append(str(edge))
    return found


def the_engine_knows_no_table_class(modules: Modules) -> list[str]:
    """The engine is a peer of osqueryd: tables come to it over the socket, as routes."""
    return [
        str(e)
        for e in edges(modules)
        if e.module.name.startswith("osquery_sdk.engine")
        and room(e.target) in ("tables", "plugins", "serving")
    ]


def others_know_public_names(modules: Modules) -> list[str]:
    """Tables, plugins and extensions import the kit and names that the SDK and its packages export."""
    found = []
    for edge in edges(modules):
        if member(edge.module.name) in ("osquery_sdk", "kolide_kit") or member(edge.target) == "kolide_kit":
            continue
        if member(edge.target) == member(edge.module.name):
            continue
        exported = modules[edge.line.module].exports() if edge.line.module in modules else ()
        is_package = edge.line.module in modules and modules[edge.line.module].is_package
        if not is_package or edge.line.name not in exported:
            found.append(str(edge))
    return found


def families_know_no_other(modules: Modules) -> list[str]:
    """A family of tables imports `reading`, the kit and itself; the catalogue alone names them all."""
    found = []
    for edge in edges(modules):
        if not member(edge.module.name) == member(edge.target) == "kolide_tables":
            continue
        own, other = room(edge.module.name), room(edge.target)
        if own in FAMILIES and other not in (own, "reading"):
            found.append(str(edge))
        if own == "reading" and other != own:
            found.append(str(edge))
        if own not in (*FAMILIES, "catalog") and other in FAMILIES:
            found.append(str(edge))
    return found


def tables_and_plugins_are_strangers(modules: Modules) -> list[str]:
    """Tables and plugins do not know each other; extensions know both."""
    pair = {"kolide_tables", "kolide_plugins"}
    return [str(e) for e in edges(modules) if {member(e.module.name), member(e.target)} == pair]


def nobody_knows_extensions(modules: Modules) -> list[str]:
    """Nobody imports an extension but its own modules."""
    return [str(e) for e in edges(modules) if member(e.target) == "kolide_ext" != member(e.module.name)]


def imports_within_a_member_are_relative(modules: Modules) -> list[str]:
    """A member imports its own modules relatively, so that imports of other members stand out."""
    return [
        str(edge)
        for edge in edges(modules)
        if member(edge.module.name) == member(edge.target)
        and not edge.line.relative
        and not edge.module.name.startswith(SCRIPTS)
    ]


def there_is_no_circle(modules: Modules) -> list[str]:
    """No module imports itself by way of others; imports within functions and for types count."""
    graph: dict[str, set[str]] = {name: set() for name in modules}
    for edge in edges(modules):
        graph[edge.module.name].add(edge.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [f"a circle: {' <- '.join(error.args[1])}"]
    return []


RULES: tuple[Rule, ...] = (
    kit_knows_nothing,
    the_sdk_knows_the_kit_alone,
    rooms_know_lower_floors,
    the_engine_knows_no_table_class,
    others_know_public_names,
    families_know_no_other,
    tables_and_plugins_are_strangers,
    nobody_knows_extensions,
    imports_within_a_member_are_relative,
    there_is_no_circle,
)
