"""The form "markdown": a page for people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...vocabulary import HIDDEN, INDEX, REQUIRED
from .model import PLATFORM_NAMES
from .statements import readable

if TYPE_CHECKING:
    from .model import TableSchema

_MARKS = {REQUIRED: "required", INDEX: "index", HIDDEN: "hidden"}


def markdown(table: TableSchema) -> str:
    """Return the section of a table."""
    platforms = ", ".join(PLATFORM_NAMES.get(platform, platform) for platform in table.platforms)
    lines = [f"## {table.name}", ""]
    lines += [
        text
        for paragraph in (table.description, table.notes, table.wanted, table.written, table.privilege)
        if paragraph
        for text in (_prose(paragraph), "")
    ]
    because = f" ({_prose(table.elsewhere)})" if table.elsewhere else ""
    family = [f"Family: {_prose(table.family)}", ""] if table.family else []
    lines += [f"Platforms: {platforms or 'not known'}{because}", "", *family]
    lines += ["| column | type | | description |", "|---|---|---|---|"]
    for column in table.columns:
        marks = [name for bit, name in _MARKS.items() if column.options & bit]
        description = column.description
        if column.aliases:
            description += f" Also: {', '.join(column.aliases)}."
        cells = (f"`{column.name}`", column.type, ", ".join(marks), _cell(description))
        lines.append("| " + " | ".join(cells) + " |")
    if table.examples:
        statements = [readable(example) for example in table.examples]
        between = "\n\n" if any("\n" in statement for statement in statements) else "\n"
        lines += ["", "```sql", between.join(statements), "```"]
    return "\n".join(lines) + "\n"


# Group 1: code between back quotes, which stays. 2: an underscore within a word, which needs no backslash.
# 3: a sign that Markdown would interpret.
_SIGNS = re.compile(r"(`[^`|\\\n]+`)|(?<=\w)(_)(?=\w)|([\\`*_<\[\]|])")


def _prose(text: str) -> str:
    """Return text that Markdown shows unchanged; code between back quotes stays code."""
    return _SIGNS.sub(lambda match: match[1] or match[2] or f"\\{match[3]}", text)


def _cell(text: str) -> str:
    return _prose(" ".join(text.split()))
