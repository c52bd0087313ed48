"""Texts that a person gives a package: refused if they have characters that some form has no way to write."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from ..errors import PackagingError

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST = 10_000
_LINES = "\n\t"
# Control characters; halves of characters, as of bytes that are no UTF-8; ends of lines and paragraphs.
_REFUSED = frozenset(("Cc", "Cs", "Zl", "Zp"))


def check_text(option: str, text: str, *, lines: bool = False) -> str:
    """Return the text without blanks around it.

    Args:
        option: that it was given with.
        text: of any language.
        lines: it may have more than one.

    Raises:
        PackagingError: it has a character that some form of package has no way to write, or too many.
    """
    # A file that was written on Windows has these.
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
    """Return several, each of one line, without those that are empty."""
    return tuple(filter(None, (check_text(option, text) for text in texts)))
