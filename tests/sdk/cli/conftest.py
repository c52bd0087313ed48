"""Fixtures of the tests of the command lines."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from osquery_sdk import Extension

from ...support.commands import SAMPLE

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture(scope="session")
def sample() -> ModuleType:
    """Return the sample extension as a module."""
    spec = importlib.util.spec_from_file_location("sample", SAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def extension(sample: ModuleType) -> Extension:
    """Return the sample extension, in this process."""
    return Extension(
        "sample", version="1.2.3", plugins=[sample.numbers, sample.texts, sample.naps, sample.elsewhere]
    )
