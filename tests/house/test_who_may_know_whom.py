"""ARCHITECTURE.md's "Who may know whom" holds for the house; each rule fails for a house that breaks it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from . import layers
from .modules import Module

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .layers import Rule


@pytest.mark.parametrize("rule", layers.RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_the_rule(rule: Rule, modules: Mapping[str, Module]) -> None:
    assert rule(modules) == []


def test_every_room_has_a_floor(modules: Mapping[str, Module]) -> None:
    rooms = {layers.room(name) for name in modules if layers.member(name) == "osquery_sdk"} - {""}
    assert rooms == {name for floor in layers.FLOORS for name in floor}


def test_every_family_is_there(modules: Mapping[str, Module]) -> None:
    for family in (*layers.FAMILIES, "reading"):
        assert f"kolide_tables.{family}" in modules


def house(**sources: str) -> dict[str, Module]:
    """Return made-up modules; `__` in a name stands for a dot. `osquery_sdk` exports one name, `Query`."""
    texts = {"osquery_sdk": "__all__ = ['Query']\nfrom .tables.query import Query\n"}
    texts |= {"osquery_sdk.tables": "", "osquery_sdk.tables.query": "class Query: ..."}
    texts |= {name.replace("__", "."): text for name, text in sources.items()}
    packages = {name.rpartition(".")[0] for name in texts} | {"osquery_sdk"}
    return {
        name: Module(
            name,
            Path(name.replace(".", "/")) / "__init__.py" if name in packages else Path(f"{name}.py"),
            ast.parse(text),
        )
        for name, text in texts.items()
    }


@pytest.mark.parametrize(
    ("rule", "sources"),
    [
        (layers.kit_knows_nothing, {"kolide_kit__files": "from osquery_sdk import Query"}),
        (
            layers.the_sdk_knows_the_kit_alone,
            {"osquery_sdk__serving__x": "from kolide_tables import y", "kolide_tables": ""},
        ),
        (
            layers.rooms_know_lower_floors,
            {"osquery_sdk__wire__codec": "from ..tables import query"},
        ),
        (
            layers.rooms_know_lower_floors,
            {
                "osquery_sdk__freeze__x": "def f():\n    from ..packaging import y",
                "osquery_sdk__packaging": "",
                "osquery_sdk__packaging__y": "",
            },
        ),
        (layers.rooms_know_lower_floors, {"osquery_sdk__attic__x": "from ..tables import query"}),
        (layers.rooms_know_lower_floors, {"osquery_sdk__serving__x": "from osquery_sdk import Query"}),
        (
            layers.rooms_know_lower_floors,
            {
                "osquery_sdk__errors": "from typing import TYPE_CHECKING\n"
                "if TYPE_CHECKING:\n    from .tables.query import Query"
            },
        ),
        (
            layers.the_engine_knows_no_table_class,
            {"osquery_sdk__engine__sql__x": "from osquery_sdk.tables.query import Query"},
        ),
        (
            layers.others_know_public_names,
            {"kolide_tables__own__notes": "from osquery_sdk.tables.query import Query"},
        ),
        (layers.others_know_public_names, {"kolide_ext____main__": "from osquery_sdk import tables"}),
        (
            layers.families_know_no_other,
            {
                "kolide_tables__secrets__luks": "from ..machine.journal import read",
                "kolide_tables__machine__journal": "",
            },
        ),
        (
            layers.families_know_no_other,
            {
                "kolide_tables__reading__homes": "from ..machine import journal",
                "kolide_tables__machine__journal": "",
            },
        ),
        (
            layers.tables_and_plugins_are_strangers,
            {"kolide_plugins__x": "import kolide_tables", "kolide_tables": ""},
        ),
        (layers.nobody_knows_extensions, {"kolide_tables__x": "import kolide_ext.y", "kolide_ext__y": ""}),
        (
            layers.imports_within_a_member_are_relative,
            {"kolide_kit__a": "from kolide_kit.b import x", "kolide_kit__b": ""},
        ),
        (
            layers.there_is_no_circle,
            {
                "kolide_kit__a": "from . import b",
                "kolide_kit__b": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import x",
            },
        ),
    ],
    ids=lambda value: value.__name__ if callable(value) else next(iter(value)),
)
def test_a_house_that_breaks_it_fails(rule: Rule, sources: dict[str, str]) -> None:
    assert rule(house()) == []
    assert rule(house(**sources)) != []
