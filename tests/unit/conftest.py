"""A fixture for the tests of tables: the files that were opened, to show that a look-up reads few."""

import os
from typing import Any

import pytest


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of all files that tables have opened, in order; clear it after what the test itself does."""
    paths: list[str] = []
    real = os.open

    def spy(path: Any, *arguments: Any, **options: Any) -> int:
        paths.append(os.fspath(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", spy)
    return paths
