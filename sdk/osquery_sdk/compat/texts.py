"""Turns rows of old tables into text."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from kolide_kit.author_code import describe, one_line, pass_on_interrupt, shown, until_fork

from ..errors import ColumnValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def text_rows(table: str, generate: Callable[[dict[str, Any]], Any], context: str) -> list[dict[str, str]]:
    """Return the rows of a table as osquery gets them.

    Values are texts, a column that is None is left out, and `rowid` differs for each row.

    Args:
        table: the table's name.
        generate: the author's method.
        context: osquery's description of the statement, in JSON.
    """
    rows = generate(json.loads(context) if context else {})
    rows_of_text: list[dict[str, str]] = []
    seen: dict[int, int] = {}
    for row in until_fork(iter(rows or ())):
        texts = texts_of(row, table)
        if "rowid" not in texts:
            content = "\0".join(f"{key}\1{texts[key]}" for key in sorted(texts))
            number = _number(content)
            repeat = seen[number] = seen.get(number, 0) + 1
            # Equal rows get different numbers by counting them.
            texts["rowid"] = str(number if repeat == 1 else _number(f"{content}\2{repeat}"))
        rows_of_text.append(texts)
    return rows_of_text


def texts_of(row: Mapping[Any, Any], table: str) -> dict[str, str]:
    """Return the texts of a row by column; a column that is None is left out.

    Raises:
        ColumnValueError: a value has no text.
    """
    texts = {}
    for key, value in row.items():
        if value is not None:
            column = to_text(key)
            try:
                texts[column] = to_text(value)
            except BaseException as error:
                pass_on_interrupt(error)
                raise ColumnValueError(
                    f"{table}.{one_line(column)} = {shown(value)}: {describe(error)}"
                ) from error
    return texts


def to_text(value: Any) -> str:
    """Return a value as osquery gets it."""
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    # A bool is sent as 0 or 1, because osquery does not read "True" as a number. `str.__str__` makes an exact
    # str: __str__ may return an object of an author's class, whose `encode` would run later.
    return str.__str__(str(int(value) if isinstance(value, bool) else value))


def _number(content: str) -> int:
    digest = blake2b(content.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
