"""Parse the pages of the documentation: blocks of code with the comment before them, links, headings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ...support.paths import DOCS, ROOT

if TYPE_CHECKING:
    from pathlib import Path

_BESIDE = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md")
PAGES = [*(ROOT / name for name in _BESIDE), *sorted(DOCS.glob("*.md"))]
_BLOCK = re.compile(
    r"(?:<!-- (?P<mark>[^\n]*) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)
# A command continues after a backslash at the end of a line.
_LINES = re.compile(r"((?:[^\n]*\\\n)*[^\n]*)\n?(.*)", re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """A block of code, and the comment `<!-- mark -->` on the line before it."""

    language: str
    code: str
    mark: str
    line: int


class Command(NamedTuple):
    """A line after `$ ` in a console block, and the output below it, in which `...` stands for any text."""

    line: str
    output: str
    folder: Path


def example_command(file: Path) -> str:
    """Return the command in the comment on an example's second line, which may continue after a backslash."""
    comment = re.match(r"#!.*\n((?:#.*\\\n)*#.*)", file.read_text(encoding="utf-8"))
    assert comment is not None
    return re.sub(r"\\\n#\s*", "", comment[1]).removeprefix("# ")


def blocks(page: Path) -> list[Block]:
    """Return the page's blocks of code."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            found["language"],
            found["code"],
            found["mark"] or "",
            text.count("\n", 0, found.start("code")) + 1,
        )
        for found in _BLOCK.finditer(text)
    ]


def python(page: Path) -> str:
    """Return all Python of the page, with the line numbers of the page."""
    lines: list[str] = []
    for block in blocks(page):
        if block.language == "python":
            lines += [""] * (block.line - 1 - len(lines)) + block.code.splitlines()
    return "\n".join(lines) + "\n"


def commands(page: Path) -> list[Command]:
    """Return the commands of the console blocks marked `run` or `run in FOLDER`."""
    found = []
    for block in blocks(page):
        run, _, folder = block.mark.partition(" in ")
        if block.language == "console" and run == "run":
            for part in re.split(r"^\$ ", block.code, flags=re.MULTILINE)[1:]:
                split = _LINES.fullmatch(part)
                assert split is not None
                line, output = split.groups()
                found.append(Command(line, output, ROOT / folder))
    return found


def table(page: Path, mark: str) -> list[list[str]]:
    """Return the cells of the table below `<!-- mark -->`, without its head."""
    _, _, after = page.read_text(encoding="utf-8").partition(f"<!-- {mark} -->\n")
    rows = []
    for line in after.splitlines():
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows[2:]


def links(page: Path) -> list[str]:
    """Return the targets of the page's links, except those in code."""
    prose = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    return _LINK.findall(re.sub(r"`[^`\n]*`", "", prose))


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes for the page's headings."""
    headings = re.findall(r"^#+ (.+)$", _BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
