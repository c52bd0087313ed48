"""Rows of old tables as text."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from ..authors import describe, one_line, pass_on_interrupt, shown, until_fork
from ..errors import ColumnValueError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .plugins import TablePlugin


def text_rows(plugin: TablePlugin, context: str) -> list[dict[str, str]]:
    """What a table generates, as osquery gets it: text, nothing for None, and a rowid that tells each row from all others."""
    rows = plugin.generate(json.loads(context) if context else {})
    made: list[dict[str, str]] = []
    seen: dict[int, int] = {}
    for row in until_fork(iter(rows or ())):
        texts = texts_of(row, plugin.name())
        if "rowid" not in texts:
            content = "\0".join(f"{key}\1{texts[key]}" for key in sorted(texts))
            number = _number(content)
            repeat = seen[number] = seen.get(number, 0) + 1
            # Rows that are alike are told apart by which of them it is.
            texts["rowid"] = str(number if repeat == 1 else _number(f"{content}\2{repeat}"))
        made.append(texts)
    return made


def texts_of(row: Mapping[Any, Any], table: str) -> dict[str, str]:
    """The texts of a row by column; what is None is left out.

    Raises:
        ColumnValueError: a value has no text.
    """
    made = {}
    for key, value in row.items():
        if value is not None:
            column = to_text(key)
            try:
                made[column] = to_text(value)
            except BaseException as error:
                pass_on_interrupt(error)
                raise ColumnValueError(
                    f"{table}.{one_line(column)} = {shown(value)}: {describe(error)}"
                ) from error
    return made


def to_text(value: Any) -> str:
    """A value as osquery gets it."""
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    # osquery reads "True" as no number at all.
    # An exact text: what __str__ returns may be of a class of its own, and is encoded while it is sent.
    return str.__str__(str(int(value) if isinstance(value, bool) else value))


def _number(content: str) -> int:
    digest = blake2b(content.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
