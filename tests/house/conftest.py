"""Fixture: the modules of the house."""

from __future__ import annotations

import pytest

from .modules import Module, read_modules


@pytest.fixture(scope="session")
def modules() -> dict[str, Module]:
    """Return every module of the house but the generated ones, by name."""
    found = read_modules()
    assert len(found) > 250
    return found
