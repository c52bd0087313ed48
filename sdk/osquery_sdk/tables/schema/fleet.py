"""The form "fleet-yaml": a file of `schema/tables` in fleetdm/fleet.

Its `get-extended-osquery-schema.js` checks those files.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from .statements import readable

if TYPE_CHECKING:
    from .model import TableSchema


def fleet(table: TableSchema) -> str:
    """Return the YAML document of a table."""
    lines = [
        f"name: {_scalar(table.name)}",
        "platforms:",
        *(f"  - {platform}" for platform in table.platforms),
    ]
    if not table.platforms:
        lines[-1] = "platforms: []"
    # Fleet refuses a table or a column without a description.
    description = table.description or table.name
    lines += [f"description: {_scalar(description)}", f"evented: {_truth(table.is_evented)}"]
    if table.examples:
        text = "\n\n".join(f"```\n{readable(example)}\n```" for example in table.examples)
        # A block reads best, but has no escapes.
        if all(character.isprintable() or character == "\n" for character in text):
            lines += ["examples: |-", *(f"  {line}".rstrip() for line in text.split("\n"))]
        else:
            lines.append(f"examples: {_scalar(text)}")
    if table.remarks:
        lines.append(f"notes: {_scalar(table.remarks)}")
    lines.append("columns:")
    for column in table.columns:
        lines += [
            f"  - name: {_scalar(column.name)}",
            f"    description: {_scalar(column.description or column.name)}",
            f"    type: {column.type_word}",
            f"    required: {_truth(column.required)}",
        ]
        if column.hidden:
            lines.append("    hidden: true")
    return "\n".join(lines) + "\n"


def _truth(value: object) -> str:
    return "true" if value else "false"


# Text that YAML reads unchanged without quotes: no indicator, no colon, no number sign.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 _,./()'%;+*-]*\Z")
_NOT_TEXT = ("y", "n", "yes", "no", "true", "false", "on", "off", "null")


def _scalar(text: str) -> str:
    if _PLAIN.match(text) and not text.endswith(" ") and text.lower() not in _NOT_TEXT:
        return text
    # YAML has JSON's escapes, but some characters that JSON allows are not printable in YAML.
    quoted = json.dumps(text, ensure_ascii=False)
    return re.sub(
        r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]", lambda m: f"\\u{ord(m[0]):04x}", quoted
    )
