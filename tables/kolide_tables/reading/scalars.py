"""Turn scalars of documents into text, as the `value` column has them."""

from kolide_kit.text import printable

_NOT_FINITE = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}


def text_of(value: object) -> str:
    """Return a scalar's text.

    Booleans are true and false, integers exact, floats the shortest digits that mean the same number, without
    exponent and without a fraction of zero (+Inf, -Inf and NaN as Go writes them); times are Unix seconds, a
    date is its midnight in UTC, a time without zone is UTC, a time of day is ISO 8601; bytes are base64.
    """
    if isinstance(value, str):
        return value if value.isascii() else printable(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _float(value)
    return _rare(value)


def key_text(key: object) -> str:
    """Return a map's key as text."""
    return "null" if key is None else text_of(key)


def civil_seconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    """Return the Unix seconds of a time in UTC, in any year of the Gregorian calendar.

    Raises ValueError for what no calendar or clock has.
    """
    import datetime

    # datetime knows the years 1 to 9999 alone. The calendar repeats after 400 years, which are 146,097 days.
    cycles = (year - 2000) // 400
    moment = datetime.datetime(year - 400 * cycles, month, day, hour, minute, second, tzinfo=datetime.UTC)
    return int(moment.timestamp()) + cycles * 146_097 * 86_400


def _integer(value: int) -> str:
    try:
        return str(value)
    except ValueError:
        # str() refuses more than 4,300 digits, whose conversion takes time that grows with their square.
        return hex(value)


def _float(value: float) -> str:
    text = repr(value)
    if "e" in text:
        from decimal import Decimal

        return format(Decimal(text), "f")
    return text.removesuffix(".0") if text[-1].isdigit() else _NOT_FINITE[text]


def _rare(value: object) -> str:
    import datetime
    from operator import index

    if isinstance(value, (bytes, bytearray)):
        from base64 import b64encode

        return b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        zoned = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
        return str(
            (zoned - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(seconds=1)
        )
    if isinstance(value, datetime.date):
        return str((value - datetime.date(1970, 1, 1)).days * 86400)
    if isinstance(value, datetime.time):
        return value.isoformat()
    # A property list's UID.
    return str(index(value))  # type: ignore[arg-type]
