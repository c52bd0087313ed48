"""Fixtures for the tests of authors' faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .faults import FAULTS

if TYPE_CHECKING:
    from .faults import Fault


@pytest.fixture(params=FAULTS, ids=[fault.name for fault in FAULTS])
def fault(request: pytest.FixtureRequest) -> Fault:
    """Give each way to fail, one after the other."""
    found: Any = request.param
    return found  # type: ignore[no-any-return]
