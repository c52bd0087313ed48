"""Write the texts that osqueryd sends with a table call: the query context, and the values of a write.

osqueryd writes them with rapidjson. These functions give the same bytes, except for the order in `colsUsed`:
osqueryd takes that from a hash set.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from .values import SQLiteValue, encoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TO_ESCAPE = re.compile(r'[\x00-\x1f"\\]')


class Operand(NamedTuple):
    """A constraint of a column: SQLite's operator number, and the operand as text."""

    op: int
    expr: str


def json_string(text: str) -> str:
    """Return `text` as a JSON string.

    Only what needs it is escaped, control characters with upper-case digits.
    """
    if _TO_ESCAPE.search(text):
        text = _TO_ESCAPE.sub(lambda match: _ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04X}", text)
    return f'"{text}"'


def json_double(number: float) -> str:
    """Return a finite number in the fewest digits that tell it from its neighbours, in rapidjson's layout.

    The layout is plain for up to 21 digits before the point and 6 zeros after it ("100.0", "0.000001"), else
    "1.5e30".
    """
    sign = "-" if number < 0 or str(number).startswith("-") else ""
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if not digits:
        return sign + "0.0"
    if len(digits) <= point <= 21:
        return f"{sign}{digits}{'0' * (point - len(digits))}.0"
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{point - 1}"


def values_json(values: Iterable[SQLiteValue]) -> str:
    """Return the `json_value_array` of a write.

    It ends before an infinite number, because rapidjson stops there.
    """
    out: list[str] = []
    for value in values:
        if value is None:
            out.append("null")
        elif isinstance(value, int):
            out.append(str(value))
        elif isinstance(value, float):
            if value in (float("inf"), float("-inf")):
                return f"[{','.join([*out, ''])}"
            out.append(json_double(value))
        else:
            out.append(
                json_string(value if isinstance(value, str) else value.decode(errors="surrogateescape"))
            )
    return f"[{','.join(out)}]"


def context_json(
    affinities: Mapping[str, str],
    constraints: Mapping[str, Sequence[Operand]],
    used: Sequence[str] | None = None,
    bitset: int | None = None,
) -> str:
    """Return the `context` of a table call.

    Args:
        affinities: column -> type. The text has every column, in the order of their names.
        constraints: column -> its constraints.
        used: names of the columns that the statement uses; None, for a write, leaves them out.
        bitset: positions of these columns as a bit set; bit 63 stands for all from the 64th on.
    """
    columns = ",".join(
        '{{"name":{},"list":[{}],"affinity":"{}"}}'.format(
            json_string(name),
            ",".join(f'{{"op":{op},"expr":{json_string(expr)}}}' for op, expr in constraints.get(name, ())),
            affinities[name],
        )
        for name in sorted(affinities, key=encoded)
    )
    out = f'{{"constraints":[{columns}]'
    if used is not None:
        out += f',"colsUsed":[{",".join(map(json_string, used))}]'
    if bitset is not None:
        out += f',"colsUsedBitset":{bitset}'
    return out + "}"
