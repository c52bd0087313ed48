"""kolide_secret_scan: the places of secrets that lie open in files, never the secrets themselves."""

from collections.abc import Iterator

from kolide_kit.limits import Budget
from kolide_kit.text import decode, shown
from osquery_sdk import Column, ColumnType, Query, TableError, table

from ..reading.paths import FileRow, asked_contents, asked_texts

__all__ = ["SecretFound", "secret_scan"]

_PREFIX = 12
# Many lines are searched at once; the long lines of a minified file are searched in pieces.
_PIECE = 1 << 18
_MARKS = (b"\xff", b"\xfe", b"\xef")
_MARK_32 = b"\x00\x00\xfe\xff"


class SecretFound(FileRow):
    """A secret in a file."""

    raw_data: str = Column("Text to look through instead of a file", index=True, required=True)
    rule_id: str = Column(
        "Rule that found it: private-key, github-token, url-password, ..., secret-value for a value under a "
        "secret's name"
    )
    line_number: int = Column("Line that it begins in, from 1", type=ColumnType.INTEGER, key=True)
    column_start: int = Column(
        "Character of the line that it begins at, from 1", type=ColumnType.INTEGER, key=True
    )
    entropy: float = Column("Randomness: Shannon entropy, in bits a character")
    sha256_prefix: str = Column(
        "First 12 hexadecimal digits of its SHA-256, of a key in PEM of its base64, by which the same "
        "secret shows elsewhere"
    )


@table(
    "kolide_secret_scan",
    privilege="Without root: only files that the user may read.",
    examples=(
        (
            "select path, line_number, rule_id, entropy from kolide_secret_scan "
            "where path like '/home/%/%%/.env%'"
        ),
        (
            "select sha256_prefix, count(distinct path) as files, group_concat(distinct path) "
            "from kolide_secret_scan where path like '/etc/%%' group by sha256_prefix order by files desc"
        ),
    ),
)
def secret_scan(query: Query) -> Iterator[SecretFound]:
    """Secrets that lie open in files: their place, kind, and a part of their hash; never the secrets."""
    budget = Budget.of(query)
    for path, content, error in asked_contents(query, "path", budget):
        if error:
            raise TableError(error)
        yield from _found(_in_utf8(content), budget, path=path)
    for text in asked_texts(query, "raw_data"):
        yield from _found(shown(text).encode(), budget, raw_data=text)


def _in_utf8(content: bytes) -> bytes:
    """Return a file's text in UTF-8; what is in UTF-16 or UTF-32 begins with a byte order mark."""
    return decode(content).encode() if content[:1] in _MARKS or content[:4] == _MARK_32 else content


def _found(data: bytes, budget: Budget, *, path: str = "", raw_data: str = "") -> Iterator[SecretFound]:
    import hashlib

    from .secret_search import secrets_in
    from .secret_values import entropy

    for line, before, piece, end in _pieces(data):
        budget.check()
        ends = counted = 0
        for secret in sorted(secrets_in(piece, path), key=lambda secret: secret.offset):
            if secret.offset >= end:
                break  # the next piece has the whole of it
            budget.add_rows()
            ends += piece.count("\n", counted, secret.offset)
            counted = secret.offset
            begin = piece.rfind("\n", 0, secret.offset) + 1
            digest = hashlib.sha256(secret.secret.encode("utf-8", "surrogateescape")).hexdigest()
            yield SecretFound(
                path=path,
                raw_data=raw_data,
                rule_id=secret.rule_id,
                line_number=line + ends,
                column_start=secret.offset - begin + 1 + (0 if ends else before),
                entropy=round(entropy(secret.secret), 2),
                sha256_prefix=digest[:_PREFIX],
            )


def _pieces(data: bytes) -> Iterator[tuple[int, int, str, int]]:
    """Yield pieces of a text in UTF-8 that overlap by the length of the longest secret, and begin with a line
    if that is not too long.

    Each comes with the number of its first line, how many characters of that line are before it, and where
    the next piece begins. Only a piece is decoded at a time: one wide character makes a text four times as
    large.
    """
    from .secret_search import LONGEST

    line, column, start = 1, 0, 0
    while start < len(data):
        piece = data[start : start + _PIECE]
        cut = len(piece)
        if start + _PIECE < len(data):
            cut = piece.rfind(b"\n", 0, -LONGEST) + 1 or _begin_of_character(piece, cut - LONGEST)
        left = shown(piece[:cut])
        yield line, column, shown(piece), len(left)
        ends = left.count("\n")
        line += ends
        column = len(left) - left.rfind("\n") - 1 if ends else column + len(left)
        start += cut


def _begin_of_character(data: bytes, at: int) -> int:
    """Return the nearest place, at `at` or before, at which a character in UTF-8 may begin."""
    return next((at - back for back in range(4) if data[at - back] & 0xC0 != 0x80), at)
