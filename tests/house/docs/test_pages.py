"""Test README and docs: their code runs, their links lead somewhere, and every public name is documented."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import osquery_sdk
from osquery_sdk import Column, Extension, Query, Table, errors, table
from osquery_sdk.asking.client import Client
from osquery_sdk.engine import Host
from osquery_sdk.serving.status_log import StatusLogHandler
from osquery_sdk.serving.telemetry import Telemetry

from ...support.paths import DOCS, ROOT
from . import help_texts, pages
from .pages import PAGES, Command

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = [(page, command) for page in PAGES for command in pages.commands(page)]
WITH_PYTHON = [page for page in PAGES if pages.python(page).strip()]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def code_words(*files: Path) -> set[str]:
    """Return the words within back quotes."""
    quoted = " ".join(
        re.findall(r"`([^`\n]+)`", "\n".join(file.read_text(encoding="utf-8") for file in files))
    )
    return set(re.findall(r"\w+", quoted))


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name)
def test_python_runs(page: Path, tmp_path: Path) -> None:
    """All blocks of a page run as one module, and the tests in it pass."""
    file = tmp_path / f"test_{page.stem.replace('-', '_').lower()}.py"
    file.write_text(pages.python(page), encoding="utf-8")
    runner = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
    ]
    done = subprocess.run(
        [*runner, str(file)]
        if "def test_" in file.read_text()
        else [sys.executable, "-c", _MODULE, str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


_MODULE = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='page')"


@pytest.mark.parametrize(
    ("page", "command"), COMMANDS, ids=lambda value: value.line if isinstance(value, Command) else ""
)
def test_commands_print_what_is_shown(page: Path, command: Command, shell) -> None:
    done = shell(command.line, command.folder)
    got = done.stdout
    assert doctest.OutputChecker().check_output(command.output or "...", got, FLAGS), got


def test_there_are_commands_to_run() -> None:
    assert {page.name for page, _ in COMMANDS} >= {"README.md", "cli.md"}


def test_the_readme_shows_the_first_example() -> None:
    (shown, *_) = pages.blocks(ROOT / "README.md")
    lines = (ROOT / "examples/first_table.py").read_text(encoding="utf-8").splitlines()
    assert shown.code.splitlines() == [line for line in lines if not line.startswith("#")]


def test_help_texts_are_those_of_the_programs() -> None:
    written = help_texts.written()
    assert list(written) == help_texts.expected()
    if sys.version_info[:2] != (3, 11):
        pytest.skip("argparse words some texts differently from one version of Python to the next")
    with ThreadPoolExecutor(2) as pool:
        assert written == dict(zip(written, pool.map(help_texts.help_of, written), strict=True))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in pages.links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in pages.anchors(target), link


def test_every_page_is_reached_from_the_readme_and_the_index() -> None:
    for start in (ROOT / "README.md", DOCS / "index.md"):
        linked = {(start.parent / link.partition("#")[0]).resolve() for link in pages.links(start)}
        assert set(DOCS.glob("*.md")) - {start} <= linked


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pages_name_no_machine(page: Path) -> None:
    assert not re.search(
        r"/work/|/root/|/opt/|/home/(?!maria|%)|\bsession\b(?!\.py)|\bissue [0-9#]",
        page.read_text(encoding="utf-8"),
    )


# -- nothing public is missing


def test_public_names_are_those_documented() -> None:
    listed = {row[0].strip("`") for row in pages.table(DOCS / "index.md", "public names")}
    assert listed == set(osquery_sdk.__all__)


def test_the_exception_tree_is_the_one_in_the_code() -> None:
    (block,) = (b for b in pages.blocks(DOCS / "errors.md") if b.mark == "exception tree")
    assert (
        block.code.strip()
        == inspect.cleandoc(errors.__doc__ or "").partition("::\n\n")[2].replace("\n    ", "\n").strip()
    )
    assert set(errors.__all__) == set(re.findall(r"\b[A-Z]\w+(?=  |$)", block.code, re.MULTILINE)) - {"SQL"}


@pytest.mark.parametrize(
    ("function", "page"),
    [
        (Column, "tables.md"),
        (table, "tables.md"),
        (Extension.__init__, "life-cycle.md"),
        (Client.__init__, "client.md"),
        (Client.query, "client.md"),
        (StatusLogHandler.__init__, "client.md"),
        (Telemetry.__init__, "client.md"),
    ],
)
def test_parameters_are_documented(function, page: str) -> None:
    parameters = set(inspect.signature(function).parameters) - {"self"}
    assert parameters <= code_words(DOCS / page)


def test_parameters_of_a_test_query_are_documented() -> None:
    assert set(inspect.signature(Query.of).parameters) <= code_words(DOCS / "testing.md")


@pytest.mark.parametrize(
    ("kind", "page"),
    [(Table, "tables.md"), (Query, "queries.md"), (Extension, "life-cycle.md"), (Client, "client.md")],
)
def test_members_are_documented(kind: type, page: str) -> None:
    members = {member for member in dir(kind) if not member.startswith("_")}
    source = inspect.getsource(kind.__init__)
    members |= set(re.findall(r"self\.([a-z]\w*)(?::[^=]+)? = ", source))
    assert members <= code_words(DOCS / page)


def test_names_of_the_engine_are_documented() -> None:
    from osquery_sdk import engine

    assert set(engine.__all__) <= code_words(DOCS / "engine.md")
    assert {member for member in dir(Host) if not member.startswith("_")} <= code_words(DOCS / "engine.md")


def test_the_engines_own_tables_are_documented() -> None:
    with Host() as host:
        names = {
            row["name"]
            for row in host.query("select name from osquery_registry where registry = 'table'").rows
        }
    assert names <= code_words(DOCS / "engine.md")


@pytest.mark.parametrize("row", pages.table(DOCS / "life-cycle.md", "messages"), ids=lambda row: row[0])
def test_messages_are_those_of_the_code(row: list[str]) -> None:
    # The syntax tree has texts in one piece that the source has on several lines.
    texts = "\n".join(
        node.value
        for file in ("session.py", "extension.py")
        for node in ast.walk(ast.parse((ROOT / "sdk/osquery_sdk/serving" / file).read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    assert all(part in texts for part in row[0].strip("`").split("...") if part)


def test_settings_are_documented_with_their_defaults() -> None:
    from kolide_ext.settings import Settings
    from kolide_tables import Limits

    rows = {row[0].strip("`"): row for row in pages.table(DOCS / "kolide_ext.md", "settings")}
    assert list(rows) == list(Settings._fields)
    for field, default in Limits()._asdict().items():
        assert rows[field][1:3] == [f"`KOLIDE_EXT_{field.upper()}`", str(int(default))]


def test_the_settings_file_of_the_page_is_one(tmp_path: Path) -> None:
    from kolide_ext.settings import Settings
    from kolide_tables import all_tables
    from osquery_sdk import extension_settings

    (shown,) = (block.code for block in pages.blocks(DOCS / "kolide_ext.md") if block.mark == "settings file")
    file = tmp_path / "kolide_ext.toml"
    file.write_text(shown)
    file.chmod(0o600)
    settings = extension_settings(Settings, "kolide_ext", environment={}, file=str(file)).read()
    assert settings == Settings(
        disabled=("plist", "llm_models"),
        enabled=("file_lines",),
        notes="/var/lib/kolide_ext/notes.sqlite",
        max_rows=20000,
        max_seconds=10.0,
    )
    all_tables(disabled=settings.disabled, enabled=settings.enabled)  # every name is a table's
