"""Compare versions as osquery's version collations and `version_compare` do.

A version is a row of segments between the delimiters ``~ - ^ . :``. Within a segment, bytes compare like C's
signed characters: those from 0x80 on are negative.

Facts from `osquery/sql/sqlite_version.cpp`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_RANK = {ord(delimiter): rank for rank, delimiter in enumerate("~-^.:", 1)}
_TILDE, _HYPHEN, _CARET = b"~-^"


class Flavor(NamedTuple):
    """Differences between a packaging system's comparison and the generic one."""

    epoch: bool = False
    """A version with an epoch (`1:`) sorts after one without."""
    ranked_delimiters: bool = False
    """Delimiters have an order among themselves."""
    rest_decides: bool = False
    """The first character of the longer version's rest decides."""
    digits_by_length: bool = False
    """Numeric segments compare by length alone if the rest does not decide."""


GENERIC = Flavor()


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def _rest(left: bytes, right: bytes, difference: int, flavor: Flavor) -> int:
    """Compare versions of different length, which differ at most by `difference` where both have bytes."""
    shorter, longer, sign = (left, right, 1) if len(left) < len(right) else (right, left, -1)
    following = longer[len(shorter)]
    if flavor.rest_decides:
        if following == _TILDE:
            return sign
        if following == _HYPHEN:
            return 0
        if following == _CARET:
            return -sign
        if difference and (not flavor.digits_by_length or not shorter[-1:].isdigit()):
            return difference
    elif difference and following in _RANK:
        return difference
    return len(left) - len(right)


def compare(left_text: str, right_text: str, flavor: Flavor = GENERIC) -> int:
    """Return a negative number, 0 or a positive one if the left sorts before, with or after the right."""
    left, right = left_text.encode(errors="surrogateescape"), right_text.encode(errors="surrogateescape")
    if left == right:
        return 0
    if not left or not right:
        return 1 if left else -1
    if flavor.epoch:
        epochs = left.find(b":"), right.find(b":")
        if epochs[0] != epochs[1]:
            if -1 in epochs:
                return 1 if epochs[1] == -1 else -1
            return epochs[0] - epochs[1]
    difference = 0
    for left_byte, right_byte in zip(left, right, strict=False):
        ranks = _RANK.get(left_byte, 0), _RANK.get(right_byte, 0)
        if ranks == (0, 0):
            difference = difference or _signed(left_byte) - _signed(right_byte)
            continue
        if 0 in ranks:
            return 1 if ranks[0] == 0 else -1
        if difference:
            return difference
        if flavor.ranked_delimiters and ranks[0] != ranks[1]:
            return ranks[0] - ranks[1]
    return difference if len(left) == len(right) else _rest(left, right, difference, flavor)


FLAVORS = {
    "ARCH": Flavor(epoch=True, rest_decides=True, digits_by_length=True),
    "DPKG": Flavor(epoch=True, ranked_delimiters=True),
    "RHEL": Flavor(epoch=True, ranked_delimiters=True, rest_decides=True),
}

COLLATIONS: dict[str, Callable[[str, str], int]] = {
    "VERSION": compare,
    **{f"VERSION_{name}": partial(compare, flavor=flavor) for name, flavor in FLAVORS.items()},
}
