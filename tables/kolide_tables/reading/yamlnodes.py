"""Keep what the nodes of a YAML document refer to: anchors and their aliases, tags, merged maps, keys.

An alias stands for the same object, not for a copy. How many values all aliases stand for is counted, so that
a small document cannot grow.
"""

from typing import NamedTuple

from .parsing import MAX_DEPTH, ParseError, too_deep
from .places import StreamedMap
from .scalars import key_text, text_of

__all__ = ["MAX_ALIASED", "Anchors", "Properties", "key_of", "merge"]

# Most values that all aliases of a document may stand for, each counted as often as it would be written out.
MAX_ALIASED = 100_000
# Most values in a map or array that is a key.
_MAX_KEY = 1_000


class Properties(NamedTuple):
    """An anchor and a tag before a node; empty without one."""

    anchor: str = ""
    tag: str = ""


class Anchors:
    """The anchors of one document."""

    def __init__(self) -> None:
        """Begin without anchors."""
        self._values: dict[str, object] = {}
        # The values are kept with their sizes, so that no other object gets their number.
        self._sizes: dict[int, tuple[int, int, object]] = {}
        self._aliased = 0

    def set(self, name: str, value: object) -> None:
        """Let an anchor stand for a value, which is complete."""
        self._values[name] = value

    def get(self, name: str, depth: int) -> object:
        """Return what an alias stands for, which is placed in `depth` containers; raises ParseError."""
        if name not in self._values:
            raise ParseError(f"the alias *{name} stands for nothing before it, or for what it is in")
        value = self._values[name]
        size, height = self._size(value)
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            raise ParseError(f"its aliases stand for more than {MAX_ALIASED:,} values")
        if depth + height > MAX_DEPTH:
            raise too_deep()
        return value

    def _size(self, value: object) -> tuple[int, int]:
        """Return how many values there are in a value, and how deep they are nested."""
        if not isinstance(value, (dict, list)):
            return 1, 0
        if id(value) not in self._sizes:
            members = list(value.values()) if isinstance(value, dict) else value
            sizes = [self._size(member) for member in members]
            self._sizes[id(value)] = (
                1 + sum(size for size, _ in sizes),
                1 + max((height for _, height in sizes), default=0),
                value,
            )
        return self._sizes[id(value)][:2]


def merge(members: dict[str, object], merged: list[dict[str, object]]) -> dict[str, object]:
    """Return a map with merged ones: its own keys win over those, and of those the first over the later."""
    if isinstance(members, StreamedMap):
        members.finish(merged)
    if isinstance(members, StreamedMap) or not merged:
        return members
    return {key: value for other in reversed(merged) for key, value in other.items()} | members


def key_of(value: object) -> str:
    """Return the text of a key that is no scalar that was written in its place."""
    if not isinstance(value, (dict, list)):
        return "" if value is None else key_text(value)
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts)


def _write(value: object, parts: list[str]) -> None:
    if len(parts) > _MAX_KEY:
        raise ParseError("a map's key is a map or an array of too many values")
    if isinstance(value, dict):
        for number, (key, member) in enumerate(value.items()):
            parts.append(f"{', ' if number else '{'}{key}: ")
            _write(member, parts)
        parts.append("}" if value else "{}")
    elif isinstance(value, list):
        for number, member in enumerate(value):
            parts.append(", " if number else "[")
            _write(member, parts)
        parts.append("]" if value else "[]")
    else:
        parts.append("null" if value is None else text_of(value))
