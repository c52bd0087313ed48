"""Find the packages that own a path without searching their lists anew: an index of hashes, kept while the
databases stay as they are.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Iterator

from kolide_kit.limits import Budget

from .package_lists import Owned, Owner

# An entry is 44 bits of a path's hash and 20 of its owner's number: with a million paths, a look-up of a path
# that nobody owns finds an owner once in 17 million times.
_OWNER_BITS = 20
_HASH_MASK = (1 << 44) - 1
_OWNER_MASK = (1 << _OWNER_BITS) - 1
_BUCKET_SHIFT = 58
_BUCKETS = 64


class PathIndex:
    """The owners of paths, 8 bytes a path."""

    def __init__(self, owned: Iterable[Owned], budget: Budget) -> None:
        """Read all lists."""
        self._owners: list[Owner] = []
        buckets = [array("Q") for _ in range(_BUCKETS)]
        for owner, paths in owned:
            number = len(self._owners) & _OWNER_MASK
            self._owners.append(owner)
            budget.step(len(paths))
            for path in paths:
                entry = (hash(path) & _HASH_MASK) << _OWNER_BITS | number
                buckets[entry >> _BUCKET_SHIFT].append(entry)
        self._buckets = [array("Q", sorted(bucket)) for bucket in buckets]

    def owners(self, path: bytes) -> Iterator[Owner]:
        """Yield the packages that have the path; several have the same folder."""
        first = (hash(path) & _HASH_MASK) << _OWNER_BITS
        bucket = self._buckets[first >> _BUCKET_SHIFT]
        for at in range(bisect_left(bucket, first), len(bucket)):
            if bucket[at] > first | _OWNER_MASK:
                break
            yield self._owners[bucket[at] & _OWNER_MASK]


class PathIndexes:
    """The indexes that were asked for lately, each made anew when what it was made of changes."""

    _MOST = 8

    def __init__(self) -> None:
        """Start without an index."""
        self._made: dict[str, tuple[Hashable, PathIndex]] = {}

    def of(
        self, place: str, now: Hashable, owned: Callable[[], Iterable[Owned]], budget: Budget
    ) -> PathIndex:
        """Return the index of a place.

        Args:
            place: name of what is indexed.
            now: a value that changes when that does.
            owned: reads the lists for a new index.
            budget: counts the paths.
        """
        # A single read of the dictionary, and a single write: calls of the table run side by side.
        known = self._made.get(place)
        if known is not None and known[0] == now:
            return known[1]
        index = PathIndex(owned(), budget)
        if len(self._made) >= self._MOST:
            self._made.clear()
        self._made[place] = (now, index)
        return index
