"""docs/bundled_tables.md from the tables' own code: what it has to be, and a program that writes it.

``python -m tests.docs.bundled_tables`` writes; a test compares. What is above the mark is written by hand.
"""

from __future__ import annotations

import re
import subprocess
import sys

from .pages import DOCS, ROOT

PAGE = DOCS / "bundled_tables.md"
MARK = "<!-- generated from here on: python -m tests.docs.bundled_tables -->\n"


def described() -> str:
    """What `kolide_ext schema` says of all tables, on a machine where nobody set anything."""
    command = [sys.executable, "-m", "kolide_ext", "schema", "--format", "markdown"]
    environment = {"PATH": "/usr/bin:/bin", "KOLIDE_EXT_ENABLED": "file_lines"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def expected() -> str:
    """The page as it has to be."""
    by_hand = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    tables = described()
    rows = [
        f"| [{name}](#{name}) | {platforms} | {line} |"
        for name, line, platforms in re.findall(
            r"^## (\w+)\n\n(.+)\n\nPlatforms: (.+)\n", tables, re.MULTILINE
        )
    ]
    listed = "\n".join(("| Table | Platforms | |", "|---|---|---|", *rows))
    return f"{by_hand}{MARK}{listed}\n\n{tables.rstrip()}\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(expected(), encoding="utf-8")


if __name__ == "__main__":
    main()
