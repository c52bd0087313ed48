"""The requests of a table: the terms and columns in use that osqueryd sends as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from ..errors import TableError
from ..vocabulary import LIMIT, OFFSET
from .encoding import Layout
from .query import Constraint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .definition import Definition

Terms: TypeAlias = dict[str, tuple[Constraint, ...]]
Request: TypeAlias = tuple[Terms, frozenset[str] | None, Layout]

_MAX_KEPT = 100
_MAX_KEPT_TEXT = 4096
# osqueryd sends LIMIT and OFFSET as terms of the first column. They are withheld from the table, which must
# not apply them: another term may not have been sent, so too few rows would be left.
_WITHHELD = (LIMIT, OFFSET)


class Requests:
    """The parsed requests of one table. They are kept, because statements come again and again."""

    def __init__(self, definition: Definition) -> None:
        """Start without requests."""
        self._definition = definition
        self._kept: dict[str, Request] = {}
        self._layouts: dict[frozenset[str] | None, Layout] = {}

    def read(self, text: str) -> Request:
        """Return the terms by column, the columns in use (None: all), and the layout of the answer.

        Args:
            text: the context of a `generate` request.

        Raises:
            TableError: it cannot be read.
        """
        return self._kept.get(text) or self._understand(text)

    def _understand(self, text: str) -> Request:
        definition = self._definition
        terms, used = _parse(text, definition.aliases)
        layout = self._layouts.get(used)
        if layout is None:
            if len(self._layouts) >= _MAX_KEPT:
                self._layouts.clear()
            layout = self._layouts[used] = Layout(definition.name, definition.row, definition.columns, used)
        request = terms, used, layout
        if len(text) <= _MAX_KEPT_TEXT:
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            self._kept[text] = request
        return request


def _parse(text: str, aliases: Mapping[str, str]) -> tuple[Terms, frozenset[str] | None]:
    """Return the terms by column, and the columns in use."""
    if not text:
        return {}, None
    try:
        context = json.loads(text)
        constraints = {}
        for entry in context.get("constraints", ()):
            terms = entry.get("list") or ()
            if terms:
                kept = tuple(
                    Constraint(int(t["op"]), str(t["expr"])) for t in terms if int(t["op"]) not in _WITHHELD
                )
                name = str(entry["name"])
                constraints[aliases.get(name, name)] = kept
        used = context.get("colsUsed")
        if used is None or not aliases.keys().isdisjoint(used):
            # osqueryd may look for a column under its name or under its alias: send every column.
            return constraints, None
        return constraints, frozenset(map(str, used))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TableError(f"the request's context cannot be read: {error}") from error
