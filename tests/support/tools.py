"""Find the programs that the tests of tables compare with."""

import shutil
from collections.abc import Callable

import pytest

Run = Callable[..., str]


def tool(name: str) -> str:
    """Return the path of an installed program; without it the test is skipped."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs {name}")
    return path
