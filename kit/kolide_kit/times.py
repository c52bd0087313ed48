"""Moments as osquery keeps them: whole Unix seconds."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


def unix_seconds(moment: datetime) -> int:
    """Return the Unix second that a moment is in; a moment without a time zone is local time.

    Raises:
        ValueError: the system knows no local time of that year.
    """
    if moment.utcoffset() is None:
        try:
            # Drop the fraction first: a float would round it.
            return math.floor(moment.replace(microsecond=0).timestamp())
        except (ValueError, OverflowError, OSError) as error:
            raise ValueError("the system knows no local time of that year: give it a time zone") from error
    return (moment - _EPOCH) // _SECOND


__all__ = ["unix_seconds"]
