"""Check the texts of a package: refuse characters that a form of package cannot write."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from ..errors import PackagingError

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST = 10_000
_LINES = "\n\t"
# Control characters; surrogates, which stand for bytes that are not UTF-8; ends of lines and paragraphs.
_REFUSED = frozenset(("Cc", "Cs", "Zl", "Zp"))


def check_text(option: str, text: str, *, lines: bool = False) -> str:
    """Return the text without blanks around it.

    Args:
        option: the option that it was given with, for the error.
        text: a text in any language.
        lines: allow more than one line.

    Raises:
        PackagingError: it is too long, or has a character that a form of package cannot write.
    """
    # Files written on Windows end lines with a carriage return as well.
    plain = text.replace("\r\n", "\n").strip()
    for place, character in enumerate(plain, 1):
        if lines and character in _LINES:
            continue
        if character == "\n":
            raise PackagingError(f"{option}: has to be one line")
        if unicodedata.category(character) in _REFUSED or ord(character) & 0xFFFE == 0xFFFE:
            raise PackagingError(
                f"{option}: character {place} is U+{ord(character):04X}, "
                "which cannot be in a package's text; leave it out"
            )
    if len(plain) > _MOST:
        raise PackagingError(f"{option}: has {len(plain)} characters, and may have {_MOST}")
    return plain


def check_texts(option: str, texts: Iterable[str]) -> tuple[str, ...]:
    """Return several texts, each of one line, without those that are empty."""
    return tuple(filter(None, (check_text(option, text) for text in texts)))
