"""Tell texts that are worth dividing into words from those that only need to be searched.

Most texts are no commands. Dividing finds more where a program of the table stands, where quotes or pipes
matter to something that names a secret, and where an option such as -p stands beside a user's name.
"""

import functools
import re

from .programs import SECRETS

_SEPARATORS = re.compile(r"[\s/\\'\"=(|;&`<>,\[\]{}$]+")
# Words of a command that may have a secret, though the table does not know it.
_SUGGESTS = re.compile(
    r"pass|secret|token|key|login|auth|unlock|crypt|cred|signin|pwd|psk|pin|pragma|identified"
)
_CLUE = re.compile(
    r"[\"'],\s?[\"']|'\"|\"'|\\[ \t\"']|<<<|<\(|\|"
    r"|\bset(?:env)?\s|\w:set\s|(?:command|cmd|eval|extpass)[=\s]"
)
_PASSWORD = re.compile(r"[\s\"'](?:-(?:pw?|w)|/(?:p|pw|pd|rp))[\s:=\"']")
_USER = re.compile(r"[\s\"'](?:-u|/r?u|[-/]-?user(?:name)?|--login|-identity)[\s=:\"']")
_OTHER = re.compile(r"\ba0=|\s-[ua]\s?[^\s:/]+:|\bread\s-\w*s")


def suggests_secret(text: str) -> bool:
    """Return whether a text has a word that suggests a secret."""
    return _SUGGESTS.search(text.lower()) is not None


def may_be_command(text: str) -> bool:
    """Return whether dividing a text into words may find more than searching it."""
    lower = text.lower()
    return _has_clue(lower) or not _secretive().isdisjoint(_SEPARATORS.split(lower))


def interesting(text: str, pieces: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return those of a text's pieces that may be commands."""
    lower = text.lower()
    names = _secretive().intersection(_SEPARATORS.split(lower))
    return [
        (start, end)
        for start, end in pieces
        if any(lower.find(name, start, end) >= 0 for name in names) or _has_clue(lower[start:end])
    ]


def _has_clue(lower: str) -> bool:
    return (
        (_SUGGESTS.search(lower) is not None and _CLUE.search(lower) is not None)
        or (_PASSWORD.search(lower) is not None and _USER.search(lower) is not None)
        or _OTHER.search(lower) is not None
    )


@functools.cache
def _secretive() -> frozenset[str]:
    """Return the names of the programs that have secrets among their arguments."""
    names = {name.partition("/")[0] for line in SECRETS for name in line[0].split()}
    names = names - {"read"} | {"sudo"}  # `read -s` is a clue; the word is in most scripts
    return frozenset(f"{name}{ending}" for name in names for ending in ("", ".exe", ".py", ".sh"))
