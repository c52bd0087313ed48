"""Rows of old tables as text."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .plugins import TablePlugin


def text_rows(plugin: TablePlugin, context: str) -> list[dict[str, str]]:
    """What a table generates, as osquery gets it: text, nothing for None, and a rowid that tells each row from all others."""
    rows = plugin.generate(json.loads(context) if context else {})
    made: list[dict[str, str]] = []
    seen: dict[int, int] = {}
    for row in rows or ():
        texts = {str(key): to_text(value) for key, value in row.items() if value is not None}
        if "rowid" not in texts:
            content = "\0".join(f"{key}\1{texts[key]}" for key in sorted(texts))
            number = _number(content)
            repeat = seen[number] = seen.get(number, 0) + 1
            # Rows that are alike are told apart by which of them it is.
            texts["rowid"] = str(number if repeat == 1 else _number(f"{content}\2{repeat}"))
        made.append(texts)
    return made


def to_text(value: Any) -> str:
    """A value as osquery gets it."""
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    # osquery reads "True" as no number at all.
    return str(int(value)) if isinstance(value, bool) else str(value)


def _number(content: str) -> int:
    digest = blake2b(content.encode(errors="surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
