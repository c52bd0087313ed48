"""A guess at which of the names that there are was meant by one that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# A name that has this much in common with another, of 1, may be that one with a slip of the finger.
_ALIKE = 0.6


def did_you_mean(name: str, names: Iterable[str], *, cutoff: float = _ALIKE) -> str:
    """Return the question after the name that was meant, as in "did you mean path?"; "" if none looks like it.

    Case does not count, nor does a first word left out: `json` means `kolide_json`.

    Args:
        name: the name that is not there.
        names: those that are.
        cutoff: how alike two names have to be, of 1.
    """
    folded: dict[str, str] = {}
    for known in names:
        folded.setdefault(known.casefold(), known)
    wanted = name.casefold()
    if not wanted or name in folded.values():
        return ""
    shortened = [known for known in folded if known.endswith(f"_{wanted}")]
    if wanted in folded:
        meant = wanted
    elif len(shortened) == 1:
        meant = shortened[0]
    else:
        from difflib import get_close_matches

        close = get_close_matches(wanted, folded, n=1, cutoff=cutoff)
        if not close and "_" not in wanted:
            ends = {known.partition("_")[2]: known for known in folded if "_" in known}
            close = [ends[end] for end in get_close_matches(wanted, ends, n=1, cutoff=cutoff)]
        if not close:
            return ""
        meant = close[0]
    return f"did you mean {folded[meant]}?"


__all__ = ["did_you_mean"]
