"""Find the packages that own a path without searching their lists anew: an index of hashes, kept while the
databases stay as they are.
"""

from array import array
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator

from kolide_kit.limits import Budget
from osquery_sdk import Query

from .package_lists import Owned, Owner, Source, stamp

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
    """The index of each root folder that was asked for lately, made anew when its databases change."""

    _MOST = 4

    def __init__(self, sources: tuple[Source, ...]) -> None:
        """Start without an index."""
        self._sources = sources
        self._made: dict[str, tuple[Hashable, PathIndex]] = {}

    def of(self, root: str, query: Query, budget: Budget) -> PathIndex:
        """Return the index of a root folder."""
        now = tuple(stamp(source.places, root) for source in self._sources)
        # A single read of the dictionary, and a single write: calls of the table run side by side.
        known = self._made.get(root)
        if known is not None and known[0] == now:
            return known[1]
        index = PathIndex(listed(root, query, self._sources), budget)
        if len(self._made) >= self._MOST:
            self._made.clear()
        self._made[root] = (now, index)
        return index


def listed(root: str, query: Query, sources: tuple[Source, ...]) -> Iterator[Owned]:
    """Yield all packages below a root folder with their files."""
    for source in sources:
        yield from source.lists(root, query)
