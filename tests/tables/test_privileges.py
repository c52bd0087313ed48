"""A table that names no privilege has the same rows for a user without root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import pytest

from kolide_tables import all_tables

from ..support.paths import ROOT

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
PROGRAM = (sys.executable, "-m", "kolide_ext", "shell", "--json")
# Their rows change between two statements: the counters of tables, and sockets and control groups that come
# and go.
MOVING = ("kolide_ext_tables", "kolide_pressure")
TABLES = [
    table
    for table in all_tables()
    if table.is_here
    and not table.options.privilege
    and table.name not in MOVING
    and not any(column.definition.required for column in table.columns)
]
# Processes come and go, too, but not the first one, which is root's.
CONDITIONS = {"kolide_process_limits": "where pid = 1"}
STATEMENTS = {
    table.name: " ".join(
        ("select", keys, "from", table.name, CONDITIONS.get(table.name, ""), "order by", keys)
    )
    for table in TABLES
    if (keys := ", ".join(column.name for column in table.columns if column.definition.key))
}


def answers(*command: str) -> list[Any]:
    """Return the rows of each statement."""
    done = subprocess.run(
        command,
        input=";\n".join(STATEMENTS.values()) + ";\n",
        capture_output=True,
        text=True,
        cwd="/",
        timeout=60,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        check=False,
    )
    if done.returncode and "kolide_" not in done.stderr:
        pytest.skip(f"another user cannot start this Python, or may not look at the SDK: {done.stderr}")
    assert done.stderr == ""
    decoder, texts, rows = json.JSONDecoder(), done.stdout, []
    while texts := texts.lstrip():
        answer, end = decoder.raw_decode(texts)
        rows.append(answer)
        texts = texts[end:]
    return rows


@pytest.mark.skipif(sys.platform != "linux", reason="setpriv")
def test_a_table_without_a_privilege_has_the_same_rows_for_everybody() -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv")
    for_root = answers(*PROGRAM)
    assert len(for_root) == len(STATEMENTS) > 5
    for_nobody = answers(*NOBODY, *PROGRAM)
    differing = [
        name for name, ours, theirs in zip(STATEMENTS, for_root, for_nobody, strict=True) if ours != theirs
    ]
    assert differing == []


def test_a_privilege_is_a_sentence_about_users_without_root() -> None:
    sentences = {table.options.privilege for table in all_tables(enabled=["file_lines"])} - {""}
    assert all(text.startswith("Without root: ") and text.endswith(".") for text in sentences)
    page = (ROOT / "docs" / "bundled_tables.md").read_text()
    assert all(text in page for text in sentences)
