"""Share what the tests of data files need: a document in, its rows out."""

import shutil
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from kolide_kit.limits import Budget, Limits
from kolide_tables.documents.formats import OPENERS
from kolide_tables.documents.terms import parse_query

Select = Callable[..., dict[str, str]]


@pytest.fixture(scope="session")
def select() -> Select:
    """`select(format, data, query)` gives {fullkey: value}; no two rows of these tests have the same key."""

    def run(form: str, data: bytes | str, query: str = "*", limits: Limits | None = None) -> dict[str, str]:
        budget = Budget(limits or Limits())
        raw = data.encode() if isinstance(data, str) else data
        cells = OPENERS[form](raw, budget).select(parse_query(query), budget)
        for fullkey, parent, key, _ in cells:
            assert fullkey in (key, f"{parent}/{key}")
        found = {cell[0]: cell[3] for cell in cells}
        assert len(found) == len(cells), "two rows with one key"
        return found

    return run


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """`tool(name)` is the path of an installed program; without it the test is skipped."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is not installed: it is the oracle of this test")
        return path

    return find


class _Writer(yaml.CSafeDumper):
    """Writes YAML for 1.2: PyYAML leaves a text such as 089 plain, which is a number there."""


def _text(writer: Any, text: str) -> yaml.Node:
    style = '"' if text[:1] in tuple("0123456789+-.") else None
    node: yaml.Node = writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)
    return node


_Writer.add_representer(str, _text)


def write_yaml(document: object, **options: Any) -> str:
    """Return a document as PyYAML writes it."""
    written: str = yaml.dump(document, Dumper=_Writer, allow_unicode=True, sort_keys=False, **options)
    return written
