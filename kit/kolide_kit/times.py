"""Convert moments to whole Unix seconds, and read the date that a reproducible build is given."""

import math
from collections.abc import Mapping
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


def source_date(environment: Mapping[str, str]) -> int | None:
    """Return the Unix seconds of SOURCE_DATE_EPOCH, see reproducible-builds.org; None if it is not set.

    Raises:
        ValueError: it is not a number of seconds, or after the year 5138.
    """
    text = environment.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 11:
        raise ValueError(f"SOURCE_DATE_EPOCH={text}: has to be a number of seconds since 1970")
    return int(text)
