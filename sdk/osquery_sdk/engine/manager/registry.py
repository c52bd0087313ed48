"""Find and call plugins by registry and name, in the core or in an extension, as osqueryd's registries do.

A trap: routes are noted before an item is added. They stay if that fails, and the item's name is taken from
then on.

Facts from `osquery/registry/registry_interface.cpp` and `registry_factory.cpp`.
"""

from __future__ import annotations

from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, Protocol

from ...errors import SqlError
from ...wire.protocol import Status
from ..answer import Answer, TextRows, to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..sql.engine import Engine


_NAMES = (
    "config config_parser database distributed enroll event_publisher event_subscriber logger"
    " numeric_monitoring sql table"
)


class CorePlugin(Protocol):
    """A plugin in the engine itself."""

    def call(self, request: Mapping[str, str]) -> Answer:
        """Answer a request."""


class _Registry:
    __slots__ = ("active", "external", "items", "routes")

    def __init__(self) -> None:
        self.items: dict[str, CorePlugin] = {}
        self.external: dict[str, int] = {}
        self.routes: dict[str, TextRows] = {}
        self.active = ""


class Registries:
    """All registries of a manager.

    Args:
        engine: gets the tables of extensions.
        call_external: calls an extension with uuid, registry, item, request and deadline.
    """

    def __init__(
        self, engine: Engine, call_external: Callable[[int, str, str, dict[str, str], float | None], Answer]
    ) -> None:
        """Create empty registries."""
        self._registries = {name: _Registry() for name in _NAMES.split()}
        self._engine = engine
        self._call_external = call_external
        self._lock = RLock()
        # One registration at a time. `_adding` is taken before `_lock`, which is never held while the engine
        # or a plugin runs: calls go on meanwhile.
        self._adding = RLock()

    def add_core(self, registry: str, name: str, plugin: CorePlugin, *, active: bool = False) -> None:
        """Add a plugin of the engine. An empty name in calls stands for the `active` one."""
        self._registries[registry].items[name] = plugin
        if active:
            self._registries[registry].active = name

    def activate(self, registry: str, name: str) -> None:
        """Let the empty name stand for this plugin."""
        self._registries[registry].active = name

    def has(self, registry: str, name: str) -> bool:
        """Return True if the registry has this plugin now."""
        with self._lock:
            known = self._registries[registry]
            return name in known.items or name in known.external

    def add_broadcast(self, uuid: int, broadcast: Mapping[str, Mapping[str, TextRows]]) -> Status:
        """Add all items of an extension, or none of them.

        Args:
            uuid: the extension's number.
            broadcast: registry -> item -> route rows.
        """
        with self._adding:
            for registry, items in sorted(broadcast.items()):
                known = self._registries.get(registry, _Registry())
                with self._lock:
                    taken = items.keys() & {*known.items, *known.external, *known.routes}
                if taken:
                    text = f"Registry item {min(taken)} conflicts with another item of the same name."
                    return Status(1, text)
            for registry, items in sorted(broadcast.items()):
                if registry not in self._registries:
                    return Status(1, f"Unknown registry: {registry}")
                try:
                    self._add(uuid, registry, items)
                except SqlError as exc:
                    self.remove(uuid)
                    return Status(1, str(exc))
            return Status()

    def _add(self, uuid: int, registry: str, items: Mapping[str, TextRows]) -> None:
        known = self._registries[registry]
        for item, routes in sorted(items.items()):
            with self._lock:
                known.routes[item] = routes
            if registry == "table":
                self._engine.attach(item, routes, partial(self.call, registry, item))
            with self._lock:
                known.external[item] = uuid

    def remove(self, uuid: int) -> None:
        """Remove the items of an extension."""
        with self._adding:
            for name, registry in self._registries.items():
                with self._lock:
                    gone = [item for item, owner in registry.external.items() if owner == uuid]
                for item in gone:
                    if name == "table":
                        self._engine.detach(item)
                    with self._lock:
                        registry.external.pop(item, None)
                        registry.routes.pop(item, None)

    def call(
        self, registry: str, item: str, request: dict[str, str], deadline: float | None = None
    ) -> Answer:
        """Call an item, or several with commas between their names.

        An empty name is the registry's active item.
        """
        known = self._registries.get(registry)
        if known is None:
            return Answer(Status(1, f"Unknown registry requested: {registry}"))
        item = item or known.active
        if "," in item:
            parts = [part.strip() for part in item.split(",") if part]
            answers = [self.call(registry, part, request, deadline) for part in parts]
            # As osqueryd: the statuses do not count, and the rows of the last item are the answer.
            return Answer(rows=answers[-1].rows if answers else ())
        with self._lock:
            plugin, uuid, routes = known.items.get(item), known.external.get(item), known.routes.get(item)
        if plugin is not None:
            return plugin.call(request)
        if uuid is not None:
            return self._call_external(uuid, registry, item, request, deadline)
        if routes is not None:
            return Answer(rows=to_bytes(routes))
        return Answer(Status(1, f"Cannot call registry item: {item}"))

    def rows(self) -> list[dict[str, str]]:
        """Return the rows of the table osquery_registry."""
        out = []
        with self._lock:
            for name, registry in self._registries.items():
                owners = [*((item, 0) for item in sorted(registry.items)), *sorted(registry.external.items())]
                for item, owner in owners:
                    active = "1" if registry.active in ("", item) else "0"
                    row = {"registry": name, "name": item, "owner_uuid": str(owner)}
                    out.append({**row, "internal": "0", "active": active})
        return out
