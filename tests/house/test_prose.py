"""Lines of prose in Markdown pages have at most 110 characters, as ruff's W505 holds of docstrings."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from ..support.paths import ROOT
from .prose import MOST, long_lines

if TYPE_CHECKING:
    from pathlib import Path


# CHANGELOG.md is left out: it has a line for each change.
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "build/README.md")]
PAGES += sorted(page for folder in ("docs", "examples") for page in (ROOT / folder).rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_are_short_enough(page: Path) -> None:
    assert list(long_lines(page.read_text(encoding="utf-8"))) == []


def test_the_linter_has_the_same_length() -> None:
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    assert ruff["lint"]["pycodestyle"]["max-doc-length"] == ruff["line-length"] == MOST


LONG = "word " * 30


@pytest.mark.parametrize(
    "text",
    [LONG, f"- {LONG}", f"- item\n  {LONG}", f"> {LONG}", f"text\n{LONG}", f"```\ncode\n```\n{LONG}"],
)
def test_prose_is_found(text: str) -> None:
    assert list(long_lines(text)) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    "text",
    [
        f"| {LONG}|",
        f"# {LONG}",
        f"    {LONG}",
        f"```\n{LONG}\n```",
        f"<!-- generated from here on -->\n{LONG}",
        f"`{LONG}`",
        f"[a link]({'x' * 120})",
    ],
)
def test_other_lines_stay(text: str) -> None:
    assert list(long_lines(text)) == []
