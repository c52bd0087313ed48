"""Guess which known name an unknown one was meant to be."""

from collections.abc import Iterable

# From 0 to 1: names this alike may differ by a typing error.
_ALIKE = 0.6


def did_you_mean(name: str, names: Iterable[str], *, cutoff: float = _ALIKE) -> str:
    """Return a question for an error about an unknown name: "did you mean path?"; "" if no name is alike.

    Case does not count, nor does a first word left out: `json` means `kolide_json`.

    Args:
        name: the unknown name.
        names: the known names.
        cutoff: how alike two names have to be, from 0 to 1.
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
