"""Find and call plugins by registry and name, in the core or in an extension, as osqueryd's registries do.

A trap: routes are noted before an item is added. They stay if that fails, and the item's name is taken from
then on.

Facts from `osquery/registry/registry_interface.cpp` and `registry_factory.cpp`.
"""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Protocol

from ...wire.protocol import Status
from ..answer import Answer, to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..answer import TextRows

    Broadcast = Mapping[str, Mapping[str, TextRows]]
    """The plugins of an extension: registry -> item -> route rows."""


class CorePlugin(Protocol):
    """A plugin in the engine itself."""

    def call(self, request: Mapping[str, str]) -> Answer:
        """Answer a request."""


class ItemHooks(Protocol):
    """Gets the items of extensions when they come and go."""

    def add(self, name: str, routes: TextRows, uuid: int) -> str | None:
        """Add an item. Returns an error message, or None."""

    def remove(self, name: str) -> None:
        """Remove an item."""


class _Registry:
    __slots__ = ("active", "external", "hooks", "items", "routes")

    def __init__(self) -> None:
        self.items: dict[str, CorePlugin] = {}
        self.external: dict[str, int] = {}
        self.routes: dict[str, TextRows] = {}
        self.active = ""
        self.hooks: ItemHooks | None = None


class Registries:
    """All registries of a manager.

    Args:
        names: names of the registries.
        call_external: calls an extension with uuid, registry, item, request and deadline.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        call_external: Callable[[int, str, str, dict[str, str], float | None], Answer],
    ) -> None:
        """Create empty registries."""
        self._registries = {name: _Registry() for name in sorted(names)}
        self._call_external = call_external
        self._lock = RLock()
        # One registration at a time. `_adding` is taken before `_lock`, which is never held while a hook or
        # plugin runs: calls go on meanwhile.
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

    def set_hooks(self, registry: str, hooks: ItemHooks) -> None:
        """Set the hooks of a registry."""
        self._registries[registry].hooks = hooks

    def add_broadcast(self, uuid: int, broadcast: Broadcast) -> Status:
        """Add all items of an extension, or none of them."""
        with self._adding:
            for registry, items in sorted(broadcast.items()):
                for item in sorted(items):
                    if self._exists(registry, item):
                        return Status(
                            1, f"Registry item {item} conflicts with another item of the same name."
                        )
            for registry, items in sorted(broadcast.items()):
                if registry not in self._registries:
                    return Status(1, f"Unknown registry: {registry}")
                error = self._add(uuid, self._registries[registry], items)
                if error is not None:
                    self.remove(uuid)
                    return Status(1, error)
            return Status()

    def _exists(self, registry: str, item: str) -> bool:
        known = self._registries.get(registry)
        with self._lock:
            return known is not None and (
                item in known.items or item in known.external or item in known.routes
            )

    def _add(self, uuid: int, registry: _Registry, items: Mapping[str, TextRows]) -> str | None:
        for item, routes in sorted(items.items()):
            with self._lock:
                registry.routes[item] = routes
            error = None if registry.hooks is None else registry.hooks.add(item, routes, uuid)
            if error is not None:
                return error
            with self._lock:
                registry.external[item] = uuid
        return None

    def remove(self, uuid: int) -> None:
        """Remove the items of an extension."""
        with self._adding:
            for registry in self._registries.values():
                with self._lock:
                    gone = [item for item, owner in registry.external.items() if owner == uuid]
                for item in gone:
                    if registry.hooks is not None:
                        registry.hooks.remove(item)
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
            answers = [
                self.call(registry, part.strip(), request, deadline) for part in item.split(",") if part
            ]
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
                    active = not registry.active or registry.active == item
                    out.append(
                        {
                            "registry": name,
                            "name": item,
                            "owner_uuid": str(owner),
                            "internal": "0",
                            "active": "1" if active else "0",
                        }
                    )
        return out
