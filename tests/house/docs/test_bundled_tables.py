"""Test that the page of the bundled tables matches their code, and that osquery accepts their examples."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from kolide_tables import all_tables
from kolide_tables.catalog import TO_BE_ENABLED, families
from osquery_sdk import ColumnType

from ...support.paths import ROOT
from . import bundled_tables, pages

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_page_is_what_the_code_says() -> None:
    written = bundled_tables.PAGE.read_text(encoding="utf-8")
    assert written == bundled_tables.expected(), "python -m tests.house.docs.bundled_tables writes it anew"
    names = {one.name for one in all_tables(enabled=["file_lines"], notes="/var/lib/notes.sqlite")}
    assert set(re.findall(r"^## (kolide_\w+)$", written, re.MULTILINE)) == names
    assert written.count("(#queries-of-a-document)") == 9
    assert set(re.findall(r"^\| \[(\w+)\]\(#\1\)", written, re.MULTILINE)) == names


def test_no_text_column_is_said_to_be_null() -> None:
    """A TEXT is never NULL in osquery, so a statement with `is null` would find no rows."""
    tables = all_tables(enabled=["file_lines"], notes="/var/lib/notes.sqlite")
    texts = [
        column
        for one in tables
        for column in one.columns
        if column.type in (ColumnType.TEXT, ColumnType.BLOB)
    ]
    assert [column.name for column in texts if "NULL" in column.definition.description] == []


def test_the_readme_and_the_changelog_name_them_all() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = [row for row in pages.table(ROOT / "README.md", "families") if row]
    names = {one.name.removeprefix("kolide_") for one in all_tables()}
    assert sorted(re.findall(r"`(\w+)`", "".join(row[1] for row in listed))) == sorted(names)
    assert {about: tuple(re.findall(r"`(\w+)`", row)) for about, row in listed} == {
        about: names for about, names in families().items() if about != TO_BE_ENABLED
    }
    assert f"serves {len(names)} more" in readme
    _, _, changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("Tables in `kolide_ext`")
    told = {word.removeprefix("kolide_") for word in re.findall(r"`(\w+)`", changes)}
    assert names | {"file_lines", "notes"} <= told


@pytest.mark.parametrize("row", pages.table(bundled_tables.PAGE, "queries"), ids=lambda row: row[0])
def test_queries_of_a_document_select_what_the_page_says(row: list[str], osquery_host: Any) -> None:
    (document,) = (b.code for b in pages.blocks(bundled_tables.PAGE) if b.mark == "document")
    asked = row[0].strip("`").replace("'", "''")
    sql = f"select fullkey, value from kolide_json where raw_data = '{document}' and query = '{asked}'"
    found = osquery_host(*all_tables()).query(sql).rows
    assert ", ".join(f"`{one['fullkey']}` {one['value']}" for one in found) == row[1]


@pytest.mark.osqueryd
def test_examples_are_statements_that_osquery_understands(ask_osqueryi: Callable[..., Any]) -> None:
    """osquery plans the examples without running them: it knows their names and has the required columns."""
    tables = [one for one in all_tables(enabled=["file_lines"]) if one.is_here]
    statements = [f"explain query plan {example}" for one in tables for example in one.definition.examples]
    assert len(statements) == 2 * len(tables)
    plans = ask_osqueryi(*statements)
    assert sum("VIRTUAL TABLE" in step["detail"] for plan in plans for step in plan) >= len(statements)
