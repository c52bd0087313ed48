"""Test that the pages of the examples show the templates' code and the output of their projects."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from ...support.commands import run
from ...support.paths import DOCS
from ...support.projects import TEMPLATES, give_environment, make
from . import example_pages, pages

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("page", example_pages.PAGES, ids=lambda page: page.stem)
def test_the_code_is_that_of_the_template(page: Path) -> None:
    """A failure is mended by python -m tests.house.docs.example_pages."""
    shown = example_pages.shown(page)
    assert shown == {file: (example_pages.TEMPLATES / file).read_text(encoding="utf-8") for file in shown}
    (template,) = {file.partition("/")[0] for file in shown}
    modules = {path.name for path in (example_pages.TEMPLATES / template / "my_ext").glob("*.py")}
    assert {Path(file).name for file in shown if "/my_ext/" in file} == modules


def test_each_template_has_a_page_and_each_page_is_listed() -> None:
    shown = {file.partition("/")[0] for page in example_pages.PAGES for file in example_pages.shown(page)}
    assert shown == set(TEMPLATES)
    listed = set(pages.links(DOCS / "new.md"))
    assert {page.name for page in example_pages.PAGES} <= listed


@pytest.mark.parametrize("page", example_pages.PAGES, ids=lambda page: page.stem)
def test_its_commands_print_what_is_shown(page: Path, tmp_path: Path) -> None:
    """The commands run in a project that has the name used on the page."""
    (block,) = (block for block in pages.blocks(page) if block.mark.startswith("project: "))
    project = make(tmp_path, "my-ext", "--template", block.mark.removeprefix("project: "))
    give_environment(project)
    # A socket of this test's own: others may run beside it.
    socket = f"{tmp_path}/em"
    for part in re.split(r"^\$ ", block.code, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        command = line.replace("/tmp/my_ext.em", socket)
        done = run(("/bin/sh", "-c", f"exec 2>&1; {command}"), cwd=project, env={"HOME": str(tmp_path)})
        got = done.stdout.replace(socket, "/tmp/my_ext.em")
        assert doctest.OutputChecker().check_output(output, got, FLAGS), f"{line}\n{got}"
