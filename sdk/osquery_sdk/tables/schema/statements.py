"""Example statements, laid out to be read."""

from __future__ import annotations

import re

_LINE = 100
_AND = re.compile(r"\s+(?=and\b)", re.IGNORECASE)
_CLAUSE = re.compile(
    r"\s+(?=(?:from|where|group\s+by|having|order\s+by|limit|union)\b)"
    r"|(?<!\bleft)(?<!\bcross)(?<!\binner)(?<!\bnatural)(?<!\bouter)\s+"
    r"(?=(?:(?:left|cross|inner|natural|outer)\s+)*join\b)",
    re.IGNORECASE,
)
_WHOLE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[()]")


def readable(sql: str) -> str:
    """Return a statement in lines that fit a page: in a long one each clause begins a line."""
    text = sql.strip().rstrip(";") + ";"
    if len(text) <= _LINE or "\n" in text or re.search(r"--|/\*", _WHOLE.sub("", text)):
        return text
    lines = _split(text, _CLAUSE)
    return "\n".join("\n  ".join(_split(line, _AND)) if len(line) > _LINE else line for line in lines)


def _split(sql: str, at: re.Pattern[str]) -> list[str]:
    """Return the parts between matches outside quotes and parentheses."""
    parts, start, position, depth = [], 0, 0, 0
    while position < len(sql):
        end_of_part = at.match(sql, position) if not depth else None
        whole = _WHOLE.match(sql, position)
        if end_of_part is not None:
            parts.append(sql[start:position])
            start = position = end_of_part.end()
        elif whole is not None:
            depth = max(depth + {"(": 1, ")": -1}.get(whole[0], 0), 0)
            position = whole.end()
        else:
            position += 1
    return [*parts, sql[start:]]
