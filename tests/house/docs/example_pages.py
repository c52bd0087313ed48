"""Copy the code of the templates into the pages of the examples.

``python -m tests.house.docs.example_pages`` writes the pages; a test compares them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...support.paths import DOCS, EXAMPLES

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATES = EXAMPLES / "templates"
PAGES = sorted(DOCS.glob("example-*.md"))
_CODE = re.compile(
    r"(?P<head>^<!-- template: (?P<file>\S+) -->\n```py\n)(?P<code>.*?)(?=^```$)", re.DOTALL | re.MULTILINE
)


def shown(page: Path) -> dict[str, str]:
    """Return the blocks of code on a page, by the file of the templates that each shows."""
    return {found["file"]: found["code"] for found in _CODE.finditer(page.read_text(encoding="utf-8"))}


def main() -> None:
    """Write the code into the pages."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")

        def code(found: re.Match[str]) -> str:
            return found["head"] + (TEMPLATES / found["file"]).read_text(encoding="utf-8")

        page.write_text(_CODE.sub(code, text), encoding="utf-8")


if __name__ == "__main__":
    main()
