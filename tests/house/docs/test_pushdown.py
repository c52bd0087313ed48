"""Test the table of pushed terms in docs/queries.md against the engine and a real osqueryd."""

from __future__ import annotations

import enum
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from osquery_sdk import Column, Extension, Query, Row, table
from osquery_sdk.engine import OPERATORS, Host

from ...support.paths import DOCS
from . import pages

PAGE = DOCS / "queries.md"
CASES = [[cell.strip("`") for cell in row] for row in pages.table(PAGE, "pushdown")]
RECORDER = """
import json, os, sys
from osquery_sdk import Extension

def recorded(query):
    terms = [[name, op, value] for name in ITEMS.row.__columns__ for op, value in query.constraints(name)]
    with open(sys.argv[0] + ".log", "a") as log:
        print(json.dumps(terms), file=log)
    return FUNCTION(query)

ITEMS, FUNCTION = items, items.function
items.function = recorded
raise SystemExit(Extension("pushdown", version="1", plugins=[items]).run())
"""


def said(terms: list[tuple[str, int, str]]) -> str:
    """Return terms as the page writes them, with the values of one operator as a list."""
    parts: dict[str, list[str]] = {}
    for column, op, value in sorted(terms, key=lambda term: ("pid", "name", "size").index(term[0])):
        parts.setdefault(f"{column} {OPERATORS[op]}", []).append(value)
    return ", ".join(f"{head} {', '.join(values)}" for head, values in parts.items()) or "nothing"


def expected(cell: str) -> list[str]:
    return [part.strip().strip("`") for part in cell.split("`; `")]


@pytest.fixture(scope="module")
def module() -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "page"}
    exec(compile(pages.python(PAGE), PAGE, "exec"), namespace)
    return namespace


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_engine_sends_what_the_page_says(case: list[str], module: dict[str, Any], monkeypatch) -> None:
    items = module["items"]
    asked: list[Query] = []
    function = items.function
    monkeypatch.setattr(items, "function", lambda query: (asked.append(query), function(query))[1])
    with Host([Extension("pushdown", version="1", plugins=[items]).start]) as host:
        host.query(f"select * from items where {case[0]}")
    got = [
        said([(n, *term) for n in items.row.__columns__ for term in query.constraints(n)]) for query in asked
    ]
    assert got == expected(case[1])


class Kind(enum.Enum):
    SOME = "some"


class Every(Row):
    path: Path = Column("path", index=True)
    at: datetime = Column("time", index=True)
    kind: Kind = Column("enumeration", index=True)
    blob: bytes = Column("bytes", index=True)
    number: float = Column("number", index=True)
    version: str = Column("version", index=True, collate="version")
    text: str = Column("text", index=True)


VALUES = Every(
    path=Path("/a"),
    at=datetime.fromtimestamp(5, UTC),
    kind=Kind.SOME,
    blob=b"x",
    number=1.5,
    version="1.0",
    text="Some",
)


@pytest.mark.parametrize(
    "term",
    [
        "path = '/a'",
        "at = 5",
        "at > 4",
        "kind = 'some'",
        "blob = 'x'",
        "number = 1.5",
        "number < 2",
        "version = '1.0'",
        "text = 'some' collate nocase",
        "text like 'S_me'",
        "text glob 'S*'",
        "path in ('/b', '/a')",
        "path like '/%'",
    ],
)
def test_matches_never_loses_a_row(term: str) -> None:
    column, asked = term.partition(" ")[0], []

    @table("every", rows=Every)
    def every(query: Query) -> list[Every]:
        """Yield one row if it matches."""
        asked.append(query.constraints(column))
        return [VALUES] if query.matches(column, getattr(VALUES, column)) else []

    with Host([Extension("every", version="1", plugins=[every]).start]) as host:
        assert len(host.query(f"select 1 from every where {term}").rows) == 1
        assert asked[0], "the term was not pushed down"
        assert host.query(f"select 1 from every where {column} = '8'").rows == []


@pytest.mark.osqueryd
def test_osqueryd_sends_what_the_page_says(tmp_path: Path, module: dict[str, Any]) -> None:
    osqueryi = shutil.which("osqueryi")
    if osqueryi is None:
        pytest.skip("no osqueryi on PATH")
    program = tmp_path / "pushdown.ext"
    program.write_text(f"#!{sys.executable}\n{pages.python(PAGE)}\n{RECORDER}")
    program.chmod(0o755)
    log = Path(f"{program}.log")
    log.touch()
    # A unique statement separates two cases in the log.
    marker = "select * from items where pid = -77"
    statements = [line for case in CASES for line in (f"select * from items where {case[0]}", marker)]
    flags = ["--extension", str(program), "--allow_unsafe", "--extensions_require=pushdown"]
    flags += [f"--extensions_socket={tmp_path}/em", "--disable_database", "--json"]
    done = subprocess.run(
        [osqueryi, *flags],
        input="".join(f"{statement};\n" for statement in statements),
        capture_output=True,
        text=True,
        timeout=60,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    got: list[list[str]] = [[]]
    for line in log.read_text().splitlines():
        terms = [(column, op, value) for column, op, value in json.loads(line)]
        if terms == [("pid", 2, "-77")]:
            got.append([])
        else:
            got[-1].append(said(terms))
    assert dict(zip([case[0] for case in CASES], got, strict=False)) == {
        case[0]: expected(case[1]) for case in CASES
    }, done.stderr
