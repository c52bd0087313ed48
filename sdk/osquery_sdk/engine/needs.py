"""Import what needs APSW, and say how to install it if it is missing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def apsw_needed() -> Iterator[None]:
    """Turn an import's error about APSW into one that says what to install.

    Raises:
        ImportError: APSW is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as exc:
        if exc.name != "apsw":
            raise
        from kolide_kit.installed import install_hint

        hint = install_hint("apsw", "engine")
        raise ImportError(f"the embedded engine needs apsw; {hint}", name="apsw") from exc
