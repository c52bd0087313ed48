"""The engine's last_insert_rowid() is osqueryd's after each kind of INSERT.

A real osqueryd checks the cases.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.engine import Host, SqlError

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = f"""#!{sys.executable}
from osquery_sdk import Column, Extension, Row, WritableTable, table

class Kept(Row):
    id: int | None = Column("Number", key=True, index=True, default=None)
    text: str = Column("Text", default="")

class All(WritableTable[Kept]):
    \"\"\"All that is written.\"\"\"

    def __init__(self):
        self.kept = {{}}

    def rows(self, query):
        return list(self.kept.values())

    def insert(self, row):
        number = 100 + len(self.kept) if row.id is None else row.id
        self.kept[number] = Kept(id=number, text=row.text)
        return number

    def update(self, old, new):
        self.kept[old.id] = new

raise SystemExit(Extension("kept", version="1", plugins=[table("kept")(All())]).run())
"""
CASES = [
    ("select 1", 0),
    ("insert into kept (text) values ('by the table')", 100),
    ("insert into kept (id, text) values (7, 'by its column')", 7),
    ("insert into kept (rowid, text) values (9, 'by the statement')", 9),
    ("insert into kept (rowid, id) values (11, 11)", 11),
    ("insert into kept (rowid) values (21), (22)", 22),
    ("insert into kept (rowid) values (31), (null)", 107),
    ("update kept set text = 'x' where id = 7", 107),
    ("insert into kept (rowid, text) values (41, 'a'), (42, cast('no text' as blob))", 41),
    ("insert into kept (rowid) values (-5)", -5),
    ("insert into kept (rowid) values (0)", 0),
]
LAST = "select last_insert_rowid() as last"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "kept.ext"
    file.write_text(PROGRAM)
    file.chmod(0o755)
    return file


def test_engine(program: Path) -> None:
    said = []
    with Host([program]) as host:
        for statement, _ in CASES:
            # One of them ends in the middle of its rows.
            with contextlib.suppress(SqlError):
                host.query(statement)
            said.append(int(host.query(LAST).rows[0]["last"]))
        together = f"insert into kept (rowid) values (51); {LAST}"
        assert host.query(together).rows == [{"last": "51"}]
    assert said == [last for _, last in CASES]


@pytest.mark.osqueryd
def test_osqueryd(program: Path, tmp_path: Path) -> None:
    osqueryi = shutil.which("osqueryi")
    if osqueryi is None:
        pytest.skip("no osqueryi on PATH")
    flags = ["--extension", str(program), "--extensions_require=kept", "--allow_unsafe", "--disable_database"]
    done = subprocess.run(
        [osqueryi, *flags, f"--extensions_socket={tmp_path}/em", "--csv", "--header=false"],
        input="".join(f"{statement};\n{LAST};\n" for statement, _ in CASES).replace("select 1;", ""),
        capture_output=True,
        text=True,
        timeout=60,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert re.findall(r"^-?\d+$", done.stdout, re.MULTILINE) == [str(last) for _, last in CASES], done.stderr
