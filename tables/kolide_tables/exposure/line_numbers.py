"""Name the lines of a file in a message."""

from collections.abc import Sequence

_MOST = 5


def named_lines(numbers: Sequence[int]) -> str:
    """Return "line 3", "lines 3, 7", or the first of many and how many more there are."""
    named = ", ".join(map(str, numbers[:_MOST]))
    more = f" and {len(numbers) - _MOST:,} more" if len(numbers) > _MOST else ""
    return f"line{'s' * (len(numbers) > 1)} {named}{more}"
