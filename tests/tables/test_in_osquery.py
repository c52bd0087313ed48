"""Tables over files and homes in a real osquery: joins with its own tables, and the examples."""

from collections.abc import Callable
from typing import Any

import pytest

from kolide_tables import all_tables
from osquery_sdk import Table

Ask = Callable[..., list[dict[str, str]]]

pytestmark = pytest.mark.osqueryd

# What is in files, and in homes.
NAMES = (
    *("certificates", "keyinfo", "ssh_keys", "venv_packages", "node_packages", "go_buildinfo", "mcp_servers"),
    *("sshd_config", "sudo_rules", "secret_scan", "llm_models", "browser_profiles", "file_lines"),
    *("firefox_preferences", "ai_tools"),
    *("json", "jsonc", "jsonl", "yaml", "toml", "xml", "ini", "plist", "csv"),
)
TABLES = [one for one in all_tables(enabled=["file_lines"]) if one.name.removeprefix("kolide_") in NAMES]


@pytest.fixture
def ask(ask_osqueryi: Callable[..., Any]) -> Ask:
    """Return a function that runs statements in osqueryi and returns the rows of all of them."""
    return lambda *statements: [row for rows in ask_osqueryi(*statements) for row in rows]


def test_every_process_can_be_joined(ask: Ask) -> None:
    """Threads of the kernel have an empty path: no table may take that for a statement without a path."""
    by_path = ("certificates", "keyinfo", "go_buildinfo", "secret_scan", "file_lines", "json")
    counts = ", ".join(
        (
            f"(select count(*) from processes p join kolide_{name} t using (path) where p.pid in (1, 2)) "
            f"as {name}"
        )
        for name in by_path
    )
    (row,) = ask(f"select {counts}")
    assert row.keys() == set(by_path)


def test_texts_are_never_null(ask: Ask) -> None:
    """Descriptions and examples therefore speak of empty texts."""
    (row,) = ask("select count(*) as n, sum(match_block is null) as nulls from kolide_sshd_config")
    assert row["n"] == "0" or row["nulls"] == "0"


def test_examples_are_statements_that_osquery_runs(ask: Ask) -> None:
    assert len(TABLES) == len(NAMES)
    assert all(len(one.definition.examples) >= 2 for one in TABLES)
    ask(*(example for one in TABLES for example in one.definition.examples if "%%" not in example))


@pytest.mark.parametrize("one", TABLES, ids=lambda one: one.name)
def test_what_is_said_of_texts_is_what_osquery_shows(one: Table) -> None:
    """osquery shows no NULL in a column of texts."""
    for column in one.columns:
        if column.type.value == "TEXT":
            assert "NULL" not in column.definition.description, column.name
    names = {column.name for column in one.columns if column.type.value == "TEXT"}
    for example in one.definition.examples:
        assert not [name for name in names if f"{name} is n" in example]
