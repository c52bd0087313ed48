"""Containers that readers of large documents fill: dicts and lists, or kinds of them that do not keep all.

A reader asks the place of a container for it, and such a container for the place of each value that may be a
container. Without a place it makes a dict or a list.
"""

from typing import Protocol

__all__ = ["Place", "StreamedList", "StreamedMap", "new_list", "new_map"]


class Place(Protocol):
    """A place in a document, for one value."""

    def map(self) -> "StreamedMap":
        """Return the container for a map."""

    def list(self) -> "StreamedList":
        """Return the container for an array."""


class StreamedMap(dict[str, object]):
    """A map that takes its members as a dict does, and gives them away now and then."""

    __slots__ = ()

    def place(self, key: str, position: int) -> Place | None:
        """Return the place of a key's value, which comes next; None if that is to be kept whole.

        `position` is the reader's, in characters from anywhere: it shows how long the last value was.
        """
        raise NotImplementedError

    def flush(self) -> None:
        """Give away the members that came so far."""
        raise NotImplementedError

    def finish(self, merged: list[dict[str, object]]) -> None:
        """Give away the last members, and those of other maps that this one has not; the first maps win."""
        raise NotImplementedError


class StreamedList(list[object]):
    """An array that takes its elements as a list does, and gives them away now and then."""

    __slots__ = ()

    def place(self, position: int) -> Place | None:
        """Return the place of the next element; None if that is to be kept whole."""
        raise NotImplementedError

    def flush(self) -> None:
        """Give away the elements that came so far."""
        raise NotImplementedError


def new_map(place: Place | None) -> dict[str, object]:
    """Return an empty map for a place."""
    return {} if place is None else place.map()


def new_list(place: Place | None) -> list[object]:
    """Return an empty array for a place."""
    return [] if place is None else place.list()
