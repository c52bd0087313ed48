"""A pytest plugin: SQL over an author's tables, on the embedded engine."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from osquery_sdk import Table
    from osquery_sdk.engine import Host


@pytest.fixture
def osquery_host() -> Iterator[Callable[..., Host]]:
    """A function that serves the tables it is given and returns a host to query them through."""
    from osquery_sdk import Extension
    from osquery_sdk.engine import Host
    from osquery_sdk.signals import ending_cleanly

    with ExitStack() as stack:
        # What ends pytest must not leave its extensions and sockets behind; Ctrl-C it handles itself.
        stack.enter_context(ending_cleanly(interrupts=False))

        def serve(*tables: Table) -> Host:
            return stack.enter_context(Host([Extension("under_test", version="0", plugins=tables).start]))

        yield serve
