"""Tables whose modules a frozen program imports when it first needs them.

An extension tells osqueryd the columns of all its tables when it registers, so it imports every table at its
start. A build runs the extension once anyway: it records the columns, as `TableFacts`, in a module that goes
into the program (see `freeze/build.py`). A table of that record can be imported later.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from kolide_kit.author_code import shown

from ..errors import DefinitionError
from .columns import check_name
from .counters import Counters
from .table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kolide_kit.limits import Limits

RECORD = "_osquery_sdk_tables"
"""The module with the record: `TABLES` has the fields of a `TableFacts` by the declared name of its table."""


class TableFacts(NamedTuple):
    """The facts that a registration needs of a table."""

    platforms: Sequence[str]
    aliases: Sequence[str]
    is_cached: bool
    routes: list[dict[str, str]]

    @classmethod
    def of(cls, table: Table) -> TableFacts:
        """Return the facts of a table."""
        return cls(table.platforms, table.aliases, table.is_cached, table.routes())


def deferred(name: str, load: Callable[[], Table]) -> Table:
    """Return a table that a frozen program imports when something asks for more than its columns.

    ::

        def load() -> Table:
            from .orders import orders
            return orders

        Extension("shop", version="1.0", plugins=[deferred("shop_orders", load)]).run()

    Outside a frozen program the table is loaded at once.

    Args:
        name: the table's name, as its declaration has it.
        load: imports the table. Its columns must be the same as when the program was built, so they cannot
            depend on settings.

    Raises:
        DefinitionError: `load` returns something else. In a frozen program its first statement fails so.
    """
    facts = _record().get(name)
    if facts is None:
        return _loaded(name, load)
    return DeferredTable(name, TableFacts(*facts), lambda: _loaded(name, load))


def _loaded(name: str, load: Callable[[], Table]) -> Table:
    table = load()
    if not isinstance(table, Table) or table.name != name:
        there = table.name if isinstance(table, Table) else shown(table)
        raise DefinitionError(f"deferred table {name}: load returns {there}, not the table {name}")
    return table


def _record() -> Mapping[str, tuple[Any, ...]]:
    """Return the record of this program; it is empty outside a frozen one."""
    if not getattr(sys, "frozen", False):
        return {}
    try:
        tables: Mapping[str, tuple[Any, ...]] = __import__(RECORD).TABLES
    except ModuleNotFoundError:  # frozen by other means than `osquery-sdk build`
        return {}
    return tables


class DeferredTable(Table):
    """A table that is loaded when one of its attributes is read that the facts do not answer."""

    def __init__(self, name: str, facts: TableFacts, load: Callable[[], Table]) -> None:
        """Take what is known of the table; nothing is loaded yet."""
        # Not Table.__init__: the attributes that it sets come from the loaded table, see __getattr__.
        self.name = name
        self.counters = Counters()
        self._facts = facts
        self._load = load
        self._lock = threading.Lock()

    def __getattr__(self, attribute: str) -> Any:
        """Load the table, and return an attribute that it has; Python calls this for those not set yet."""
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        own = vars(self)
        with self._lock:
            if "definition" not in own:
                # Its own attributes stay: its counters may be in use already.
                own.update({**vars(self._load()), **own})
        try:
            return own[attribute]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no attribute {attribute!r}") from None

    @property
    def platforms(self) -> tuple[str, ...]:
        """Return the platforms that the table is made for."""
        return tuple(self._facts.platforms)

    @property
    def aliases(self) -> tuple[str, ...]:
        """Return the table's other names."""
        return tuple(self._facts.aliases)

    @property
    def is_cached(self) -> bool:
        """Return whether the table may answer with rows that it kept from an earlier request."""
        return self._facts.is_cached

    def routes(self) -> list[dict[str, str]]:
        """Return the rows that describe the table to osqueryd."""
        return self._facts.routes

    def configured(
        self, *, name: str | None = None, limits: Limits | None = None, family: str | None = None
    ) -> Table:
        """Return a new table with other settings, which is loaded later too; see `Table.configured`."""
        name = self.name if name is None else name
        check_name(name, "table")
        return DeferredTable(
            name, self._facts, lambda: self._load().configured(name=name, limits=limits, family=family)
        )
