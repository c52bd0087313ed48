"""Tell whether systemd understands a calendar expression of a timer; it passes over the others.

    [WEEKDAYS] [[YEAR-]MONTH-DAY] [HOUR:MINUTE[:SECOND]] [ZONE]

A field is `*`, or a list of START[..STOP][/STEP]; `~` before the day counts from the end of the month.
Source: systemd.time(7), Calendar Events, and systemd's src/shared/calendarspec.c for what the page leaves
open.
"""

import os
import re
import time
from typing import NamedTuple

_WORDS = frozenset((
    "minutely", "hourly", "daily", "monthly", "weekly", "yearly", "annually", "anually", "quarterly",
    "semiannually", "semi-annually", "biannually", "bi-annually",
))  # fmt: skip
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = re.compile(
    "(mon(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
    r"(?=[-., ]|\Z)",
    re.IGNORECASE,
)
_RANGE = re.compile(r"([0-9]+)(?:\.\.([0-9]+))?(?:/([0-9]+))?")
_DECIMAL = r"[0-9]+(?:\.[0-9]+)?"
_SECONDS = re.compile(rf"({_DECIMAL})(?:\.\.({_DECIMAL}))?(?:/({_DECIMAL}))?")
_DATE = re.compile(r"(?:([^-~: ]*)-)?([^-~: ]*)([-~])([^-~: ]*)(?: +|\Z)")
_TIME = re.compile(r"([^-~: ]+):([^-~: ]+)(?::([^-~: ]+))?")
_YEARS, _MONTHS, _DAYS_OF_MONTH, _HOURS, _MINUTES = (1970, 2199), (1, 12), (1, 31), (0, 23), (0, 59)
_MICRO = 1_000_000
_LAST_SECOND = 7_258_118_399  # of the last year
_MOST = (1 << 31) - 1
_MOST_PARTS = 240
_ZONES = "/usr/share/zoneinfo"


class _Part(NamedTuple):
    """START[..STOP][/STEP]; without a stop or a step, those are -1 and 0."""

    start: int
    stop: int
    step: int


def is_calendar(text: str) -> bool:
    """Return whether a text is a calendar expression that systemd takes."""
    text = _without_zone(text)
    if text.lower() in _WORDS:
        return True
    rest = _after_weekdays(text) if text else None
    if rest is None:
        return False
    if rest.startswith("@"):
        seconds = re.fullmatch("@ *([0-9]+)", rest)
        return seconds is not None and int(seconds[1][:20]) <= _LAST_SECOND
    date = _DATE.match(rest)
    if date is not None:
        if not _is_date(date):
            return False
        rest = rest[date.end() :]
    return not rest or _is_time(rest)


def _without_zone(text: str) -> str:
    """Return the text without the time zone at its end, if there is one."""
    before, blank, last = text.rpartition(" ")
    if not blank:
        return text
    known = last.upper() == "UTC" or last.lower() in (name.lower() for name in time.tzname if name)
    return before if known or _is_zone(last) else text


def _is_zone(name: str) -> bool:
    if not re.fullmatch(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*", name):
        return False
    return os.path.isfile(f"{_ZONES}/{name}")  # noqa: PTH113


def _after_weekdays(text: str) -> str | None:
    """Return what follows the days of the week, which may be none; None if they are wrong."""
    at = 0
    since = -1  # the day that an open range begins with
    while (match := _DAY.match(text, at)) is not None:
        day = _DAYS.index(match[1][:3].lower())
        at = match.end()
        if day < since:
            return None
        if text.startswith(("..", "-"), at):
            if since >= 0:
                return None
            since = day
            at += 2 if text[at] == "." else 1
        elif text.startswith(".", at):
            return None
        else:
            since = -1
            at += text.startswith(",", at)
        if at == len(text) or text[at] == " ":
            return text[at:].lstrip(" ") if since < 0 else None
    return text if at == 0 else None


def _is_date(date: re.Match[str]) -> bool:
    year, month, separator, day = date.groups()
    from_end = separator == "~"
    if day == "*":
        from_end = False
    elif not _fits(day, _DAYS_OF_MONTH, from_end=from_end):
        return False
    return (year is None or year == "*" or _fits(year, _YEARS)) and (month == "*" or _fits(month, _MONTHS))


def _is_time(text: str) -> bool:
    match = _TIME.fullmatch(text)
    if match is None:
        return False
    hour, minute, second = match.groups()
    fields = ((hour, _HOURS), (minute, _MINUTES))
    if not all(field == "*" or _fits(field, bounds) for field, bounds in fields):
        return False
    return second is None or second == "*" or _fits(second, (0, 60 * _MICRO - 1), seconds=True)


def _fits(field: str, bounds: tuple[int, int], *, from_end: bool = False, seconds: bool = False) -> bool:
    """Return whether each part of a field is one, and can come up within the bounds."""
    low, high = bounds
    if from_end:
        high -= 3  # no month is sure to have more days
    parts = field.split(",")
    if len(parts) > _MOST_PARTS:
        return False
    for each in parts:
        part = _part(each, seconds=seconds)
        if part is None:
            return False
        if bounds is _YEARS:
            part = part._replace(start=_full_year(part.start), stop=_full_year(part.stop))
        if not _comes_up(_normal(part), low, high, from_end=from_end):
            return False
    return True


def _part(text: str, *, seconds: bool) -> _Part | None:
    match = (_SECONDS if seconds else _RANGE).fullmatch(text)
    if match is None:
        return None
    start, stop, step = (_number(value, seconds=seconds) for value in match.groups())
    unit = _MICRO if seconds else 1
    if start is None or max(start, stop or 0, step or 0) > _MOST or step == 0:
        return None
    if seconds and stop is not None and step is None and start + unit > stop:
        return None
    implied = 0 if stop is None else unit
    return _Part(start, -1 if stop is None else stop, implied if step is None else step)


def _number(text: str | None, *, seconds: bool) -> int | None:
    """Return a number of a field, in microseconds for seconds; one that is too long to matter is cut."""
    if text is None:
        return None
    whole, _, fraction = text.partition(".")
    value = int(whole[-20:]) if len(whole) <= 20 else _MOST + 1
    if not seconds:
        return value
    return value * _MICRO + int(fraction[:6].ljust(6, "0")) + (fraction[6:7] >= "5")


def _full_year(year: int) -> int:
    if 0 <= year < 70:
        return year + 2000
    return year + 1900 if 70 <= year < 100 else year


def _normal(part: _Part) -> _Part:
    """Return a part whose stop is its last value, and that has none if it comes up once."""
    start, stop, step = part
    if stop > start and step > 0:
        stop -= (stop - start) % step
    once = start == stop or (stop > start and step > 0 and start + step > stop)
    return _Part(start, -1, 0) if once else _Part(start, stop, step)


def _comes_up(part: _Part, low: int, high: int, *, from_end: bool) -> bool:
    start, stop, step = part
    if not low <= start <= high or step > high - low:
        return False
    if stop >= 0:
        return low <= stop <= high and start + step <= stop
    return start - step >= low if from_end else start + step <= high
