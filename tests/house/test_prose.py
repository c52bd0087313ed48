"""Lines have at most 110 characters, in pages and in code, and docstrings begin with a verb or a noun."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from ..support.paths import ROOT
from .modules import ROOTS
from .prose import MOST, long_lines, wrong_beginnings

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


SOURCES = sorted(path for root in ROOTS for path in (ROOT / root).rglob("*.py") if "gen" not in path.parts)


def test_lines_of_code_are_short_enough() -> None:
    """ruff's formatter leaves long texts and lists in `fmt: off`, and W505 looks at prose alone."""
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if len(line) > MOST
    ]
    assert found == []


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in SOURCES
        for line in wrong_beginnings(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("text", ["What it is.", "Whether it is.", "The same for others."])
def test_another_beginning_is_found(text: str) -> None:
    source = f'class A:\n    """A class."""\n\n    x: int\n    """{text}"""\n'
    assert list(wrong_beginnings(source)) == [text]
