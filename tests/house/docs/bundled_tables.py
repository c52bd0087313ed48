"""Generate docs/bundled_tables.md from the tables' own code.

``python -m tests.house.docs.bundled_tables`` writes the page below the mark; a test compares it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

from kolide_tables import catalog

from ...support.paths import DOCS, ROOT

PAGE = DOCS / "bundled_tables.md"
_SYSTEMS = {"linux": "Linux", "darwin": "macOS", "windows": "Windows"}
MARK = "<!-- generated from here on: python -m tests.house.docs.bundled_tables -->\n"


def schema(form: str) -> str:
    """Return the output of `kolide_ext schema` for all tables, even those that have to be enabled."""
    command = [sys.executable, "-m", "kolide_ext", "schema", "--format", form]
    environment = {
        "PATH": "/usr/bin:/bin",
        "KOLIDE_EXT_ENABLED": "file_lines",
        "KOLIDE_EXT_NOTES": "/var/lib/notes.sqlite",
    }
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def families() -> dict[str, list[str]]:
    """Return the families of tables, each with the full names of its tables."""
    enabled = "To be enabled in the [settings](kolide_ext.md#settings)"
    return {
        enabled if about == catalog.TO_BE_ENABLED else about: [f"kolide_{name}" for name in names]
        for about, names in catalog.families().items()
    }


def expected() -> str:
    """Return the page as it has to be."""
    by_hand = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    facts = {table["name"]: table for table in json.loads(schema("json"))}
    lines: list[str] = []
    for about, names in families().items():
        lines += [f"**{about}**", "", "| Table | Contents | Platforms |", "|---|---|---|"]
        for name in names:
            where = ", ".join(_SYSTEMS[platform] for platform in sorted(facts[name]["platforms"]))
            description = facts[name]["description"]
            lines.append(f"| [{name}](#{name}) | {description} | {'all' if len(where) > 15 else where} |")
        lines.append("")
    # Each table with the query language links to its description.
    tables = re.sub(
        r"(?m)^Values in .+ keys that lead to it\.$",
        r"\g<0> For `query` see [queries of a document](#queries-of-a-document).",
        schema("markdown"),
    )
    return f"{by_hand}{MARK}" + "\n".join(lines) + f"\n{tables.rstrip()}\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(expected(), encoding="utf-8")


if __name__ == "__main__":
    main()
