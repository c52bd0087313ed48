"""A pytest plugin: the fixture `osquery_host` runs SQL over an author's tables, on the embedded engine."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from osquery_sdk.engine import Host
    from osquery_sdk.tables.table import Table


@pytest.fixture
def osquery_host() -> Iterator[Callable[..., Host]]:
    """Return a function that serves the tables it is given, and returns a host to query them through."""
    from kolide_kit.author_code import to_stderr
    from kolide_kit.signals import ending_cleanly
    from osquery_sdk.engine import Host
    from osquery_sdk.serving.extension import ServingExtension

    with ExitStack() as stack:
        # A signal that ends pytest must leave no extension and no socket behind. pytest handles Ctrl-C.
        stack.enter_context(ending_cleanly(interrupts=False))

        def serve(*tables: Table) -> Host:
            # pytest shows printed text only with a test that fails, where the traceback is wanted.
            extension = ServingExtension("under_test", version="0", plugins=tables, log=to_stderr)
            return stack.enter_context(Host([extension.start]))

        yield serve
