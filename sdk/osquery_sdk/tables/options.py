"""The options of a table, with their checks."""

from __future__ import annotations

import sys
import threading
from typing import NamedTuple

from kolide_kit.author_code import shown
from kolide_kit.limits import Limits

from ..errors import DefinitionError
from .columns import check_name, check_names

PLATFORMS = ("linux", "darwin", "windows")
DEADLINE = 60.0
MAX_ROWS = 1_000_000


class TableOptions(NamedTuple):
    """The options of a table; `table` describes them."""

    platforms: tuple[str, ...] = PLATFORMS
    examples: tuple[str, ...] = ()
    cache: float | None = None
    snapshot: bool = False
    deadline: float = DEADLINE
    max_rows: int = MAX_ROWS
    aliases: tuple[str, ...] = ()
    attributes: int = 0
    elsewhere: str = ""
    all_required: bool = False
    family: str = ""
    privilege: str = ""
    limits: Limits = Limits()

    @property
    def is_cached(self) -> bool:
        """Return whether an answer may have rows that were kept from an earlier request."""
        return self.snapshot or self.cache is not None

    def check(self, name: str) -> None:
        """Raise DefinitionError for an option that would fail only in a statement, or be misread.

        Args:
            name: the table's name; it is checked too.
        """
        check_name(name, "table")
        for option in ("platforms", "examples", "aliases"):
            check_names(getattr(self, option), f"table {name}: {option}")
        for platform in self.platforms:
            if platform not in PLATFORMS:
                raise DefinitionError(
                    f"table {name}: platform {platform!r} is none of {', '.join(PLATFORMS)}"
                )
        for alias in self.aliases:
            check_name(alias, f"table {name}: alias")
        if self.cache is not None and not (_is_number(self.cache) and self.cache >= 0):
            raise DefinitionError(f"table {name}: cache is a number of seconds, not {shown(self.cache)}")
        if not (_is_number(self.deadline) and 0 <= self.deadline <= threading.TIMEOUT_MAX):
            raise DefinitionError(
                f"table {name}: deadline is a number of seconds, not {shown(self.deadline)}"
            )
        for option in ("max_rows", "attributes"):
            number = getattr(self, option)
            if not isinstance(number, int) or number < 0:
                raise DefinitionError(f"table {name}: {option} is a whole number, not {shown(number)}")
        if not isinstance(self.all_required, bool):
            raise DefinitionError(
                f"table {name}: all_required is True or False, not {shown(self.all_required)}: each column "
                f"says required=True"
            )
        for option in ("elsewhere", "family", "privilege"):
            if not isinstance(getattr(self, option), str):
                raise DefinitionError(f"table {name}: {option} is a text, not {shown(getattr(self, option))}")
        if self.elsewhere and set(self.platforms) == set(PLATFORMS):
            raise DefinitionError(
                f"table {name}: it is on all platforms, so elsewhere={self.elsewhere!r} is of no use"
            )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def this_platform() -> str:
    """Return linux, darwin or windows."""
    return {"win32": "windows"}.get(sys.platform, sys.platform)
