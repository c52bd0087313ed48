"""osquery's mathematical SQL functions, with C's errors."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import apsw

from .values import Functions, SQLiteValue, value_real

if TYPE_CHECKING:
    from collections.abc import Callable


_RANGE = "Numerical result out of range"


def _real_function(function: Callable[[float], float], value: SQLiteValue) -> float | None:
    return None if value is None else _checked(function, value_real(value))


def _checked(function: Callable[..., float], *arguments: float) -> float | None:
    try:
        number = function(*arguments)
    except ValueError as exc:
        if any(map(math.isnan, arguments)):
            return None
        # log(0) is a pole: C calls that a range error, Python a value error like log(-1).
        pole = function in (math.log, math.log10) and arguments == (0.0,)
        raise apsw.SQLError(_RANGE if pole else "Numerical argument out of domain") from exc
    except OverflowError as exc:
        raise apsw.SQLError(_RANGE) from exc
    return None if math.isnan(number) else number


def _power(base: SQLiteValue, exponent: SQLiteValue) -> float | None:
    if base is None or exponent is None:
        return None
    numbers = value_real(base), value_real(exponent)
    if numbers[0] == 0 and numbers[1] < 0:
        raise apsw.SQLError(_RANGE)
    return _checked(math.pow, *numbers)


def _exp(number: float) -> float:
    try:
        return math.exp(number)
    except OverflowError:
        # osquery computes in long double, which has no error before e**11356.
        if number < 11356.5:
            return math.inf
        raise


def _cot(number: float) -> float:
    tangent = math.tan(number)
    return 1.0 / tangent if tangent else math.copysign(math.inf, tangent)


def _whole(function: Callable[[float], int], value: SQLiteValue) -> int | None:
    if value is None or isinstance(value, int):
        return value
    number = value_real(value)
    if not -(2.0**63) <= number < 2.0**63:
        return -(2**63)  # what x86 makes of a double that no int64 can hold
    return function(number)


FUNCTIONS: Functions = {
    **{
        name: (partial(_real_function, getattr(math, name)), (1,))
        for name in (
            "sqrt",
            "acos",
            "asin",
            "atan",
            "cos",
            "sin",
            "tan",
            "log",
            "log10",
            "degrees",
            "radians",
        )
    },
    "cot": (partial(_real_function, _cot), (1,)),
    "exp": (partial(_real_function, _exp), (1,)),
    "power": (_power, (2,)),
    "ceil": (partial(_whole, math.ceil), (1,)),
    "floor": (partial(_whole, math.floor), (1,)),
    "pi": (lambda: math.pi, (0,)),
}
